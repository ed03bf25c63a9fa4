"""The share of requests that failed, with its interval; also where not every answer could be checked."""

from __future__ import annotations

import math

import numpy as np

from tuner.measure.samples import DRAWN, UNCHECKED, Samples
from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import BoolArray, Estimate
from tuner.statistics.quantiles import MISS
from tuner.statistics.student import normal_point


def wilson(successes: int, n: float, miss: float = MISS) -> Estimate:
    """Share of successes among n (effective) trials with Wilson's interval; n = 0: nothing is known (0 to 1)."""
    if n <= 0.0:
        return Estimate(value=0.0, low=0.0, high=1.0)
    return _wilson(successes / n, n, miss)


def error_ratio(samples: Samples, kept: BoolArray, miss: float) -> Estimate:
    """Of the kept requests; the interval is Wilson's (1927), the sample size corrected for autocorrelation.

    Where answers went unchecked, a random sample of their like tells how many of them are wrong: the two shares are
    added by their weight, and so are the ends of their intervals, which is no narrower than the interval of the sum.
    """
    failed = ~samples.good[kept]
    checking = None if samples.checking is None else samples.checking[kept]
    if checking is None or not (checking == UNCHECKED).any():
        return _ratio(failed, miss)
    unknown, drawn = checking == UNCHECKED, checking == DRAWN
    weight = float(unknown.mean())
    rest = _ratio(failed[~unknown], miss)
    # of drawn ones the order is by lot: whatever makes the answers of a time alike, they are independent draws
    like = wilson(int(failed[drawn].sum()), float(drawn.sum()), miss)

    def both(a: float | None, b: float | None, unknown_end: float) -> float:
        ends = [unknown_end if end is None else end for end in (a, b)]
        return (1.0 - weight) * ends[0] + weight * ends[1]

    return Estimate(
        value=both(rest.value, like.value, 0.0), low=both(rest.low, like.low, 0.0), high=both(rest.high, like.high, 1.0)
    )


def good_share(samples: Samples) -> float:
    """The share of the unchecked answers that the drawn ones tell to be right; 1 where all were checked."""
    if samples.checking is None:
        return 1.0
    drawn = samples.checking == DRAWN
    return float(samples.good[drawn].mean()) if drawn.any() else 1.0


def unchecked(samples: Samples, kept: BoolArray) -> int:
    """How many of the kept answers nobody checked."""
    return 0 if samples.checking is None else int((samples.checking[kept] == UNCHECKED).sum())


def wrong_answers(samples: Samples, kept: BoolArray) -> tuple[str, ...]:
    """What the figures must be read with: what was wrong with the first wrong answer, and how many were checked."""
    found = [f"the first wrong answer: {samples.wrong}"] if samples.wrong else []
    unknown = unchecked(samples, kept)
    if unknown and samples.checking is not None:
        drawn = int((samples.checking[kept] == DRAWN).sum())
        found.append(
            f"{drawn + unknown} answers were too many or too long to be all checked: {drawn} drawn by lot were, and the "
            "error ratio is extrapolated from them, with its interval"
        )
    return tuple(found)


def _ratio(failed: BoolArray, miss: float) -> Estimate:
    n = len(failed)
    if n == 0:
        return wilson(0, 0, miss)
    return _wilson(float(failed.mean()), n / correlation_time(failed.astype(np.float64)).cautious(miss), miss)


def _wilson(share: float, n: float, miss: float) -> Estimate:
    point = normal_point(miss)
    z2 = point**2 / n
    centre = (share + z2 / 2.0) / (1.0 + z2)
    half = point / (1.0 + z2) * math.sqrt(share * (1.0 - share) / n + z2 / (4.0 * n))
    low = 0.0 if share == 0.0 else max(0.0, centre - half)
    high = 1.0 if share == 1.0 else min(1.0, centre + half)
    return Estimate(value=share, low=low, high=high)
