"""The nouns of statistics: columns of numbers, and a number with its interval."""

from __future__ import annotations

from dataclasses import dataclass

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
