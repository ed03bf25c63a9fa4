"""The samples of one window as curves: every quantile of the latency, and the window cut into slices of time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuner.measure.samples import Samples
from tuner.statistics.model import FloatArray

POINTS = 120
SLICES = 100
FEWEST = 20
"""Requests that a slice holds on average, so that its quantiles mean something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the window. Latencies are of the requests that were due in it, None where none was answered well."""

    start_s: float
    end_s: float
    due_rps: float
    good_rps: float
    """Good answers that ended in it."""
    errors: int
    """Requests due in it that got no good answer."""
    p50_s: float | None
    p90_s: float | None
    longest_s: float | None


def percentiles(samples: Samples, from_s: float, points: int = POINTS) -> tuple[tuple[float, float], ...]:
    """(level, latency in seconds) of the requests due from `from_s` on, ascending, at most about `points` of them.

    The levels are even in the logarithm of 1 / (1 - level), as HdrHistogram's percentile plots have them, down to the
    slowest request, whose level is 1. As in `tuner.measure.window`, the latencies are those of good answers, and
    requests that timed out or were never sent count as slower than everything: levels that fall on those are left out.
    """
    rows = samples.scheduled_s >= from_s
    ordered = np.sort(samples.latency_s[rows & samples.good])
    n = len(ordered) + int((rows & samples.censored).sum())
    if not len(ordered):
        return ()
    decades = np.linspace(0.0, math.log10(n), points)
    ranks = np.unique(np.append(np.ceil(n * (1.0 - 10.0**-decades)), n).clip(1, n).astype(np.int64))
    return tuple((int(rank) / n, float(ordered[rank - 1])) for rank in ranks if rank <= len(ordered))


def slices(samples: Samples, most: int = SLICES) -> tuple[Slice, ...]:
    """The whole window, its warm-up too, in equal parts: so many that an average one holds `FEWEST` requests."""
    n = len(samples)
    parts = max(1, min(most, n // FEWEST))
    if n == 0 or samples.window_s <= 0.0:
        return ()
    edges = np.linspace(0.0, samples.window_s, parts + 1)
    good, latency = samples.good, samples.latency_s
    due_in = np.searchsorted(edges, samples.scheduled_s, side="right").clip(1, parts) - 1
    ended = np.histogram(samples.finished_s[good], edges)[0]
    return tuple(
        _slice(
            float(edges[part]),
            float(edges[part + 1]),
            due=int((here := due_in == part).sum()),
            ended=int(ended[part]),
            latency=latency[here & good],
        )
        for part in range(parts)
    )


def _slice(start_s: float, end_s: float, *, due: int, ended: int, latency: FloatArray) -> Slice:
    length_s = end_s - start_s
    p50, p90, longest = np.quantile(latency, (0.5, 0.9, 1.0), method="inverted_cdf") if len(latency) else (None,) * 3
    return Slice(
        start_s=start_s,
        end_s=end_s,
        due_rps=due / length_s,
        good_rps=ended / length_s,
        errors=due - len(latency),
        p50_s=None if p50 is None else float(p50),
        p90_s=None if p90 is None else float(p90),
        longest_s=None if longest is None else float(longest),
    )
