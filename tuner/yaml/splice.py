"""Changes a YAML text so that it reads as new values, and touches no other character.

Values are replaced where they stand; new keys and items are written after the last of their siblings, in the style of
the collection they join.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import Mistake
from tuner.yaml import block
from tuner.yaml.nodes import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode, data, merges, walk
from tuner.yaml.scalars import flow, key, quoted
from tuner.yaml.words import words_changed

Edit = tuple[int, int, str]
"""Start, end and the text that takes their place."""


class Unwritable(Mistake):
    """The text cannot be made to read as the new values by changing values in place. `line` counts from 1."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        self.line = line
        super().__init__(message, fix)


def splice(text: str, changes: list[tuple[Document, Any]]) -> str:
    """`text` with each document reading as the value beside it.

    Entries and items are changed and added, never removed. What an alias stands for is written out where the two no
    longer are the same. Raises Unwritable where a change would remove something.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    edits: list[Edit] = []
    loosened: set[int] = set()
    for document, value in changes:
        splicer = _Splicer(text, newline, document)
        edits += splicer.edits(document.root, value)
        loosened |= splicer.loosened
    if loosened:
        taken = {(start, end) for start, end, _ in edits}
        for document, _ in changes:
            edits += [edit for edit in _Splicer(text, newline, document).aliases(loosened) if edit[:2] not in taken]
    parts, position = [], 0
    for start, end, replacement in sorted(edits, key=lambda edit: edit[:2]):
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])


def same(old: Any, new: Any) -> bool:
    """Equal in value and in type, all the way down: 1, 1.0 and True are three values."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    return type(old) is type(new) and bool(old == new)


class _Splicer:
    def __init__(self, text: str, newline: str, document: Document) -> None:
        self.text, self.newline, self.document = text, newline, document
        self.loosened: set[int] = set()
        """Nodes that changed while an alias elsewhere stands for them, by identity."""

    def edits(self, node: Node, new: Any) -> Iterator[Edit]:
        """Changes within come before what is added after them: at one offset, edits apply in this order."""
        if same(data(node), new):
            return
        if node.anchor in self.document.aliased:
            self.loosened.add(id(node))
        if isinstance(node, AliasNode):
            yield node.start, node.end, self.flow(new)
        elif isinstance(node, MappingNode) and isinstance(new, dict):
            yield from self._mapping(node, new)
        elif isinstance(node, SequenceNode) and isinstance(new, list):
            yield from self._sequence(node, new)
        elif isinstance(node, ScalarNode):
            yield from self._scalar(node, new)
        else:
            raise Unwritable(
                node.line, "a list or mapping stands where a value would be written", "address a value in it"
            )

    def aliases(self, loosened: set[int]) -> Iterator[Edit]:
        """What aliases of changed values stood for, written out: only the place that is addressed changes."""
        for _, node in walk(self.document.root):
            if isinstance(node, AliasNode) and id(node.node) in loosened:
                yield node.start, node.end, self.flow(data(node))

    def flow(self, value: Any) -> str:
        return flow(value, json=self.document.json)

    def _scalar(self, node: ScalarNode, new: Any) -> Iterator[Edit]:
        in_style = words_changed(self.text, node, new) if isinstance(new, str) and isinstance(node.value, str) else None
        if in_style is not None:
            yield in_style
            return
        start, end = node.start, self._end(node)
        gap = " " if start == end and self.text[start - 1 : start].strip() else ""
        anchor = f"&{node.anchor} " if node.anchor else ""
        yield start, end, gap + anchor + self.flow(new)

    def _mapping(self, node: MappingNode, new: dict[str, Any]) -> Iterator[Edit]:
        own = {name.text: value for name, value in node.entries if not merges(name)}
        old = data(node)
        if not new.keys() >= old.keys():
            raise Unwritable(node.line, "an entry would be removed", "address a value in it")
        for name, value in own.items():
            if not same(old[name], data(value)) and not same(old[name], new[name]):
                raise Unwritable(value.line, f"{name} stands above a merge that replaces it", "write << first")
            if same(old[name], data(value)):
                yield from self.edits(value, new[name])
        added = {
            name: value
            for name, value in new.items()
            if name not in own and not (name in old and same(old[name], value))
        }
        if not added:
            return
        if node.flow:
            entries = [f"{self._key(name)}: {self.flow(value)}" for name, value in added.items()]
            last = (node.entries[-1][0].start, node.entries[-1][1].end) if node.entries else None
            yield self._into_flow(node, last, entries)
        else:
            column = node.entries[0][0].column
            yield self._after(
                node, [line for name, value in added.items() for line in block.entry(name, value, column)]
            )

    def _key(self, name: str) -> str:
        return quoted(name) if self.document.json else key(name)

    def _sequence(self, node: SequenceNode, new: list[Any]) -> Iterator[Edit]:
        if len(new) < len(node.items):
            raise Unwritable(node.line, "an item would be removed", "address a value in it")
        for item, value in zip(node.items, new, strict=False):
            yield from self.edits(item, value)
        added = new[len(node.items) :]
        if not added:
            return
        if node.flow:
            last = (node.items[-1].start, node.items[-1].end) if node.items else None
            yield self._into_flow(node, last, [self.flow(value) for value in added])
        else:
            dash = self.text.rindex("-", 0, node.items[0].start)
            column = dash - (self.text.rfind("\n", 0, dash) + 1)
            yield self._after(node, [line for value in added for line in block.item(value, column)])

    def _into_flow(self, node: Node, last: tuple[int, int] | None, added: list[str]) -> Edit:
        """What is added follows the last child, whose start and end are given: on lines of their own where it has one.

        A flow collection ends with its bracket.
        """
        if last is None:
            return node.end - 1, node.end - 1, ", ".join(added)
        start, end = last
        line_start = self.text.rfind("\n", 0, start) + 1
        indent = self.text[line_start:start]
        between = f",{self.newline}{indent}" if line_start > node.start and not indent.strip(" \t") else ", "
        return end, end, "".join(between + one for one in added)

    def _after(self, node: Node, lines: list[str]) -> Edit:
        """On new lines after the line (or block scalar) that the collection ends with."""
        last = _last(node)
        position = self._end(last)
        if not (isinstance(last, ScalarNode) and last.style in ("|", ">")):
            line_end = self.text.find("\n", position)
            position = len(self.text) if line_end < 0 else line_end
            if self.text[position - 1 : position] == "\r":
                position -= 1
        return position, position, self.newline + self.newline.join(lines)

    def _end(self, node: Node) -> int:
        """A block scalar's mark stands at the start of the next line; its own last line break stays where it is."""
        end = node.end
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            for newline in ("\r\n", "\n"):
                if self.text[:end].endswith(newline):
                    return end - len(newline)
        return end


def _last(node: Node) -> Node:
    if isinstance(node, MappingNode) and not node.flow:
        return _last(node.entries[-1][1])
    if isinstance(node, SequenceNode) and not node.flow:
        return _last(node.items[-1])
    return node
