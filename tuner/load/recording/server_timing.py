"""What a server says of its own time: the ``Server-Timing`` header (W3C, Server Timing, section 4).

Server-Timing: queue;dur=1.25, predict;desc="the model, itself";dur=12
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rb"\s*;\s*(" + _TOKEN + rb')\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)(?:"|$)|(' + _TOKEN + rb")))?[^;,]*")
_NAME = re.compile(rb"\s*(" + _TOKEN + rb")[^;,]*")


def durations(header: bytes) -> Iterator[tuple[str, float]]:
    """(name, seconds) of each metric with a duration, the first of equal names. What is malformed is passed over.

    The header gives milliseconds. Of parameters of one name the first counts, as the specification has it.
    """
    at, size = 0, len(header)
    seen: set[bytes] = set()
    while at < size:
        name = _NAME.match(header, at)
        if name is None:  # skip to the next metric
            at = header.find(b",", at) + 1 or size
            continue
        at = name.end()
        duration: bytes | None = None
        while (parameter := _PARAMETER.match(header, at)) is not None:
            at = parameter.end()
            if duration is None and parameter[1].lower() == b"dur":
                duration = parameter[2] if parameter[2] is not None else parameter[3] or b""
        at = header.find(b",", at) + 1 or size
        seconds = _seconds(duration)
        if seconds is not None and name[1] not in seen:
            seen.add(name[1])
            yield name[1].decode(), seconds


def _seconds(milliseconds: bytes | None) -> float | None:
    try:
        value = float(milliseconds) / 1000.0 if milliseconds else None
    except ValueError:
        return None
    return value if value is not None and isfinite(value) else None
