"""The natural scale of a parameter that is a number: linear, or in the logarithm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from tuner.errors import Mistake
from tuner.space.domain import extremes
from tuner.space.model import Choices, Domain, IntRange
from tuner.space.values import Value, operand
from tuner.units import seconds

_WIDE = 4.0
"""From this ratio of the greatest to the least on, what counts is the ratio of two values, not their difference."""
_MOSTLY = 3
"""So many different numbers among choices make it worth while to see their order; a word or two may stand beside."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places: 0 is the least of the domain, 1 the greatest."""

    low: float
    high: float
    log: bool = False
    shift: float = 0.0
    """Added before the logarithm is taken, where the domain begins at 0."""
    durations: bool = False
    """Its values are durations: ``1m`` is a minute, not a thousandth."""

    def number(self, value: Value) -> float | None:
        """A number, a quantity (``500m``, ``2Gi``) or, where the domain has such, a duration (``50ms``) in seconds;
        None: a word or a truth value."""
        return _duration(value) if self.durations else _quantity(value)

    def place(self, number: float) -> float:
        """Rises with the number; below 0 or above 1 for one outside the domain, never infinite."""
        low, high = self._at(self.low), self._at(self.high)
        if high == low:
            return 0.5 if number == self.low else 1.0 if number > self.low else 0.0
        return (self._at(number) - low) / (high - low)

    def at(self, place: float) -> float:
        """The number at a place from 0 to 1."""
        low, high = self._at(self.low), self._at(self.high)
        there = low + (high - low) * place
        return min(max(math.exp(there) - self.shift if self.log else there, self.low), self.high)

    def _at(self, number: float) -> float:
        if not self.log:
            return number
        # as far below the least as the greatest is above it: a logarithm needs a number above 0
        return math.log(max(number + self.shift, (self.low + self.shift) ** 2 / (self.high + self.shift)))


def scale_of(domain: Domain) -> Scale | None:
    """None: its values are words. Choices are numbers where all are, or where three are and few words beside them.

    Logarithmic where the domain says so, or where all is positive and the greatest at least four times the least;
    whole numbers and choices that begin at 0 have their least step added before the logarithm is taken.
    """
    if isinstance(domain, Choices):
        durations = any(_quantity(value) is None and _duration(value) is not None for value in domain.values)
        found = [_duration(value) if durations else _quantity(value) for value in domain.values]
        numbers = sorted({number for number in found if number is not None})
        words = found.count(None)
        if not numbers or (words and (len(numbers) < _MOSTLY or words * 2 > len(numbers))):
            return None
        low, high, least = numbers[0], numbers[-1], next((number for number in numbers if number > 0), 0.0)
        log = False
    else:
        durations = False
        low, high = (float(end) for end in extremes(domain))
        least, log = float(domain.step) if isinstance(domain, IntRange) else 0.0, domain.log
    if low > 0:
        return Scale(low, high, log=log or high / low >= _WIDE, durations=durations)
    if low == 0 and least > 0 and high / least >= _WIDE:
        return Scale(low, high, log=True, shift=least, durations=durations)
    return Scale(low, high, durations=durations)


@lru_cache(maxsize=4096, typed=True)
def _quantity(value: Value) -> float | None:
    number = operand(value)
    if isinstance(number, bool | str):
        return None
    try:
        found = float(number)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


@lru_cache(maxsize=4096, typed=True)
def _duration(value: Value) -> float | None:
    if not isinstance(value, str):
        return _quantity(value)
    try:
        return seconds(value)
    except Mistake:
        return None
