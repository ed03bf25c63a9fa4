"""A YAML or JSON text as nodes that know their place in it: a value can be named by its line, and changed where it stands.

Values are those that kubectl reads. What kubectl refuses is refused, and so is what other readers read otherwise and we
could not write so that they agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML, error, events

from tuner.yaml import json_text, scalars
from tuner.yaml.nodes import (
    AliasNode,
    Document,
    Malformed,
    MappingNode,
    Node,
    Path,
    ScalarNode,
    SequenceNode,
    child,
    data,
    line,
    merged,
    merges,
    walk,
)

__all__ = [
    "AliasNode",
    "Document",
    "Malformed",
    "MappingNode",
    "Node",
    "Path",
    "ScalarNode",
    "SequenceNode",
    "child",
    "data",
    "line",
    "load_all",
    "merged",
    "merges",
    "parse",
    "walk",
]


@lru_cache(maxsize=32)
def parse(text: str) -> tuple[Document, ...]:
    """The documents of a YAML or JSON text, empty ones left out. Raises Malformed at the first mistake.

    As kubectl does, what begins as JSON is read as JSON, and as YAML where it is none.
    """
    if not json_text.begins(text):
        return _yaml(text)
    try:
        return json_text.parse(text)
    except json_text.TooLarge:
        raise
    except Malformed as no_json:
        try:
            return _yaml(text)
        except Malformed:
            raise no_json from None


def _yaml(text: str) -> tuple[Document, ...]:
    if (odd := _NO_SEPARATOR.search(text)) is not None:
        where = text.count("\n", 0, odd.start()) + 1
        raise Malformed(where, "a line that begins with --- and goes on, which kubectl refuses", "write --- alone")
    if (odd := _ODD_BREAK.search(text)) is not None:
        where = text.count("\n", 0, odd.start()) + 1
        raise Malformed(
            where, f"{odd[0]!r}, a line break to some readers", "write an escape in double quotes, or a space"
        )
    try:
        documents = _with_tabs(text)
        _check_tabs(text, documents)
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
_TABS = re.compile(r"\t+")
_MOST_TABS = 500
_LEADING_TAB = re.compile(r"^ *\t", re.MULTILINE)
_CLOSES = re.compile(r"[ \t]*[\]}]")
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_SLASH = re.compile(r"(?<!\\)(?:\\\\)*\\/")
_NO_SEPARATOR = re.compile(r"^---(?![ \t]*(?:#|\r?$))", re.MULTILINE)
_ANCHOR = re.compile(r"[A-Za-z0-9_-]+")
_TO_ITEM = re.compile(r"(?:\s|#[^\r\n]*)*-")


def _with_tabs(text: str) -> tuple[Document, ...]:
    """ruamel.yaml takes no tab between values where kubectl does: each that it stops at is a space to it."""
    spaced, leading = text, 0
    for _ in range(_MOST_TABS):
        try:
            return tuple(_documents(text, iter(YAML(typ="safe", pure=True).parse(spaced))))
        except error.MarkedYAMLError as problem:
            mark = problem.problem_mark
            found = _TABS.match(spaced, mark.index) if mark is not None else None
            if found is None and leading:
                raise Malformed(leading, "a tab that indents", "indent with spaces") from None
            if found is None:
                raise
            if not leading and not spaced[spaced.rfind("\n", 0, found.start()) + 1 : found.start()].strip():
                leading = mark.line + 1  # right within brackets, which `_check_tabs` sees when all of it is read
            spaced = spaced[: found.start()] + " " * len(found[0]) + spaced[found.end() :]
    raise Malformed(0, f"more than {_MOST_TABS} tabs between values", "use spaces")


def _documents(text: str, stream: Iterator[Any]) -> Iterator[Document]:
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            _check_version(event)
            builder = _Builder(text, stream)
            root = builder.node(next(stream))
            yield Document(root=root, aliased=frozenset(builder.aliased))


def _check_version(event: Any) -> None:
    where = event.start_mark.line + 1
    if event.version is not None and tuple(event.version) != (1, 1):
        version = ".".join(map(str, event.version))
        raise Malformed(where, f"a directive for YAML {version}, while kubectl reads 1.1", "remove the line with %YAML")


def _check_tabs(text: str, documents: tuple[Document, ...]) -> None:
    """Tabs may stand between values, but before the first one of a line only within brackets. Where those do not hold
    the whole document, kubectl takes none at the very beginning of the line that closes them."""
    places = [match.end() - 1 for match in _LEADING_TAB.finditer(text)]
    if not places:
        return
    roots = [document.root for document in documents]
    spans = [(*span, root) for root in roots for span in _spans_without_indentation(root)]
    for place in places:
        closes = bool(_CLOSES.match(text, place)) and text[place - 1 : place] == "\n"
        if not any(
            start < place < end and (scalar or not closes or _in_brackets(root)) for start, end, scalar, root in spans
        ):
            raise Malformed(text.count("\n", 0, place) + 1, "a tab that indents", "indent with spaces")


def _spans_without_indentation(root: Node) -> Iterator[tuple[int, int, bool]]:
    """Start, end, and whether it is a scalar rather than brackets."""
    for _, node in walk(root):
        if isinstance(node, ScalarNode) or _in_brackets(node):
            yield node.start, node.end, isinstance(node, ScalarNode)
        for key, _ in node.entries if isinstance(node, MappingNode) else ():
            yield key.start, key.end, True


def _in_brackets(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and node.flow


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
        """What ruamel.yaml reads and kubectl does not."""
        if event.anchor is not None and not _ANCHOR.fullmatch(event.anchor):
            fix = "use letters, digits, - and _, as YAML 1.1 does"
            raise Malformed(line, f"the anchor or alias {event.anchor!r}", fix)
        start = event.start_mark.index
        blanks = _blanks_before(self.text, start)
        if "\t" in blanks and self.text[start - len(blanks) - 1 : start - len(blanks)] in ("-", "?"):
            raise Malformed(line, "a tab after a dash or question mark", "use spaces")
        is_escaped = isinstance(event, events.ScalarEvent) and event.style == '"'
        if is_escaped and _ESCAPED_SLASH.search(self.text, start, event.end_mark.index):
            raise Malformed(line, "the escape \\/, which kubectl does not know", "write / without a backslash")

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
        if _HALF.search(event.value):
            raise Malformed(line, "half of a pair of \\u escapes, which is no character", "write the character")
        style, content = str(event.style or ""), event.value
        if not style and "\t" in (source := self.text[start:end]):
            if "\n" in source:
                raise Malformed(line, "a tab in a text of several lines", "put the text in quotes")
            content = source[len(source) - len(event.value) :]
        return ScalarNode(
            start=start,
            end=end,
            line=line,
            column=event.start_mark.column,
            anchor=event.anchor,
            text=content,
            value=content if content != event.value else _value(event, style),
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
            value = self.node(next(self.stream), colon and colon.end())
            if merges(key):
                self._check_merge(value)
            entries.append((self._named(key), value))
        return tuple(entries), event.end_mark.index

    def _named(self, key: ScalarNode) -> ScalarNode:
        if key.style or isinstance(key.value, str):
            return key
        name = scalars.key_text(key.value)
        if name is None:
            message = f"the key {key.text or '(empty)'} is no text, and kubectl takes no such key"
            raise Malformed(key.line, message, f"put it in quotes: {scalars.quoted(key.text)}")
        return replace(key, text=name)

    def _check_merge(self, value: Node) -> None:
        target = value.node if isinstance(value, AliasNode) else value
        whole = merged(value)
        if not whole or (isinstance(target, SequenceNode) and len(whole) != len(target.items)):
            fix = "write <<: *NAME, or <<: [*NAME, *OTHER]"
            raise Malformed(value.line, "<< merges mappings, and here stands none", fix)
        self._count(sum(len(source.entries) for source in whole), value.line)


def _blanks_before(text: str, position: int) -> str:
    start = position
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    return text[start:position]


_TAGS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}


def _value(event: Any, style: str) -> Any:
    tag = str(event.tag) if event.tag is not None else ""
    name = tag.removeprefix("!!").removeprefix("tag:yaml.org,2002:")
    if not tag or tag == "!":
        return event.value if style or tag else scalars.kubectl(event.value)
    if name not in _TAGS:
        raise Malformed(event.start_mark.line + 1, f"the tag {tag}", "remove it: write the value plainly")
    value = event.value if name == "str" else scalars.kubectl(event.value)
    if not isinstance(value, _TAGS[name]) or (name != "bool" and isinstance(value, bool)):
        raise Malformed(event.start_mark.line + 1, f"{event.value!r} is no {name}, as its tag says", "remove the tag")
    return value


def load_all(text: str) -> tuple[Any, ...]:
    """Every document of a YAML text as plain data, as `data` gives it. Raises Malformed."""
    return tuple(data(document.root) for document in parse(text))
