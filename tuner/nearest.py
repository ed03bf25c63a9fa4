"""What a misspelt word was meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice in words: the nearest known word, or all of them where none is near."""
    words = list(known)
    close = get_close_matches(word[:100], words, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"use one of: {', '.join(words)}" if words else "there is none to choose from"


def slip(word: str, known: Iterable[str]) -> str | None:
    """The first known word that is one slip of the keyboard away: a letter too many, too few, another or two swapped, or
    in other capitals or separators. Words that differ in a digit are meant to. None: there is no such word."""
    return next((one for one in known if one != word and _one_slip(word, one)), None)


def _one_slip(one: str, other: str) -> bool:
    if re.sub(r"\d", "", one) == re.sub(r"\d", "", other):
        return False
    first, second = (re.sub(r"[_-]", "-", text).lower() for text in (one, other))
    if first == second:
        return True
    if abs(len(first) - len(second)) > 1:
        return False
    short, long = sorted((first, second), key=len)
    start = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1]
    return short[start + 1 :] == long[start + 1 :] or (swapped and short[start + 2 :] == long[start + 2 :])
