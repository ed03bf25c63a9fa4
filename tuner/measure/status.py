"""The words for what became of a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from tuner.measure.model import Window
from tuner.measure.samples import GOOD, Status
from tuner.statistics.model import IntArray

GRPC: Final = 1000
"""Added to the code of a gRPC status, so that it is told apart from HTTP's."""
_CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""By number, as the gRPC project lists them ("Status codes and their use in gRPC")."""

_WORDS: Final[Mapping[int, str]] = {
    Status.MALFORMED: "malformed answer",
    Status.UNTRUSTED: "certificate not trusted",
    Status.TOO_LARGE: "answer too large",
    Status.UNLIKE: "answer unlike the first one",
    Status.NOT_A_NUMBER: "NaN in the answer",
}
"""Where the name itself does not say it."""


def word(status: int) -> str:
    """What a status is called where errors are counted: ``http 503``, ``grpc UNAVAILABLE``, ``timed out``."""
    if status >= GRPC:
        return f"grpc {_CODES[status - GRPC]}"
    return f"http {status}" if status >= 100 else _WORDS.get(status, Status(status).name.lower().replace("_", " "))


def errors(status: IntArray) -> Mapping[str, int]:
    """How many of these are not good, by the word for it."""
    kinds, counts = np.unique(status[status != GOOD], return_counts=True)
    return {word(int(kind)): int(count) for kind, count in zip(kinds, counts, strict=True)}


def failures(*windows: Window) -> str:
    """What requests of these windows failed of: ``http 503 12x, timed out 3x``; empty: none failed."""
    counts = Counter[str]()
    for window in windows:
        counts.update(window.errors)
    return ", ".join(f"{kind} {count}x" for kind, count in counts.items())
