"""A manifest's bytes as text, in the encodings that kubectl reads."""

from __future__ import annotations

import codecs

from tuner.errors import Mistake
from tuner.yaml import tree
from tuner.yaml.tree import MappingNode, ScalarNode

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Undecodable(Mistake):
    """Bytes that are no character. `line` counts from 1."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        self.line = line
        super().__init__(message, fix)


def decoded(content: bytes) -> str:
    """UTF-8 or, after its byte order mark, UTF-16. Raises Undecodable.

    In comments Windows-1252 is taken too, as kubectl never looks at them; in a value it writes U+FFFD for what it
    cannot read, which nobody wants.
    """
    if content.startswith(_UTF_16):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise Undecodable(line, "a character is cut off in this UTF-16", "save the file as UTF-8") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        first = error.start
    text, foreign = _mixed(content)
    line = content.count(b"\n", 0, first) + 1
    shown = content[first : first + 1].decode("cp1252", "replace")
    message = f"byte {content[first]:#04x} is not UTF-8"
    said = f"{message} (in Windows-1252 it is {shown!r})" if shown != "\ufffd" else message
    wrong = Undecodable(line, said, "save the file as UTF-8")
    try:
        documents = tree.parse(text)
    except tree.Malformed:
        raise wrong from None
    spans = [
        (leaf.start, leaf.end)
        for document in documents
        for _, node in tree.walk(document.root)
        for leaf in ([key for key, _ in node.entries] if isinstance(node, MappingNode) else [node])
        if isinstance(leaf, ScalarNode)
    ]
    if any(start <= place < end for place in foreign for start, end in spans):
        raise wrong
    return text


def _mixed(content: bytes) -> tuple[str, list[int]]:
    """UTF-8 where it is, else Windows-1252, and where in the text that is."""
    parts: list[str] = []
    foreign: list[int] = []
    length = position = 0
    while position < len(content):
        try:
            part, step = content[position:].decode("utf-8"), len(content)
        except UnicodeDecodeError as error:
            part = content[position : position + error.start].decode("utf-8")
            foreign.append(length + len(part))
            part += content[position + error.start : position + error.start + 1].decode("cp1252", "replace")
            step = error.start + 1
        parts.append(part)
        length, position = length + len(part), position + step
    return "".join(parts), foreign
