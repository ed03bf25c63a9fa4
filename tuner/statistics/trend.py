"""Whether something grows over time: a robust slope with its confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuner.statistics.model import Estimate, FloatArray
from tuner.statistics.student import normal_point

LEAST = 10
"""Points below which no interval is worth its name: whether neighbours resemble each other cannot be seen."""
MISS = 0.05
MOST_CORRELATED = 0.95
"""Autocorrelation beyond which a series of this length could as well be a random walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The slope of values over time, in their unit a second."""

    per_s: Estimate
    points: int
    over_s: float
    """From the first point to the last."""
    level: float
    """Median of the values."""

    @property
    def grows(self) -> bool:
        """Beyond doubt (95 %)."""
        return self.per_s.low is not None and self.per_s.low > 0.0

    @property
    def falls(self) -> bool:
        return self.per_s.high is not None and self.per_s.high < 0.0


def trend(at_s: FloatArray, values: FloatArray, *, least: int = LEAST) -> Trend | None:
    """The slope of `values` over `at_s`, both in time order; None for fewer than `least` points.

    The estimate is the median of the slopes of all pairs, which a few outliers (a pause, one odd window) do not move
    (Theil 1950). Its 95 % interval is made of two of those slopes, by the variance of Kendall's S with ties (Sen,
    *Estimates of the regression coefficient based on Kendall's tau*, JASA 63, 1968), increased by the autocorrelation
    of the ranks with the slope taken out (never decreased): the effective sample size of Yue & Wang, *The Mann-Kendall
    test modified by effective sample size to detect trend in serially correlated hydrological series*, Water Resources
    Management 18, 2004. Values that wander without a mean, as a random walk does, have no such slope: their interval is
    too narrow.
    """
    n = len(values)
    if n < least:
        return None
    first, second = np.triu_indices(n, 1)
    apart = at_s[second] - at_s[first]
    slopes = np.sort((values[second] - values[first])[apart > 0.0] / apart[apart > 0.0])
    slope = float(np.median(slopes))
    half = normal_point(MISS) * math.sqrt(_variance(values) * _inflation(values - slope * at_s)) / 2.0
    low, high = math.floor(len(slopes) / 2.0 - half), math.ceil(len(slopes) / 2.0 + half)
    return Trend(
        per_s=Estimate(
            value=slope,
            low=float(slopes[low - 1]) if low >= 1 else None,
            high=float(slopes[high]) if high < len(slopes) else None,
        ),
        points=n,
        over_s=float(at_s[-1] - at_s[0]),
        level=float(np.median(values)),
    )


def _variance(values: FloatArray) -> float:
    """Of Kendall's S under independence, with ties."""
    n = len(values)
    ties = np.unique(values, return_counts=True)[1].astype(np.float64)
    return (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0


def _inflation(detrended: FloatArray) -> float:
    """By how much autocorrelation increases that variance, if each point depends on the one before (AR(1)).

    The first autocorrelation of the ranks, corrected for the bias that a short series with its trend taken out has:
    about (2 + 4 r) / n (van Giersbergen, *On the effect of deterministic terms on the bias in stable AR models*,
    Economics Letters 89, 2005).
    """
    n = len(detrended)
    ranks = np.argsort(np.argsort(detrended, kind="stable"), kind="stable").astype(np.float64)
    ranks -= ranks.mean()
    found = float(ranks[1:] @ ranks[:-1]) / float(ranks @ ranks)
    correlation = min(max(0.0, found + (2.0 + 4.0 * found) / n), MOST_CORRELATED)
    return (1.0 + correlation) / (1.0 - correlation)
