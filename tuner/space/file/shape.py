"""A workload's `shape`, read by `tuner.space.shapes` as the compact spelling of the command line is: as models its parts
would be read in two ways, which would come to differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import ValidationInfo

from tuner.space.document import Mapping, Node
from tuner.space.file import values
from tuner.space.file.values import Located, Wrong, together
from tuner.space.nearest import nearest
from tuner.space.shapes import EXAMPLES, KINDS, RATES, TIMES, Rated, ShapeError, parse_shape, shape_of

_LEVEL = {"type": ["string", "number"]}
SHAPE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": rf"^\s*({'|'.join(KINDS)}):"},
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {
                "trace": {"type": "string"},
                **{
                    kind: {
                        "type": "object",
                        "additionalProperties": False,
                        "required": [*RATES[kind], *TIMES[kind]],
                        "properties": {
                            key: {"type": "array", "items": _LEVEL, "minItems": 2} if key == "rates" else _LEVEL
                            for key in (*RATES[kind], *TIMES[kind])
                        },
                    }
                    for kind in RATES
                },
            },
        },
    ]
}


def read_shape(node: Node, info: ValidationInfo) -> Rated | Path:
    """A path is that of a trace, which is read when the names of the workload's requests are known."""
    text = values.written(node)
    if text is not None:
        try:
            trace = cast("Any", lambda file: values.beside(info).folder / file)
            return cast("Rated | Path", parse_shape(text, trace))
        except ShapeError as error:
            raise together([((), Wrong(mistake.message, mistake.fix)) for mistake in error.mistakes]) from None
    if not isinstance(node, Mapping) or len(node) != 1:
        fix = "write for example shape: {ramp: {from: 10/s, to: 500/s, over: 30s}}"
        raise Wrong(f"{{key}} is {{found}}, not one of {', '.join(KINDS)} with its rates and times", fix)
    ((kind, parts),) = node.items()
    try:
        if kind not in KINDS:
            raise Wrong(f"unknown key {kind!r}", nearest(kind, KINDS))
        if kind == "trace":
            return values.existing_file(parts, info)
        if not isinstance(parts, Mapping):
            raise Wrong("{key} is {found}, not a mapping", f"write for example shape: {EXAMPLES[kind]}")
    except ValueError as error:
        raise together([((kind,), error)]) from None
    return _of_parts(kind, parts)


def _of_parts(kind: str, parts: Mapping) -> Rated:
    known = {*RATES[kind], *TIMES[kind]}
    written: dict[str, tuple[str, ...]] = {}
    wrong: Located = []
    for key, node in parts.items():
        found = values.texts(node)
        if key not in known:
            wrong.append(((kind, key), Wrong(f"unknown key {key!r}", nearest(key, known))))
        elif not found or (len(found) > 1 and key != "rates"):
            wrong.append(((kind, key), Wrong("{key} is {found}, not a value", f"write it as in {EXAMPLES[kind]}")))
        else:
            written[key] = tuple(found)
    try:
        if len(written) == len(known & parts.keys()):
            made = shape_of(kind, written)
    except ShapeError as error:
        wrong += [((kind, mistake.key or ""), Wrong(mistake.message, mistake.fix)) for mistake in error.mistakes]
    if wrong:
        raise together(wrong)
    return made
