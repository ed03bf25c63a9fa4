"""Keys of a chart's values, spelled as ``helm --set`` spells them: ``server.env[0].value``, ``a\\.b`` for a dot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tuner.errors import Mistake
from tuner.yaml.nodes import Path as ValuesPath

__all__ = ["ValuesPath", "parse", "spelled", "walk"]

_STEP = re.compile(r"(?P<key>(?:\\.|[^\\.\[\]=,{}\s])+)(?P<indices>(?:\[\d{1,4}\])*)")


def parse(text: str) -> ValuesPath:
    """Raises Mistake."""
    path: list[str | int] = []
    position = 0
    while True:
        found = _STEP.match(text, position)
        if found is None:
            raise Mistake(f"{text!r} is no key of a chart's values", "write it as for helm --set: server.resources")
        path.append(re.sub(r"\\(.)", r"\1", found["key"]))
        path += [int(index) for index in re.findall(r"\d+", found["indices"])]
        if found.end() == len(text):
            return tuple(path)
        if text[found.end()] != ".":
            raise Mistake(f"{text!r} is no key of a chart's values", "write it as for helm --set: server.resources")
        position = found.end() + 1


def spelled(path: ValuesPath) -> str:
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + re.sub(r"([\\.\[\]=,])", r"\\\1", step)
    return text


def walk(values: Any, path: ValuesPath = ()) -> Iterator[tuple[ValuesPath, Any]]:
    """Every key with its value, in order; items of lists that are mappings are gone into."""
    below = values.items() if isinstance(values, Mapping) else enumerate(values) if isinstance(values, list) else ()
    for step, value in below:
        if isinstance(step, str):
            yield (*path, step), value
        yield from walk(value, (*path, step))
