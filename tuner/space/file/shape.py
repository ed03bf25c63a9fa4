"""A workload's `shape`, read by `tuner.workload.shapes` as the compact spelling of the command line is: as models its
parts would be read in two ways, which would come to differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import ValidationInfo

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.space.document import Mapping, Node
from tuner.space.file.values import Whole, Wrong, beside, existing, located, texts, written
from tuner.workload.shapes import EXAMPLES, KINDS, RATES, TIMES, Rated, ShapeError, parse_shape, shape_of

_LEVEL = {"type": ["string", "number"]}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def _parts_schema(kind: str) -> dict[str, Any]:
    keys: dict[str, Any] = dict.fromkeys((*RATES[kind], *TIMES[kind]), _LEVEL)
    if "rates" in keys:
        keys["rates"] = {"type": "array", "items": _LEVEL, "minItems": 2}
    return _object(keys, required=list(keys))


_KINDS_SCHEMA = {**{kind: _parts_schema(kind) for kind in RATES}, "trace": {"type": "string"}}
SHAPE_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": rf"^\s*({'|'.join(KINDS)}):"},
        _object(_KINDS_SCHEMA, minProperties=1, maxProperties=1),
    ]
}


def read_shape(node: Node, info: ValidationInfo) -> Rated | Path:
    """A path is that of a trace, which is read when the names of the workload's requests are known."""
    text = written(node)
    if text is not None:
        try:
            trace = cast("Any", lambda file: beside(info)(str(file)))
            return cast("Rated | Path", parse_shape(text, trace))
        except ShapeError as error:
            raise located(((), Whole(mistake.message, mistake.fix)) for mistake in error.mistakes) from None
    if not isinstance(node, Mapping) or len(node) != 1:
        fix = "write for example shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}"
        raise Wrong(f"{{key}} is {{found}}, not one of {', '.join(KINDS)} with its rates and times", fix)
    ((kind, parts),) = node.items()
    try:
        if kind not in KINDS:
            raise Whole(f"unknown key {kind!r}", nearest(kind, KINDS))
        if kind == "trace":
            return existing(parts, info)
        if not isinstance(parts, Mapping):
            raise Wrong("{key} is {found}, not a mapping", f"write for example shape: {EXAMPLES[kind]}")
    except Mistake as mistake:
        raise located([((kind,), mistake)]) from None
    return _of_parts(kind, parts)


def _of_parts(kind: str, parts: Mapping) -> Rated:
    known = (*RATES[kind], *TIMES[kind])
    found = {key: tuple(texts(node) or ()) for key, node in parts.items() if key in known}
    wrong: list[tuple[tuple[str, ...], Mistake]]
    wrong = [((kind, key), Whole(f"unknown key {key!r}", nearest(key, known))) for key in parts if key not in known]
    useless = [key for key, part in found.items() if not part or (len(part) > 1 and key != "rates")]
    fix = f"write it as in {EXAMPLES[kind]}"
    wrong += [((kind, key), Wrong("{key} is {found}, not a value", fix)) for key in useless]
    if not useless:
        try:
            made = shape_of(kind, found)
        except ShapeError as error:
            wrong += [((kind, m.key or ""), Whole(m.message, m.fix)) for m in error.mistakes]
    if wrong:
        raise located(wrong)
    return made
