"""What a misspelt word was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice in words: the nearest known word, or all of them where none is near."""
    words = list(known)
    close = get_close_matches(word[:100], words, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"use one of: {', '.join(words)}" if words else "there is none to choose from"
