"""A text that kubectl reads, respelled where other readers of YAML 1.1 or 1.2 would read something else.

What all read alike stays as it was, to the character, and so do comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tuner.yaml import scalars
from tuner.yaml.nodes import Document, MappingNode, ScalarNode, data, merges, walk
from tuner.yaml.tree import parse

Edit = tuple[int, int, str]
_BEFORE = re.compile(r"(?:[&!]\S*[ \t]*(?:\r?\n[ \t]*)?)*")
_PAIR = re.compile(r"\\u[dD][89abAB]")
_TAB_OR_COMMENT = re.compile(r"#[^\r\n]*|\t")


def respelled(text: str) -> str:
    """Raises Malformed, as `parse` does."""
    documents = parse(text)
    if all(document.json for document in documents):
        return _with(text, _in_json(text, documents))
    edits = [edit for document in documents for edit in _edits(text, document)]
    spans = sorted({*((start, end) for start, end, _ in edits), *_leaves(documents)})
    return _with(text, [*edits, *_tabs(text, spans)])


def _with(text: str, edits: list[Edit]) -> str:
    parts, position = [], 0
    for start, end, replacement in sorted(edits):
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])


def _in_json(text: str, documents: tuple[Document, ...]) -> list[Edit]:
    """JSON is YAML, but for numbers such as 1e3, text to YAML 1.1, and for characters written as two escapes."""
    found = (node for document in documents for _, node in walk(document.root) if isinstance(node, ScalarNode))
    return [
        (node.start, node.end, scalars.flow(node.value))
        for node in found
        if (_PAIR.search(text, node.start, node.end) if node.style else not scalars.alike(node.text))
    ]


def _leaves(documents: tuple[Document, ...]) -> Iterator[tuple[int, int]]:
    for document in documents:
        for _, node in walk(document.root):
            for leaf in [key for key, _ in node.entries] if isinstance(node, MappingNode) else [node]:
                if isinstance(leaf, ScalarNode):
                    yield leaf.start, leaf.end


def _edits(text: str, document: Document) -> Iterator[Edit]:
    gone: set[int] = set()
    for _, node in walk(document.root):
        if id(node) in gone:
            continue
        if isinstance(node, MappingNode):
            for index, (key, value) in enumerate(node.entries):
                if not merges(key):
                    yield from _key(text, key)
                elif not any(below.anchor in document.aliased for _, below in walk(value)):
                    gone |= {id(below) for _, below in walk(value)}
                    yield _written_out(text, node, index)
        elif isinstance(node, ScalarNode) and node.start < node.end:
            yield from _value(text, node)


def _key(text: str, key: ScalarNode) -> Iterator[Edit]:
    start, raw, _ = _parts(text, key)
    if not key.style and not (isinstance(key.value, str) and scalars.alike(raw)):
        yield start, key.end, scalars.quoted(key.text)


def _value(text: str, node: ScalarNode) -> Iterator[Edit]:
    start, raw, before = _parts(text, node)
    if node.style in ("|", ">"):
        head = re.match(r"[^\r\n]*", raw)
        if head and "\t" in head[0]:
            yield start, start + head.end(), head[0].replace("\t", " ")
    elif not node.style and "!" in before:
        anchor = re.search(r"&\S+", before)
        yield node.start, node.end, (f"{anchor[0]} " if anchor else "") + scalars.flow(node.value)
    elif (
        not node.style
        and not (scalars.alike(raw) and "\t" not in raw)
        and not ("\n" in raw and isinstance(node.value, str))
    ):
        yield start, node.end, scalars.flow(node.value)


def _parts(text: str, node: ScalarNode) -> tuple[int, str, str]:
    """Where the scalar itself begins, its source, and the anchor and tag before it."""
    before = _BEFORE.match(text, node.start, node.end)
    start = before.end() if before else node.start
    return start, text[start : node.end], text[node.start : start]


def _written_out(text: str, node: MappingNode, index: int) -> Edit:
    """A merge's entries in its place, less those that stand below it."""
    key, value = node.entries[index]
    own = data(MappingNode(start=0, end=0, line=0, column=0, entries=node.entries[index : index + 1], flow=True))
    below = MappingNode(start=0, end=0, line=0, column=0, entries=node.entries[index + 1 :], flow=True)
    entries = [f"{scalars.key(name)}: {scalars.flow(item)}" for name, item in own.items() if name not in data(below)]
    if entries:
        newline = "\r\n" if "\r\n" in text else "\n"
        between = ", " if node.flow else newline + " " * key.column
        return key.start, value.end, between.join(entries)
    if index + 1 < len(node.entries):
        return key.start, node.entries[index + 1][0].start, ""
    if index:
        return node.entries[index - 1][1].end, value.end, ""
    return key.start, value.end, "" if node.flow else "{}"


def _tabs(text: str, spans: list[tuple[int, int]]) -> Iterator[Edit]:
    """Spaces in place of the tabs between values."""
    position = 0
    for start, end in [*spans, (len(text), len(text))]:
        for found in _TAB_OR_COMMENT.finditer(text, position, max(start, position)):
            if found[0] == "\t":
                yield found.start(), found.end(), " "
        position = max(position, end)
