"""The value of a flag in a command line, however it is spelled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NEGATIVE = re.compile(r"-[0-9.]+")


def value(words: Sequence[str], flags: Sequence[str]) -> str | None:
    """Of the first of `flags` that is there; of several the last counts, as most parsers have it. Empty: it stands
    alone. ``--max_num_seqs`` is ``--max-num-seqs``; of a single letter, ``-w4`` is ``-w 4``."""
    for flag in flags:
        for found in values(words, flag):
            return found
    return None


def values(words: Sequence[str], flag: str) -> Iterator[str]:
    """Of each time the flag is there, the last first; each as in `value`."""
    for place in range(len(words) - 1, -1, -1):
        name, equals, given = words[place].partition("=")
        if alike(name, flag):
            after = words[place + 1] if place + 1 < len(words) else ""
            alone = after.startswith("-") and not _NEGATIVE.fullmatch(after)
            yield given if equals else ("" if alone else after)
        elif (after_letter := joined(words[place], flag)) is not None:
            yield after_letter


def joined(word: str, flag: str) -> str | None:
    """The value that follows a flag of a single letter within its own word, as in ``-w4``; None: none does."""
    found = re.fullmatch(re.escape(flag) + r"([:\d].*)", word) if len(flag) == 2 else None
    return found[1] if found else None


def alike(one: str, other: str) -> bool:
    """Whether two spellings are of one long flag."""
    return one == other or (one.startswith("--") and one.replace("_", "-") == other.replace("_", "-"))
