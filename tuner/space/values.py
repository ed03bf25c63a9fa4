"""What a knob may be set to, and what such a value means: a number, a quantity, a text or a truth value."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from tuner.units import quantity

Value = bool | int | float | str
"""What a knob may be set to. Quantities such as ``500m`` are strings and keep their spelling."""

Operand = bool | int | Fraction | str
"""A value as rules and domains compare it."""


@lru_cache(maxsize=4096, typed=True)
def operand(value: Value) -> Operand:
    """An exact number where it is one or a quantity, else text or a truth value."""
    if isinstance(value, bool):
        return value
    try:
        number = Fraction(quantity(value))
    except ValueError:
        return str(value)
    return number.numerator if number.denominator == 1 else number


def equal(one: Operand, other: Operand) -> bool:
    """Python holds True equal to 1; here a truth value is no number."""
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal as rules compare them: ``1`` and ``1000m`` are."""
    return equal(operand(one), operand(other))
