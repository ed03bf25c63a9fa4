"""Whether a manifest that some tool built is the one that was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.export.changes import Change
from tuner.manifests.export.json_patch import pointer
from tuner.manifests.export.merge_patch import merge_key
from tuner.manifests.kinds.model import at
from tuner.yaml.nodes import Path
from tuner.yaml.scalars import flow
from tuner.yaml.splice import same

_Identity = tuple[str, str, str]


def differences(built: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """In sentences; empty: it is. What is built may hold more objects, and hold them in another order.

    Lists that the API merges by a key may be in another order too, as such tools make them.
    """
    there = {_identity(obj): obj for obj in built}
    return tuple(
        sentence
        for obj in measured
        for sentence in (
            _within(Change(before=obj, after=obj), there[_identity(obj)], obj, (), ())
            if _identity(obj) in there
            else (f"{obj.get('kind')}/{_identity(obj)[2]} is not there",)
        )
    )


def _identity(obj: Mapping[str, Any]) -> _Identity:
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return group, str(obj.get("kind")), str(at(obj, ("metadata", "name")))


def _within(of: Change, built: Any, measured: Any, names: Path, shown: Path) -> Iterator[str]:
    """`names`: of the fields alone, which tell what a list is merged by; `shown`: with indices and keys of items."""
    if same(built, measured):
        return
    key = merge_key(of, names) if names else None
    if isinstance(built, Mapping) and isinstance(measured, Mapping):
        for name in {**measured, **built}:
            yield from _within(of, built.get(name), measured.get(name), (*names, name), (*shown, name))
    elif isinstance(built, list) and isinstance(measured, list) and key is not None:
        for name in dict.fromkeys([*_keys(measured, key), *_keys(built, key)]):
            one, other = ([item for item in side if at(item, (key,)) == name] for side in (built, measured))
            for index in range(max(len(one), len(other))):  # of several of one key the order counts
                yield from _within(of, _at(one, index), _at(other, index), names, (*shown, str(name)))
    elif isinstance(built, list) and isinstance(measured, list) and len(built) == len(measured):
        for index, (one, other) in enumerate(zip(built, measured, strict=True)):
            yield from _within(of, one, other, names, (*shown, index))
    else:
        yield f"{of} {pointer(shown)}: {_told(built)}, but {_told(measured)} was measured"


def _keys(items: list[Any], key: str) -> list[Any]:
    return [at(item, (key,)) for item in items]


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def _told(value: Any) -> str:
    return "nothing" if value is None else flow(value)
