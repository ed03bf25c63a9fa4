"""A text of several lines, such as a script, with some of its words changed where they stand."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from tuner.yaml.nodes import Malformed, ScalarNode, SequenceNode
from tuner.yaml.tree import parse

_WORD = re.compile(r"\S+")
_BEFORE = re.compile(r"(?:[&!]\S+\s+)*")
_BLOCK_HEAD = re.compile(r"(?:[&!]\S+[ \t]+)*[|>][^\r\n]*")


def words_changed(text: str, node: ScalarNode, new: str) -> tuple[int, int, str] | None:
    """The scalar's place and a source that reads as `new`, in its own style and on its own lines.

    None where there is no such source: words went, lines moved, or the style can not hold them.
    """
    source = text[node.start : node.end]
    if "\n" not in source:
        return None
    head = _BLOCK_HEAD.match(source) if node.style in ("|", ">") else None
    marks = 1 if node.style in ("'", '"') else 0
    begin = head.end() if head else _BEFORE.match(source).end() + marks  # type: ignore[union-attr]
    places = [match.span() for match in _WORD.finditer(source, begin, len(source) - marks)]
    old_words, new_words = node.value.split(), new.split()
    if len(places) != len(old_words):
        return None
    changed, position = [], 0
    for what, first, last, new_first, new_last in SequenceMatcher(
        None, old_words, new_words, autojunk=False
    ).get_opcodes():
        if what == "equal":
            continue
        words = new_words[new_first:new_last]
        if what == "delete" or (what == "replace" and len(words) < last - first) or first == last == 0:
            return None
        for (start, end), word in zip(places[first:last], words, strict=False):
            changed += [source[position:start], word]
            position = end
        added = words[last - first :]
        if added:
            at = places[last - 1][1]
            changed += [source[position:at], *(f" {word}" for word in added)]
            position = at
    candidate = "".join([*changed, source[position:]])
    return (node.start, node.end, candidate) if _read(candidate) == new else None


def _read(source: str) -> str | None:
    """What a scalar's source reads as, wherever it stands."""
    try:
        (document,) = parse(f"- {source}")
    except (Malformed, ValueError):
        return None
    root = document.root
    item = root.items[0] if isinstance(root, SequenceNode) and len(root.items) == 1 else None
    return item.text if isinstance(item, ScalarNode) else None
