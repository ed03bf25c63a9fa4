"""The nouns of statistics: columns of numbers, and a number with its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value and the interval that holds the truth with 95 % confidence; None where it cannot be had."""

    value: float
    low: float | None = None
    high: float | None = None
    is_least: bool = field(default=False, metadata={"sparse": True})
    """The value is a lower bound: what was measured ended for another reason than what it is the measure of."""

    def map(self, function: Callable[[float], float]) -> Estimate:
        """The same through an increasing function."""
        low, high = (None if end is None else function(end) for end in (self.low, self.high))
        return Estimate(value=function(self.value), low=low, high=high, is_least=self.is_least)
