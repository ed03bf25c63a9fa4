"""Where a rising rate breaks a bound: a curve fitted to how many requests were beyond it, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.measure.samples import Samples
from tuner.space.metrics import LATENCY_PERCENTILES
from tuner.space.model import Constraint
from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import FloatArray
from tuner.statistics.quantiles import MISS
from tuner.statistics.student import normal_point

FARTHEST = 0.5
"""Share of requests beyond the bound above which a window is far beyond the knee: how far depends on its length."""
ANCHOR = 0.3
"""Weight of the closed loop, as a share of an average window's."""
GRID = np.concatenate((np.geomspace(0.05, 0.5, 30), np.arange(0.505, 1.3, 0.005), np.geomspace(1.3, 4.0, 30)))
"""Crossings that are tried, in units of the greatest rate seen."""
SLOPES = np.geomspace(1.0, 1000.0, 40)
"""Rises of the logit over the greatest rate seen."""
PENALTY = 1.0 / 3.0
"""Of the information's logarithm, added to the likelihood's (Firth, *Bias Reduction of Maximum Likelihood Estimates*,
Biometrika 80(1), 1993, with 1/2, which makes the mean right): few windows have seen a rare burst of late answers, so
without it most searches end too high. A count's median lies a third below its mean, and a third is added to it."""
_PERCENTILES = dict(LATENCY_PERCENTILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeded:
    """How many requests of one window lay beyond one bound of the SLO."""

    metric: str
    allowed: float
    """Share of the requests that may: 0.01 for a bound on ``latency_p99``."""
    over: int
    requests: int
    time: float
    """Correlation time of lying beyond: so many requests tell as much of the share as one independent one."""
    cautious: float
    """The same where it must not be too short: for an interval."""

    @property
    def share(self) -> float:
        return self.over / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The rate at which the share beyond the bound is the allowed one; an end that the data do not bound is None."""

    rate_rps: float
    low_rps: float | None
    high_rps: float | None


def exceeded(samples: Samples, slo: Sequence[Constraint], from_s: float = 0.0) -> tuple[Exceeded, ...]:
    """For each bound on a latency or the error ratio, the requests scheduled at `from_s` or later that lay beyond it.

    A latency's quantile is within its bound just when no more than a fixed share of the requests is beyond; and while
    the quantile of a few hundred correlated latencies is mostly too low, the share is right on average, however few.
    Requests never answered in time are beyond every bound.
    """
    kept = samples.scheduled_s >= from_s
    latency = samples.censored_latency_s[kept & (samples.censored | samples.good)]
    slow = correlation_time((latency < np.median(latency)).astype(np.float64)).cautious(MISS) if len(latency) else 1.0
    found = []
    for bound in slo:
        if bound.metric == "error_ratio":
            beyond, allowed = ~samples.good[kept], bound.bound
        elif bound.metric in _PERCENTILES:
            beyond, allowed = latency > bound.bound, 1.0 - _PERCENTILES[bound.metric]
        else:
            continue
        correlation = correlation_time(beyond.astype(np.float64))
        count = int(beyond.sum())
        found.append(
            Exceeded(
                metric=bound.metric,
                allowed=allowed,
                over=count,
                requests=len(beyond),
                time=correlation.time,
                cautious=max(correlation.cautious(MISS), slow),
            )
        )
    return tuple(found)


def crossing(seen: Sequence[tuple[float, Exceeded]], saturation_rps: float | None = None) -> Crossing | None:
    """Where the share beyond one bound reaches what is allowed, from windows at several rates (requests/s).

    Logistic regression of the share on the rate (Finney, *Probit Analysis*, 1971, asks the same: which dose harms a
    given share), fitted by maximum likelihood. In an M/M/1 queue the share beyond t is ``exp(-(capacity - rate) t)``,
    whose logit is a line where the share is small; near their knee other queues come close. The interval is the
    profile likelihood's: the rates at which a line through the allowed share is not significantly worse (Cox & Oakes,
    1984, section 3.3), the likelihood being divided by the correlation time, as quasi-likelihood has it (McCullagh &
    Nelder, *Generalized Linear Models*, 1989, section 4.5); the interval's is the cautious one.

    `saturation_rps`: the rate of a closed loop, at which half of the requests may be taken to lie beyond: it counts a
    fraction of a window, and holds the line where few requests are beyond at any rate.

    None: a line cannot be told, because no request was beyond, or because the share does not rise with the rate.
    """
    near = [(rate, one) for rate, one in seen if one.requests and 0.0 < one.allowed < 1.0 and one.share <= FARTHEST]
    over = sum(one.over for _, one in near)
    if not over:
        return None
    time = sum(one.time * one.over for _, one in near) / over
    cautious = sum(one.cautious * one.over for _, one in near) / over
    # Per independent request, so that the likelihood is in units of what was told.
    points = [(rate, one.over / time, one.requests / time) for rate, one in near]
    if saturation_rps:
        weight = ANCHOR * sum(point[2] for point in points) / len(points)
        points.append((saturation_rps, FARTHEST * weight, weight))
    rates, hits, counts = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
    if len(set(rates)) < 2:
        return None
    allowed = near[0][1].allowed
    line = _Line(rates / rates.max(), hits, counts, math.log(allowed / (1.0 - allowed)))
    return line.crossing(float(rates.max()), normal_point(MISS) ** 2 / 2.0 * cautious / time)


class _Line:
    """The logit of a share as a line over the rate, told by where it crosses the target and by its slope."""

    def __init__(self, rates: FloatArray, hits: FloatArray, counts: FloatArray, target: float) -> None:
        self._rates, self._hits, self._counts, self._target = rates, hits, counts, target

    def crossing(self, scale: float, doubt: float) -> Crossing | None:
        """Rates are told in units of `scale`; those whose likelihood's logarithm is no more than `doubt` below the
        greatest lie within the interval."""
        heights = self._heights()
        best = int(np.argmax(heights))
        if not 0 < best < len(GRID) - 1:
            return None
        within = heights >= heights[best] - doubt
        low, high = int(np.argmax(within)), len(GRID) - 1 - int(np.argmax(within[::-1]))
        return Crossing(
            rate_rps=scale * float(GRID[best]),
            low_rps=scale * float(GRID[low]) if low > 0 else None,
            high_rps=scale * float(GRID[high]) if high < len(GRID) - 1 else None,
        )

    def _heights(self) -> FloatArray:
        """For each rate of the grid, the greatest penalized log-likelihood of a rising line that crosses there."""
        logit = self._target + SLOPES[None, :, None] * (self._rates - GRID[:, None, None])
        share = 1.0 / (1.0 + np.exp(-np.clip(logit, -500.0, 500.0)))
        likelihood = (self._hits * logit - self._counts * np.logaddexp(0.0, logit)).sum(axis=2)
        weights = self._counts * share * (1.0 - share)
        sums = [(weights * self._rates**power).sum(axis=2) for power in range(3)]
        information = np.maximum(sums[0] * sums[2] - sums[1] ** 2, 1e-300)
        heights: FloatArray = (likelihood + PENALTY * np.log(information)).max(axis=1)
        return heights
