"""JSON as nodes that know their place in the text. Any whitespace may stand between values, tabs too."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from tuner.yaml.nodes import Document, Malformed, MappingNode, Node, ScalarNode, SequenceNode
from tuner.yaml.scalars import whole

_MAX_DEPTH = 100
_BEGINS = re.compile(r"\ufeff?\s*\{\s*[\"}]")
_BLANK = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"\ufeff?[ \t\r\n]*(?:---[ \t]*(?=[\r\n]|\Z)[ \t\r\n]*)*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = {"true": True, "false": False, "null": None}
_ALONE = re.compile("[\ud800-\udfff]")


class TooLarge(Malformed):
    """A number that no reader can hold; that it is JSON is sure."""


def begins(text: str) -> bool:
    """Whether the text begins as a JSON object does, and not as a mapping of YAML in braces."""
    return _BEGINS.match(text) is not None


def parse(text: str) -> tuple[Document, ...]:
    """One or several JSON values, with or without ``---`` between them. Raises Malformed at the first mistake."""
    reader, documents = _Reader(text), []
    position = reader.skip(0, _BETWEEN)
    while position < len(text):
        root = reader.value(position, 0)
        documents.append(Document(root=root, json=True))
        position = reader.skip(root.end, _BETWEEN)
    return tuple(documents)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def skip(self, position: int, blank: re.Pattern[str] = _BLANK) -> int:
        found = blank.match(self.text, position)
        return found.end() if found else position

    def value(self, position: int, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise Malformed(self.line(position), f"more than {_MAX_DEPTH} levels of nesting", "nest less deeply")
        first = self.text[position : position + 1]
        if first == "{":
            return self.mapping(position, depth)
        if first == "[":
            return self.sequence(position, depth)
        return self.scalar(position)

    def scalar(self, start: int) -> ScalarNode:
        if (found := _STRING.match(self.text, start)) is not None:
            # half a pair of surrogates is no character: kubectl puts this one in its place, too
            value: Any = _ALONE.sub("\ufffd", json.loads(found[0]))
            return ScalarNode(**self.place(start, found.end()), text=value, value=value, style='"')
        if (found := _NUMBER.match(self.text, start)) is not None:
            number = json.loads(found[0]) if len(found[0]) < _MAX_DEPTH else float(found[0])
            value = whole(number)
            if value in (float("inf"), float("-inf")):
                raise TooLarge(self.line(start), f"{found[0]} is larger than a number can be", "write a smaller one")
            return ScalarNode(**self.place(start, found.end()), text=found[0], value=value, style="")
        for word, value in _WORD.items():
            if self.text.startswith(word, start):
                return ScalarNode(**self.place(start, start + len(word)), text=word, value=value, style="")
        raise self.wrong(start, "a value")

    def mapping(self, start: int, depth: int) -> MappingNode:
        entries: list[tuple[ScalarNode, Node]] = []
        position = self.skip(start + 1)
        while self.text[position : position + 1] != "}":
            if entries:
                position = self.expected(position, ",")
            key = self.scalar(position) if self.text[position : position + 1] == '"' else None
            if key is None:
                raise self.wrong(position, "a key in double quotes")
            value = self.value(self.expected(self.skip(key.end), ":"), depth + 1)
            entries.append((key, value))
            position = self.skip(value.end)
        return MappingNode(**self.place(start, position + 1), entries=tuple(entries), flow=True)

    def sequence(self, start: int, depth: int) -> SequenceNode:
        items: list[Node] = []
        position = self.skip(start + 1)
        while self.text[position : position + 1] != "]":
            if items:
                position = self.expected(position, ",")
            items.append(self.value(position, depth + 1))
            position = self.skip(items[-1].end)
        return SequenceNode(**self.place(start, position + 1), items=tuple(items), flow=True)

    def expected(self, position: int, mark: str) -> int:
        """The next value's position, after this mark."""
        if self.text[position : position + 1] != mark:
            raise self.wrong(position, repr(mark))
        return self.skip(position + 1)

    def wrong(self, position: int, wanted: str) -> Malformed:
        found = repr(self.text[position : position + 20]) if position < len(self.text) else "the end"
        return Malformed(
            self.line(position), f"not JSON: {wanted} expected, but found {found}", "correct it there or above"
        )

    def line(self, position: int) -> int:
        return bisect_right(self.lines, position)

    def place(self, start: int, end: int) -> dict[str, Any]:
        line = self.line(start)
        return {"start": start, "end": end, "line": line, "column": start - self.lines[line - 1]}
