"""Text of others (servers' logs, answers, events), made fit for a terminal, a page and a journal line."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]"
)
"""Control sequences of terminals (ECMA-48): colours, cursor moves, titles, links."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tab and newline, and those that turn the direction of writing."""


def printable(text: str) -> str:
    """`text` without sequences that a terminal would obey; other control characters are shown as ``\\x1b``."""
    unified = _SEQUENCE.sub("", text.replace("\r\n", "\n"))
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), unified)


def last_bytes(text: str, most: int) -> str:
    """The end of `text`, of `most` bytes of UTF-8 at most, with a word on how much was cut off before it."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return text
    kept = encoded[-most:].decode(errors="ignore")
    return f"[{len(encoded) - most} bytes before this were cut off] {kept}"


def cut(text: str, most: int) -> str:
    """`text`, its end left out where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[:most]}…"


def shortened(text: str, most: int) -> str:
    """`text`, its middle left out where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    left_out = f" … [{len(text) - most} characters] … "
    half = max(0, most - len(left_out)) // 2
    return text[:half] + left_out + text[-half:]
