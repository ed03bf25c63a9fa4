"""Two texts of a manifest as a unified diff, which `patch -p1` and `git apply` take."""

from __future__ import annotations

import difflib
from io import StringIO


def unified(before: str, after: str, file: str) -> str:
    """Empty where they are the same. Line ends are kept as they are."""
    lines = difflib.unified_diff(_lines(before), _lines(after), fromfile=f"a/{file}", tofile=f"b/{file}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return StringIO(text, newline="\n").readlines()
