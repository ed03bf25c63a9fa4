"""When two answers are the same: what a configuration may not change."""

from __future__ import annotations

import math

RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE = 1e-9
"""Numbers next to zero (a class's probability of 1e-17) differ between thread counts by rounding alone."""


def same_answer(a: object, b: object) -> bool:
    """Equal structure and equal values; numbers within a relative 1e-6 (or an absolute 1e-9), NaN equal to NaN."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_answer(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same_answer(x, y) for x, y in zip(a, b, strict=True))
    if _is_number(a) and _is_number(b):
        return _same_number(a, b)  # type: ignore[arg-type]
    return type(a) is type(b) and a == b


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_number(a: float, b: float) -> bool:
    if isinstance(a, int) and isinstance(b, int):  # exact, and whole numbers may be too large for a float
        return a == b or abs(a - b) * 1_000_000 <= max(abs(a), abs(b))
    try:
        x, y = float(a), float(b)
    except OverflowError:
        return False
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return math.isclose(x, y, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
