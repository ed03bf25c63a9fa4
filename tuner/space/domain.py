"""Arithmetic of one parameter's domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from tuner.space.model import Choices, Domain, FloatRange, IntRange
from tuner.space.values import Value, operand, same


def contains(domain: Domain, value: Value) -> bool:
    """Whether `value` is one of the domain's, in its own type and spelling (an int will do in a float range)."""
    if isinstance(domain, Choices):
        return any(type(value) is type(choice) and value == choice for choice in domain.values)
    if isinstance(value, bool | str):
        return False
    if isinstance(domain, IntRange):
        return isinstance(value, int) and domain.low <= value <= domain.high and (value - domain.low) % domain.step == 0
    if not math.isfinite(value) or not domain.low <= value <= domain.high:
        return False
    if domain.step is None:
        return True
    steps = (value - domain.low) / domain.step
    return math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9)


def own(domain: Domain, value: Value) -> Value | None:
    """The domain's value that is the same as `value` (``1`` and ``1000m`` are), in the domain's type and spelling;
    None: it has none."""
    if isinstance(domain, Choices):
        return next((choice for choice in domain.values if same(choice, value)), None)
    number = operand(value)
    if isinstance(number, bool | str):
        return None
    found = int(number) if isinstance(domain, IntRange) and number.denominator == 1 else float(number)
    return found if contains(domain, found) else None


def count(domain: Domain) -> int | None:
    """How many values it has; None: continuous."""
    if isinstance(domain, Choices):
        return len(domain.values)
    if isinstance(domain, IntRange):
        return (domain.high - domain.low) // domain.step + 1
    if domain.step is None:
        return 1 if domain.low == domain.high else None
    return int((_exact(domain.high) - _exact(domain.low)) / _exact(domain.step)) + 1


def grid(domain: Domain) -> Sequence[Value] | None:
    """All its values, rising (choices in their own order), cheap for any range of whole numbers; None: continuous."""
    if isinstance(domain, Choices):
        return domain.values
    if isinstance(domain, IntRange):
        return range(domain.low, domain.high + 1, domain.step)
    number = count(domain)
    return None if number is None else tuple(_step(domain, index) for index in range(number))


def extremes(domain: Domain) -> tuple[Value, Value]:
    """The least and the greatest value; of choices that are not all quantities, the first and the last."""
    if isinstance(domain, Choices):
        operands = [(operand(value), value) for value in domain.values]
        numbers = [(number, value) for number, value in operands if not isinstance(number, bool | str)]
        if len(numbers) < len(operands):
            return domain.values[0], domain.values[-1]
        return min(numbers, key=lambda pair: pair[0])[1], max(numbers, key=lambda pair: pair[0])[1]
    if isinstance(domain, IntRange):
        return domain.low, domain.low + (domain.high - domain.low) // domain.step * domain.step
    number = count(domain)
    return domain.low, domain.high if number is None else _step(domain, number - 1)


def in_words(domain: Domain) -> str:
    """``one of 1, 2``, ``a whole number from 1 to 4``."""
    if isinstance(domain, Choices):
        return "one of " + ", ".join("true" if v is True else "false" if v is False else str(v) for v in domain.values)
    noun = "a whole number" if isinstance(domain, IntRange) else "a number"
    steps = f" in steps of {number_text(domain.step)}" if domain.step is not None and domain.step != 1 else ""
    return f"{noun} from {number_text(domain.low)} to {number_text(domain.high)}{steps}"


def number_text(number: float) -> str:
    """``3``, ``0.1``, ``1e+20``."""
    return str(number) if isinstance(number, int) else f"{number:.10g}"


def _step(domain: FloatRange, index: int) -> float:
    """Computed in decimal, so that 0.1 steps from 0 give 0.3 and not 0.30000000000000004."""
    return float(_exact(domain.low) + index * _exact(domain.step or 0.0))


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
