"""Where in a JSON value to look: JSONPath (RFC 9535) less filters, which need a language of expressions.

$.outputs[0].data[*]      names, indices (from the end when negative) and all children
$['odd name']             any name, in quotes
$.rows[1:10:2]            a slice, as in Python
$.a['x','y',0]            several at once
$..score                  at any depth
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tuner.errors import Mistake

MAX_LENGTH = 1000

Place = tuple[str | int, ...]
"""Where a value stands: the names and indices that lead to it from the whole."""
_Step = Callable[[object], Iterator[tuple[Place, object]]]
"""What of a value is selected, and where in it that stands."""

_SHORT = re.compile(r"\*|[^\W\d]\w*")
_BLANK = re.compile(r"[ \t\r\n]*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_SLICE = re.compile(r"(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(-?\d+)?)?", re.ASCII)
_INDEX = re.compile(r"-?(?:0|[1-9]\d{0,14})", re.ASCII)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True, slots=True)
class JsonPath:
    """Made by `parse_path`."""

    text: str
    _steps: tuple[_Step, ...] = field(repr=False, compare=False)

    def select(self, value: object) -> list[object]:
        """All that it selects of a value as `json.loads` makes it, in document order; empty: nothing is there."""
        return [found for _, found in self._found(value)]

    def places(self, value: object) -> list[Place]:
        """Where all that stands which it selects."""
        return [place for place, _ in self._found(value)]

    def _found(self, value: object) -> list[tuple[Place, object]]:
        found: list[tuple[Place, object]] = [((), value)]
        for step in self._steps:
            found = [(place + below, child) for place, node in found for below, child in step(node)]
        return found


def spelled(place: Place) -> str:
    """The path that selects what stands there: ``$.outputs[0].id``."""
    return "$" + "".join(_key(key) for key in place)


def _key(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if key != "*" and _SHORT.fullmatch(key):
        return f".{key}"
    quoted = json.dumps(key, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"['{quoted}']"


def parse_path(text: str) -> JsonPath:
    """Raises Mistake with the column and what is allowed there."""
    if len(text) > MAX_LENGTH:
        raise Mistake(f"the path has {len(text)} characters", f"at most {MAX_LENGTH} are allowed")
    if not text.startswith("$"):
        raise Mistake(f"{text!r} is not a JSONPath", "it begins with $, as in $.outputs[0].data")
    steps: list[_Step] = []
    at = 1
    while at < len(text):
        is_deep = text.startswith("..", at)
        if is_deep:
            at += 2
        elif text[at] == ".":
            at += 1
        if text.startswith("[", at):
            if text[at - 1] == "." and not is_deep:
                raise _unexpected(text, at, "a name or *")
            step, at = _bracket(text, at)
        elif text[at - 1] == ".":
            step, at = _short(text, at)
        else:
            raise _unexpected(text, at, ". or [")
        steps.append(_deep(step) if is_deep else step)
    return JsonPath(text, tuple(steps))


def _short(text: str, at: int) -> tuple[_Step, int]:
    match = _SHORT.match(text, at)
    if match is None:
        raise _unexpected(text, at, "a name or * (names with other characters go in ['quotes'])")
    return (_all if match[0] == "*" else _named(match[0])), match.end()


def _bracket(text: str, at: int) -> tuple[_Step, int]:
    selectors: list[_Step] = []
    while True:
        selector, at = _selector(text, _blank(text, at + 1))
        selectors.append(selector)
        at = _blank(text, at)
        if text.startswith("]", at):
            return (selectors[0] if len(selectors) == 1 else _several(selectors)), at + 1
        if not text.startswith(",", at):
            raise _unexpected(text, at, "] or a comma")


def _selector(text: str, at: int) -> tuple[_Step, int]:
    if text.startswith("*", at):
        return _all, at + 1
    if text.startswith("?", at):
        raise Mistake(f"column {at + 1}: filters are not known here", "select by name, index, slice or *")
    if match := _QUOTED.match(text, at):
        return _named(_unescaped(match[1] if match[1] is not None else match[2])), match.end()
    if match := _SLICE.match(text, at):
        low, high, step = (int(part) if part else None for part in match.groups())
        return _slice(slice(low, high, step)), match.end()
    if match := _INDEX.match(text, at):
        return _indexed(int(match[0])), match.end()
    raise _unexpected(text, at, "a name in quotes, an index, a slice or *")


def _named(name: str) -> _Step:
    def select(value: object) -> Iterator[tuple[Place, object]]:
        if isinstance(value, dict) and name in value:
            yield (name,), value[name]

    return select


def _indexed(index: int) -> _Step:
    def select(value: object) -> Iterator[tuple[Place, object]]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield (index % len(value),), value[index]

    return select


def _slice(part: slice) -> _Step:
    def select(value: object) -> Iterator[tuple[Place, object]]:
        if isinstance(value, list) and part.step != 0:  # a step of 0 selects nothing (RFC 9535, 2.3.4.2.2)
            yield from (((index,), value[index]) for index in range(len(value))[part])

    return select


def _all(value: object) -> Iterator[tuple[Place, object]]:
    if isinstance(value, dict):
        yield from (((name,), child) for name, child in value.items())
    elif isinstance(value, list):
        yield from (((index,), child) for index, child in enumerate(value))


def _several(selectors: list[_Step]) -> _Step:
    def select(value: object) -> Iterator[tuple[Place, object]]:
        for selector in selectors:
            yield from selector(value)

    return select


def _deep(step: _Step) -> _Step:
    """The value itself and all below it, parents first."""

    def select(value: object) -> Iterator[tuple[Place, object]]:
        waiting: list[tuple[Place, object]] = [((), value)]
        while waiting:
            place, node = waiting.pop()
            yield from ((place + below, child) for below, child in step(node))
            waiting.extend(reversed([(place + below, child) for below, child in _all(node)]))

    return select


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise Mistake(f"\\{code} is no escape in a JSONPath", "write \\\\ for a backslash")
        return _ESCAPED[code]

    return _ESCAPE.sub(character, text)


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _unexpected(text: str, at: int, expected: str) -> Mistake:
    found = repr(text[at]) if at < len(text) else "the end of the path"
    return Mistake(f"column {at + 1}: found {found}", f"write {expected} there")
