"""A YAML text as nodes that know their place in it: a value can be named by its line, and changed where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML, error, events

from tuner.errors import Mistake
from tuner.yaml import scalars

Path = tuple[str | int, ...]
"""The way from a document's root to a value: keys of mappings, indices of sequences."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """`start` and `end` are offsets into the text; `line` and `column` count from 1 and 0."""

    start: int
    end: int
    line: int
    column: int
    anchor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScalarNode(Node):
    text: str
    """The scalar's content, unquoted and unfolded."""
    value: Any
    style: str
    """Empty for a plain scalar, otherwise its first character: a quote, ``|`` or ``>``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MappingNode(Node):
    entries: tuple[tuple[ScalarNode, Node], ...]
    flow: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SequenceNode(Node):
    items: tuple[Node, ...]
    flow: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AliasNode(Node):
    """``*name``: stands for `node`, which is written elsewhere."""

    node: Node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    root: Node
    aliased: frozenset[str]
    """Anchors that an alias refers to: what stands there is read in more than one place."""

    @property
    def empty(self) -> bool:
        """Nothing but comments, as before a leading or after a trailing ``---``."""
        return isinstance(self.root, ScalarNode) and self.root.value is None


class Malformed(Mistake):
    """The text is not YAML, or uses a part of it that readers differ on. `line` counts from 1; 0: the whole text."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        self.line = line
        super().__init__(message, fix)


@lru_cache(maxsize=32)
def parse(text: str) -> tuple[Document, ...]:
    """The documents of a YAML text, empty ones left out. Raises Malformed at the first mistake."""
    reader = YAML(typ="safe", pure=True)
    try:
        documents = tuple(_documents(text, iter(reader.parse(text))))
    except Malformed:
        raise
    except error.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        what = " ".join(part for part in (problem.context, problem.problem) if part)
        raise Malformed(
            mark.line + 1 if mark else 0, f"not YAML: {what}", "correct the syntax there or just above"
        ) from None
    except error.YAMLError as problem:
        raise Malformed(_line(text, problem), f"not YAML: {_first_line(problem)}", "remove that character") from None
    except (ValueError, AttributeError, TypeError, IndexError, AssertionError, RecursionError) as slip:
        # ruamel.yaml lets some of its own slips through on broken text; to the user they are syntax errors too
        raise Malformed(0, f"not YAML: {_first_line(slip)}", "check the syntax") from None
    return tuple(document for document in documents if not document.empty)


def _line(text: str, problem: Exception) -> int:
    position = getattr(problem, "position", None)
    return text.count("\n", 0, position) + 1 if isinstance(position, int) else 0


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0]


_TO_VALUE = re.compile(r"[ \t]*:")
_MOST_VALUES = 200_000
_MAX_DEPTH = 100
_TABBED = re.compile(r" *\t")
_ANCHOR = re.compile(r"[A-Za-z0-9_-]+")
_TO_ITEM = re.compile(r"(?:\s|#[^\r\n]*)*-")


def _documents(text: str, stream: Iterator[Any]) -> Iterator[Document]:
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            builder = _Builder(text, stream)
            root = builder.node(next(stream))
            yield Document(root=root, aliased=frozenset(builder.aliased))


