"""The nodes of a YAML or JSON text, which know their place in it, and how one finds the way among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuner.errors import Mistake

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
    """The scalar's content, unquoted and unfolded; of a key what it is called in JSON."""
    value: Any
    style: str
    """Empty for a plain scalar, otherwise its first character: a quote, ``|`` or ``>``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MappingNode(Node):
    entries: tuple[tuple[ScalarNode, Node], ...]
    """As they are written: a merge (``<<``) is one of them."""
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
    aliased: frozenset[str] = frozenset()
    """Anchors that an alias refers to: what stands there is read in more than one place."""
    json: bool = False
    """Written as JSON, which has to stay JSON."""

    @property
    def empty(self) -> bool:
        """Nothing but comments, as before a leading or after a trailing ``---``."""
        return isinstance(self.root, ScalarNode) and self.root.value is None


class Malformed(Mistake):
    """The text is not YAML, or uses a part of it that readers differ on. `line` counts from 1; 0: the whole text."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        self.line = line
        super().__init__(message, fix)


def data(node: Node) -> Any:
    """The node as fresh dicts, lists and scalars. Keys are text, as in JSON; of equal keys the last one counts.

    What a merge brings is among the entries, and replaces those above it, as kubectl has it.
    """
    if isinstance(node, AliasNode):
        return data(node.node)
    if isinstance(node, MappingNode):
        return _mapping(node)
    if isinstance(node, SequenceNode):
        return [data(item) for item in node.items]
    assert isinstance(node, ScalarNode)  # noqa: S101 - the four kinds of node
    return node.value


def _mapping(node: MappingNode) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in node.entries:
        if merges(key):
            for source in reversed(merged(value)):
                entries |= data(source)
        else:
            entries[key.text] = data(value)
    return entries


def merges(key: ScalarNode) -> bool:
    """Whether it is the key of a merge: ``<<``, unquoted."""
    return key.text == "<<" and not key.style


def merged(value: Node) -> list[MappingNode]:
    """What a merge brings, the first first, which counts most; empty for what is no mapping or list of them."""
    value = _written(value)
    if isinstance(value, MappingNode):
        return [value]
    items = [_written(item) for item in value.items] if isinstance(value, SequenceNode) else []
    return [item for item in items if isinstance(item, MappingNode)]


def _written(node: Node) -> Node:
    return _written(node.node) if isinstance(node, AliasNode) else node


def child(node: Node, step: str | int) -> Node | None:
    """The value under a key or index."""
    if isinstance(node, AliasNode):
        return child(node.node, step)
    if isinstance(node, MappingNode):
        for key, value in reversed(node.entries):
            if merges(key):
                there = (found for source in merged(value) if (found := child(source, step)) is not None)
                if (found := next(there, None)) is not None:
                    return found
            elif key.text == step:
                return value
        return None
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
