"""How long a window is measured: a fixed time, or from a least to a most, as long as it takes to be sure."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.errors import Mistake
from tuner.units import seconds

WITHIN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    least_s: float
    most_s: float | None = None
    """None: just `least_s`, whatever was measured."""
    within: float = WITHIN
    """Half-width, as a share of the value, at which an interval is tight enough to end before `most_s`."""


def parse_length(text: str) -> Length:
    """The compact spelling of the command line: ``5s``, or ``3s..30s``. Raises Mistake."""
    least, between, most = text.partition("..")
    length = Length(least_s=seconds(least), most_s=seconds(most) if between else None)
    if length.least_s <= 0.0:
        raise Mistake(f"{text!r} is no time to measure", "write for example 5s or 3s..30s")
    if length.most_s is not None and length.most_s < length.least_s:
        raise Mistake(f"{text!r} ends before it begins", "write the shorter first, for example 3s..30s")
    return length
