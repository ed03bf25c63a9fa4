"""What pydantic refuses of a search-space file, told with line, key, value and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tuner.errors import Mistake, Problem, Where
from tuner.nearest import nearest
from tuner.space.document import Mapping, Node, Sequence, parse
from tuner.space.file.models import From, Keys, SpaceKeys
from tuner.space.file.values import Beside, Whole, Wrong

Loc = tuple[str | int, ...]
_INSTEAD = {
    "name": "x",
    "manifest": ".",
    "parameters": "{}",
    "workload": "{protocol: http, request: .}",
    "protocol": "http",
    "request": ".",
    "objectives": "{cost: minimize}",
}
"""What stands in for a key that has to be there, so that the rest can be checked."""
_KINDS = {"list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping"}
"""What pydantic itself asks for, by its name of the mistake. All other values are our own types' (`values`)."""


def understood(root: Mapping, beside: Beside) -> tuple[SpaceKeys | None, list[tuple[Loc, Problem]]]:
    """The keys of the file, and what is wrong with them, each with its place.

    What is wrong is left out of the keys, or something else stands in for it, and files need not exist: good enough to
    check the rest by. None: not enough is left.
    """
    try:
        return SpaceKeys.model_validate(root, context=beside), []
    except ValidationError as error:
        details = sorted(error.errors(include_url=False), key=_rank)
        problems = [(detail["loc"], _problem(detail, root)) for detail in details]
    tree = deepcopy(root)
    while True:
        try:
            return SpaceKeys.model_validate(tree, context=replace(beside, must_exist=False)), problems
        except ValidationError as error:
            details = error.errors(include_url=False)
        if not _leave_out(tree, details):
            return None, problems


@dataclass(frozen=True, slots=True)
class _Place:
    """Where pydantic's `loc` leads. Its steps also name forms of a value and, at the end, keys that are not there."""

    key: str
    above: str
    node: Node
    where: Where
    field: FieldInfo | None
    model: type[Keys]


def _place(root: Mapping, loc: Loc) -> _Place:
    above, key, where = "", "", root.where
    field: FieldInfo | None = None
    model: type[Keys] = SpaceKeys
    at: Node = root
    for step in loc:
        named = by_key(model).get(str(step))
        if named is not None:
            field, model = named, model_within(named.annotation, *named.metadata) or model
        if isinstance(at, Mapping) and step in at:
            above, key = key, str(step)
            where, at = at.keys_at[key], at[key]
        elif isinstance(at, Sequence) and isinstance(step, int) and step < len(at):
            at = at[step]
            where = at.where
        elif isinstance(at, Mapping) and not str(step).startswith("<"):
            where = at.where
    return _Place(key, above, at, where, field, model)


def by_key(model: type[Keys]) -> dict[str, FieldInfo]:
    """A model's fields by their keys in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def extra_of(field: FieldInfo | None, what: str) -> str:
    """What `tuner.space.file.models.key` was told of a field."""
    extra = field.json_schema_extra if field is not None else None
    return str(extra[what]) if isinstance(extra, dict) else ""


def model_within(*annotations: Any) -> type[Keys] | None:
    """The model in ``dict[str, Annotated[ParameterKeys, ...]]`` and the like; None where there is none."""
    for part in annotations:
        if isinstance(part, type) and get_origin(part) is None and issubclass(part, Keys):
            return part
        inner = model_within(part.keys) if isinstance(part, From) else model_within(*get_args(part))
        if inner is not None:
            return inner
    return None


def _rank(detail: MappingOf[str, Any]) -> int:
    """On one line come first keys that nobody knows, then values of the wrong kind, then those that will not do."""
    if detail["type"] == "extra_forbidden":
        return 0
    return 1 if detail["type"] in _KINDS or type(detail.get("ctx", {}).get("error")) is Wrong else 2


def _problem(detail: MappingOf[str, Any], root: Mapping) -> Problem:
    loc, kind = detail["loc"], detail["type"]
    place = _place(root, loc)
    if kind == "missing":
        return Problem(where=place.where, message=f"{loc[-1]!r} is missing", fix=extra_of(place.field, "required"))
    if kind == "extra_forbidden":
        message, fix = f"unknown key {place.key!r}", nearest(place.key, by_key(place.model))
        return Problem(where=place.where, message=message, fix=fix)
    if kind in _KINDS:
        fix = extra_of(place.field, "fix") or "write for example {key}: {example}"
        wrong: Mistake = Wrong(f"{{key}} is {{found}}, not {_KINDS[kind]}", fix)
    else:
        wrong = detail["ctx"]["error"]
    if not isinstance(wrong, Wrong):
        return wrong.at(place.where, "" if isinstance(wrong, Whole) else place.key)
    known = {
        "key": place.key,
        "found": str(place.node),
        "name": str(loc[1]) if loc[0] == "parameters" and len(loc) > 1 else "",
        "above": place.above,
        "example": extra_of(place.field, "example"),
    }
    return Problem(where=place.where, message=_filled(wrong.message, known), fix=_filled(wrong.fix, known))


def _filled(text: str, known: MappingOf[str, str]) -> str:
    return re.sub(r"\{(key|found|name|above|example)\}", lambda match: known[match[1]], text)


def _leave_out(tree: Mapping, details: Iterable[MappingOf[str, Any]]) -> bool:
    """Takes what is wrong out of the tree; False: nothing could be. A key that has to be there and is not gets what
    stands in for it; where nothing does, all that it belongs to goes."""
    useless: dict[tuple[int, str | int], tuple[Node, str | int]] = {}
    is_filled = False
    for detail in details:
        loc, at = detail["loc"], cast("Node", tree)
        last: tuple[Node, str | int] | None = None
        for step in loc:
            if isinstance(at, Mapping) and step in at:
                last, at = (at, step), at[str(step)]
            elif isinstance(at, Sequence) and isinstance(step, int) and step < len(at):
                last, at = (at, step), at[step]
        node, _ = parse(_INSTEAD.get(str(loc[-1]), ""), "")
        if detail["type"] == "missing" and isinstance(at, Mapping) and node is not None:
            at[str(loc[-1])], at.keys_at[str(loc[-1])], is_filled = node, at.where, True
        elif last is not None:
            useless[id(last[0]), last[1]] = last
    for above, step in reversed(useless.values()):  # items of lists move up
        del cast("Any", above)[step]
    return is_filled or bool(useless)
