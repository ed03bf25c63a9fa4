"""When the warm-up was over: MSER-5, and no significant fall in what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import FloatArray

BATCH = 5
LEAST_LEFT = 0.1
"""Share of the series that always stays: over fewer batches the spread is small by chance."""
DOUBT_Z = 2.58
"""Standard errors by which two parts of a window must differ to be called different (99 %)."""
STRIDE = 0.05
"""Share of the series cut at a time while what is left still falls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation:
    cut: int
    """Requests to drop from the start; 0 when there is no steady part."""
    unsteady: bool
    """More than half would have to be cut."""
    wanted: float
    """Share of the series that would have to be cut."""


def truncate(latency_s: FloatArray) -> Truncation:
    """Where the warm-up of a series of latencies, ordered by scheduled time, ends.

    MSER-5 (White, *An effective truncation heuristic for bias reduction in simulation output*, Simulation 69(6),
    1997; White, Cobb & Spratt 2000): of all cuts of whole batches of five, the one that minimises the squared standard
    error of the mean of what is left. Two things are added, because latencies have heavy tails and servers pause:

    - the rule sees ranks instead of seconds (Conover & Iman 1981), so that one pause in mid-window cannot talk it
      into throwing the first half away, while a start that is slower throughout still is cut;
    - wanting to cut more than half, which correlated steady series do now and then, counts as unsteady only when the
      means of the two halves differ by more than 2.58 standard errors, corrected for autocorrelation (Geweke 1992).
      Otherwise the best cut within the first half is taken;
    - where a warm-up fades out slowly, as compilers at run time make it, the rule ends in the midst of it: few late
      batches cost more certainty than the fall costs. So the cut moves on, a twentieth at a time, until the first
      third of what is left is no longer slower than the last third, by the same test. A fall that lasts beyond half
      of the series is unsteady.

    A rise is never cut: it is no warm-up (`tuner.measure.disturbance` tells of it).
    """
    batches = len(latency_s) // BATCH
    if batches < 4:
        return Truncation(cut=0, unsteady=False, wanted=0.0)
    ranks = _ranks(latency_s)
    means = ranks[: batches * BATCH].reshape(batches, BATCH).mean(axis=1)
    statistic = _squared_standard_errors(means)
    wanted = int(np.argmin(statistic[: max(1, math.floor(batches * (1.0 - LEAST_LEFT)))]))
    if wanted > batches / 2 and abs(_fall(*np.array_split(ranks, 2))) > DOUBT_Z:
        return Truncation(cut=0, unsteady=True, wanted=wanted / batches)
    cut = int(np.argmin(statistic[: batches // 2 + 1]))
    stride = max(1, round(STRIDE * batches))
    while _still_falls(ranks[cut * BATCH :]):
        cut += stride
        if cut > batches // 2:
            return Truncation(cut=0, unsteady=True, wanted=cut / batches)
    return Truncation(cut=cut * BATCH, unsteady=False, wanted=max(wanted, cut) / batches)


def _squared_standard_errors(means: FloatArray) -> FloatArray:
    """MSER for each cut d: the sum of squares of ``means[d:]`` about their mean, over their number squared."""
    left = np.arange(len(means), 0, -1)
    total = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    errors: FloatArray = np.maximum(squares - total**2 / left, 0.0) / left**2
    return errors


def _ranks(values: FloatArray) -> FloatArray:
    """Twice the ranks less their mean, ties sharing theirs: whole numbers, so that equal latencies show no trend."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (2 * np.cumsum(counts) - counts - len(values)).astype(np.float64)[inverse]
    return ranks


def _still_falls(ranks: FloatArray) -> bool:
    first, _, last = np.array_split(ranks, 3)
    return _fall(first, last) > DOUBT_Z


def _fall(before: FloatArray, after: FloatArray) -> float:
    """By how many standard errors the mean of one part lies above that of a later one.

    A change within one part looks like correlation there, so the smaller of the two correlation times is taken.
    """
    gap = float(before.mean() - after.mean())
    time = min(correlation_time(part).time for part in (before, after))
    error = math.sqrt(time * sum(float(part.var()) / len(part) for part in (before, after)))
    return gap / error if error > 0.0 else math.copysign(math.inf, gap) if gap else 0.0
