"""A change as a JSON patch (RFC 6902): right for every kind, since it names each place by its index.

What stands at an index is tested first, so that on a manifest that was changed meanwhile the patch fails instead of
changing another container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.yaml.nodes import Path
from tuner.yaml.splice import same

Operation = dict[str, Any]


def operations(before: Any, after: Any) -> list[Operation]:
    """What makes `before` into `after`, each test once and before all changes."""
    found = list(_within(before, after, ()))
    tests = [one for one in found if one["op"] == "test"]
    return [
        *(one for index, one in enumerate(tests) if one not in tests[:index]),
        *(one for one in found if one["op"] != "test"),
    ]


def pointer(path: Path) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _within(before: Any, after: Any, path: Path) -> Iterator[Operation]:
    if same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [name for name in before if name not in after]:
            yield {"op": "remove", "path": pointer((*path, name))}
        for name, value in after.items():
            if name in before:
                yield from _within(before[name], value, (*path, name))
            else:
                yield {"op": "add", "path": pointer((*path, name)), "value": value}
    elif isinstance(before, list) and isinstance(after, list) and len(after) >= len(before):
        for index, item in enumerate(before):
            if not same(item, after[index]):
                yield from _guards(before, index, path)
                yield from _within(item, after[index], (*path, index))
        for item in after[len(before) :]:
            yield {"op": "add", "path": f"{pointer(path)}/-", "value": item}
    else:
        yield {"op": "replace", "path": pointer(path), "value": after}


def _guards(items: list[Any], index: int, path: Path) -> Iterator[Operation]:
    """That the item is the one that is meant: a mapping by its name, a word by itself and the flag before it."""
    item = items[index]
    if isinstance(item, Mapping):
        if isinstance(item.get("name"), str):
            yield {"op": "test", "path": pointer((*path, index, "name")), "value": item["name"]}
    elif not isinstance(item, list):
        flag = items[index - 1] if index else None
        if isinstance(flag, str) and flag.startswith("-"):
            yield {"op": "test", "path": pointer((*path, index - 1)), "value": flag}
        yield {"op": "test", "path": pointer((*path, index)), "value": item}