class _Builder:
    """Makes nodes of the parser's events, for one document."""

    def __init__(self, text: str, stream: Iterator[Any]) -> None:
        self.text, self.stream = text, stream
        self.anchors: dict[str, Node] = {}
        self.weights: dict[str, int] = {}
        self.weight = self.depth = 0
        self.aliased: set[str] = set()

    def node(self, event: Any, empty_at: int | None = None) -> Node:
        """The parser marks an empty scalar at the token that follows it; `empty_at` is where it would be written."""
        line, weight = event.start_mark.line + 1, self.weight
        self._guard(event, line)
        if isinstance(event, events.AliasEvent):
            return self._alias(event, line)
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Malformed(line, f"more than {_MAX_DEPTH} levels of nesting", "nest less deeply")
        node = self._scalar(event, empty_at) if isinstance(event, events.ScalarEvent) else self._collection(event)
        self.depth -= 1
        self._count(1, line)
        if event.anchor is not None:
            self.anchors[event.anchor], self.weights[event.anchor] = node, self.weight - weight
        return node

    def _guard(self, event: Any, line: int) -> None:
        """What ruamel.yaml reads and readers of YAML 1.1 do not."""
        if event.anchor is not None and not _ANCHOR.fullmatch(event.anchor):
            fix = "use letters, digits, - and _, as YAML 1.1 does"
            raise Malformed(line, f"the anchor or alias {event.anchor!r}", fix)
        start, end = event.start_mark.index, event.end_mark.index
        if _TABBED.match(self.text, end) or "\t" in _blanks_before(self.text, start):
            raise Malformed(line, "a tab between values, which YAML 1.1 does not allow", "use spaces")

    def _alias(self, event: Any, line: int) -> AliasNode:
        if event.anchor not in self.anchors:
            fix = "define it above, or write the value out"
            raise Malformed(line, f"the alias *{event.anchor} names no anchor", fix)
        self.aliased.add(event.anchor)
        self._count(self.weights[event.anchor], line)
        start, end = event.start_mark, event.end_mark
        node, column = self.anchors[event.anchor], start.column
        return AliasNode(start=start.index, end=end.index, line=line, column=column, node=node)

    def _scalar(self, event: Any, empty_at: int | None) -> ScalarNode:
        start, end, line = event.start_mark.index, event.end_mark.index, event.start_mark.line + 1
        if start == end and empty_at is not None:
            start = end = empty_at
            line = self.text.count("\n", 0, start) + 1
        style = str(event.style or "")
        return ScalarNode(
            start=start,
            end=end,
            line=line,
            column=event.start_mark.column,
            anchor=event.anchor,
            text=event.value,
            value=_value(event, style),
            style=style,
        )

    def _collection(self, event: Any) -> MappingNode | SequenceNode:
        mark, anchor, flow = event.start_mark, event.anchor, bool(event.flow_style)
        start, line, column = mark.index, mark.line + 1, mark.column
        if isinstance(event, events.SequenceStartEvent):
            items, end = self._items(start)
            return SequenceNode(start=start, end=end, line=line, column=column, anchor=anchor, items=items, flow=flow)
        entries, end = self._entries()
        return MappingNode(start=start, end=end, line=line, column=column, anchor=anchor, entries=entries, flow=flow)

    def _count(self, values: int, line: int) -> None:
        """Aliases of aliases grow without bound when they are written out."""
        self.weight += values
        if self.weight > _MOST_VALUES:
            raise Malformed(line, f"more than {_MOST_VALUES} values, aliases written out", "use fewer aliases")

    def _items(self, position: int) -> tuple[tuple[Node, ...], int]:
        items: list[Node] = []
        while not isinstance(event := next(self.stream), events.SequenceEndEvent):
            dash = _TO_ITEM.match(self.text, position)
            items.append(self.node(event, dash and dash.end()))
            position = items[-1].end
        return tuple(items), event.end_mark.index

    def _entries(self) -> tuple[tuple[tuple[ScalarNode, Node], ...], int]:
        entries: list[tuple[ScalarNode, Node]] = []
        while not isinstance(event := next(self.stream), events.MappingEndEvent):
            key = self.node(event)
            if not isinstance(key, ScalarNode):
                raise Malformed(key.line, "a key that is not a word", "write the key as text")
            colon = _TO_VALUE.match(self.text, key.end)
            entries.append((key, self.node(next(self.stream), colon and colon.end())))
        return tuple(entries), event.end_mark.index


def _blanks_before(text: str, position: int) -> str:
    start = position
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    return text[start:position]


_TAGS = {"str": str, "int": int, "float": float, "bool": bool}


def _value(event: Any, style: str) -> Any:
    tag = str(event.tag) if event.tag is not None else ""
    name = tag.removeprefix("!!").removeprefix("tag:yaml.org,2002:")
    if not tag or tag == "!":
        return event.value if style or tag else scalars.resolve(event.value)
    if name not in _TAGS:
        raise Malformed(event.start_mark.line + 1, f"the tag {tag}", "remove it: write the value plainly")
    value = event.value if name == "str" else scalars.resolve(event.value)
    if not isinstance(value, _TAGS[name]):
        raise Malformed(event.start_mark.line + 1, f"{event.value!r} is no {name}, as its tag says", "remove the tag")
    return value


def data(node: Node) -> Any:
    """The node as fresh dicts, lists and scalars. Keys are text, as in JSON; of equal keys the last one counts."""
    if isinstance(node, AliasNode):
        return data(node.node)
    if isinstance(node, MappingNode):
        return {key.text: data(value) for key, value in node.entries}
    if isinstance(node, SequenceNode):
        return [data(item) for item in node.items]
    assert isinstance(node, ScalarNode)  # noqa: S101 - the four kinds of node
    return node.value


def load_all(text: str) -> tuple[Any, ...]:
    """Every document of a YAML text as plain data, as `data` gives it. Raises Malformed."""
    return tuple(data(document.root) for document in parse(text))


def child(node: Node, step: str | int) -> Node | None:
    """The value under a key or index."""
    if isinstance(node, AliasNode):
        return child(node.node, step)
    if isinstance(node, MappingNode):
        return next((value for key, value in reversed(node.entries) if key.text == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def line(node: Node, path: Path) -> int:
    """The line of the value at `path`, or of the last one on the way to it that exists."""
    for step in path:
        below = child(node, step)
        if below is None:
            break
        node = below
    return node.line


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node with its path, parents first; aliases are not followed."""
    yield path, node
    if isinstance(node, MappingNode):
        for key, value in node.entries:
            yield from walk(value, (*path, key.text))
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.items):
            yield from walk(item, (*path, index))
