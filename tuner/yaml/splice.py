"""Changes a YAML text so that it reads as new values, and touches no other character.

Values are replaced where they stand; new keys and items are written after the last of their siblings, in the style of
the collection they join.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import Mistake
from tuner.yaml.scalars import flow, key
from tuner.yaml.tree import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode, data

Edit = tuple[int, int, str]
"""Start, end and the text that takes their place."""


class Unwritable(Mistake):
    """The text cannot be made to read as the new values by changing values in place. `line` counts from 1."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        self.line = line
        super().__init__(message, fix)


def splice(text: str, changes: list[tuple[Document, Any]]) -> str:
    """`text` with each document reading as the value beside it.

    Entries and items are changed and added, never removed. Raises Unwritable where a change would show up elsewhere
    too (a YAML alias) or would remove something.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    edits = [
        edit for document, value in changes for edit in _Splicer(text, newline, document).edits(document.root, value)
    ]
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

    def edits(self, node: Node, new: Any) -> Iterator[Edit]:
        """Changes within come before what is added after them: at one offset, edits apply in this order."""
        if same(data(node), new):
            return
        if isinstance(node, AliasNode) or node.anchor in self.document.aliased:
            raise Unwritable(node.line, "this value is shared through a YAML alias", "write it out in each place")
        if isinstance(node, MappingNode) and isinstance(new, dict):
            yield from self._mapping(node, new)
        elif isinstance(node, SequenceNode) and isinstance(new, list):
            yield from self._sequence(node, new)
        elif isinstance(node, ScalarNode):
            start, end = node.start, self._end(node)
            gap = " " if start == end and self.text[start - 1 : start].strip() else ""
            yield start, end, gap + flow(new)
        else:
            raise Unwritable(
                node.line, "a list or mapping stands where a value would be written", "address a value in it"
            )

    def _mapping(self, node: MappingNode, new: dict[str, Any]) -> Iterator[Edit]:
        names = [name.text for name, _ in node.entries]
        if not new.keys() >= set(names):
            raise Unwritable(node.line, "an entry would be removed", "address a value in it")
        for name, value in node.entries:
            yield from self.edits(value, new[name.text])
        added = {name: value for name, value in new.items() if name not in names}
        if not added:
            return
        if node.flow:
            inside = ", ".join(f"{key(name)}: {flow(value)}" for name, value in added.items())
            yield self._into_flow(node, [value for _, value in node.entries], inside)
        else:
            column = node.entries[0][0].column
            yield self._after(node, [line for name, value in added.items() for line in _entry(name, value, column)])

    def _sequence(self, node: SequenceNode, new: list[Any]) -> Iterator[Edit]:
        if len(new) < len(node.items):
            raise Unwritable(node.line, "an item would be removed", "address a value in it")
        for item, value in zip(node.items, new, strict=False):
            yield from self.edits(item, value)
        added = new[len(node.items) :]
        if not added:
            return
        if node.flow:
            yield self._into_flow(node, list(node.items), ", ".join(map(flow, added)))
        else:
            dash = self.text.rindex("-", 0, node.items[0].start)
            column = dash - (self.text.rfind("\n", 0, dash) + 1)
            yield self._after(node, [line for value in added for line in _item(value, column)])

    def _into_flow(self, node: Node, children: list[Node], inside: str) -> Edit:
        """A flow collection ends with its bracket; what is added follows the last child."""
        if children:
            return children[-1].end, children[-1].end, ", " + inside
        return node.end - 1, node.end - 1, inside

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


def _entry(name: str, value: Any, column: int) -> list[str]:
    """A block mapping's entry."""
    head = " " * column + key(name) + ":"
    if isinstance(value, dict) and value:
        return [head, *(line for below, item in value.items() for line in _entry(below, item, column + 2))]
    if isinstance(value, list) and value:
        return [head, *(line for item in value for line in _item(item, column + 2))]
    return [f"{head} {flow(value)}"]


def _item(value: Any, column: int) -> list[str]:
    """A block sequence's item."""
    if isinstance(value, dict) and value:
        lines = [line for name, item in value.items() for line in _entry(name, item, column + 2)]
        return [" " * column + "- " + lines[0].lstrip(" "), *lines[1:]]
    return [f"{' ' * column}- {flow(value)}"]
