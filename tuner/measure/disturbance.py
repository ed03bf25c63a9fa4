"""What disturbed a measurement: latencies that drift, and bursts of slow answers, with the cause where it can be known.

Nothing here changes a number: it tells, in plain sentences, what a reader of the numbers should know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.measure.model import Usage
from tuner.measure.samples import Samples
from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import FloatArray, IntArray
from tuner.statistics.student import normal_point
from tuner.units import format_cores, format_ratio, format_seconds

DRIFT_MISS = 0.01
"""Probability with which a drift is seen where there is none."""
DRIFT_RATIO = 1.1
"""A drift that changes the median by less than this factor over the window matters to nobody."""
DRIFT_LEAST = 100
"""Fewest requests of which a drift is told."""
FENCE = 20.0
"""A latency is an outlier when it exceeds the median by this many times what the upper quartile does: of a queue's
exponential tail one in two millions is, and stalls may hit a fifth of the requests and still be seen."""
FENCE_MEDIANS = 5.0
"""Nor is it one below so many medians, however even the others are."""
BURST = 5
"""Outliers that overlap in time make a burst worth telling of when there are so many."""
DENSE = 0.3
"""Of the requests due in a burst, on the replicas it hit, at least this share is slow: slow ones at random are none."""
PERIODIC = 5
"""Fewest stalls that are called evenly spaced."""
EVEN = 0.15
"""Farthest that the distance of two stalls may be from a multiple of the period, in periods."""
THROTTLED = 0.05
"""Share of throttled periods above which the CPU limit is a cause."""
QUOTA_PERIOD_S = 0.1
"""Of Linux's CPU bandwidth control, as Kubernetes sets it: throttled programs stand still at multiples of it."""
OTHERS_CORES = 0.1
"""CPU of other programs above which they are a cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Burst:
    """Outliers whose times in flight overlap."""

    start_s: float
    end_s: float
    worst_s: float
    requests: int
    at_once: bool
    """No connection got an answer for most of it: everything stood still."""
    generator: bool
    """Requests due in it were sent late, though a connection was free."""
    replica: int | None
    """The only one it happened on, where others answered meanwhile."""


def disturbances(samples: Samples, usage: Usage | None = None, *, from_s: float = 0.0) -> tuple[str, ...]:
    """What disturbed the part of a window that is scheduled at `from_s` or later, each in a sentence.

    A *drift* is a trend of the latencies' ranks over time whose size exceeds Student's 99 % point, the correlation of
    the residuals being accounted for (Sen's slope of medians, JASA 63, 1968, tells how large it is). *Bursts* are
    outliers that overlap in time; those in which everything stood still are stalls. `usage`: what the servers used
    meanwhile, by which throttling, restarts and other programs are told apart.
    """
    kept = (samples.scheduled_s >= from_s) & samples.good
    at_s, latency_s = samples.scheduled_s[kept], samples.latency_s[kept]
    if len(latency_s) < DRIFT_LEAST:
        return _restarts(usage)
    bursts = _bursts(samples, from_s, latency_s)
    return (*_drift(at_s, latency_s), *_warnings(bursts, latency_s, usage), *_restarts(usage))


def _drift(at_s: FloatArray, latency_s: FloatArray) -> tuple[str, ...]:
    n = len(latency_s)
    ranks = np.empty(n)
    ranks[np.argsort(latency_s, kind="stable")] = np.arange(n)
    time = at_s - at_s.mean()
    spread = float(time @ time)
    if spread == 0.0:
        return ()
    slope = float(time @ ranks) / spread
    residuals = ranks - ranks.mean() - slope * time
    error = math.sqrt(float(residuals @ residuals) / n * correlation_time(residuals).cautious(DRIFT_MISS) / spread)
    before, after = _ends(at_s, latency_s)
    if abs(slope) <= normal_point(DRIFT_MISS) * error or min(before, after) <= 0.0:
        return ()
    if max(before, after) < DRIFT_RATIO * min(before, after):
        return ()
    what = f"from {format_seconds(before)} to {format_seconds(after)} over the window"
    if after > before:
        return (
            f"the latencies rose, their median {what}: the longer the load, the slower; measure longer to see its end",
        )
    return (f"the latencies fell, their median {what}: the server was still warming up; lengthen the warm-up",)


def _ends(at_s: FloatArray, latency_s: FloatArray) -> tuple[float, float]:
    """The median at the start and at the end, on Sen's line through the medians of twenty equal parts."""
    parts = np.array_split(np.arange(len(at_s)), 20)
    times = np.array([at_s[part].mean() for part in parts])
    medians = np.array([np.median(latency_s[part]) for part in parts])
    first, second = np.triu_indices(len(parts), 1)
    gaps = times[second] - times[first]
    apart = gaps > 0.0
    slope = float(np.median((medians[second] - medians[first])[apart] / gaps[apart])) if apart.any() else 0.0
    level = float(np.median(medians - slope * times))
    return level + slope * float(at_s[0]), level + slope * float(at_s[-1])


def _bursts(samples: Samples, from_s: float, latency_s: FloatArray) -> list[_Burst]:
    median, upper = np.quantile(latency_s, (0.5, 0.75))
    fence = max(median + FENCE * (upper - median), FENCE_MEDIANS * median)
    rows = np.flatnonzero((samples.scheduled_s >= from_s) & (samples.latency_s > fence))
    if not len(rows):
        return []
    # Rows are in the order scheduled: a new burst begins where all before have ended.
    ends = np.maximum.accumulate(samples.finished_s[rows])
    starts = np.flatnonzero(samples.scheduled_s[rows][1:] > ends[:-1]) + 1
    return [_burst(samples, part) for part in np.split(rows, starts) if _is_dense(samples, part)]


def _is_dense(samples: Samples, rows: IntArray) -> bool:
    first, last = samples.scheduled_s[rows[0]], samples.scheduled_s[rows[-1]]
    due = (samples.scheduled_s >= first) & (samples.scheduled_s <= last)
    return len(rows) >= DENSE * int((due & np.isin(samples.replica, samples.replica[rows])).sum())


def _burst(samples: Samples, rows: IntArray) -> _Burst:
    start_s = float(samples.scheduled_s[rows[0]])
    worst_s = float(samples.latency_s[rows].max())
    # The first request of a stall waits longest, so the stall is over about when it is answered.
    over_s = start_s + worst_s
    done = (samples.finished_s > start_s + 0.1 * worst_s) & (samples.finished_s < start_s + 0.9 * worst_s)
    due = (samples.scheduled_s >= start_s) & (samples.scheduled_s <= over_s) & ~samples.waited
    late_s = (samples.sent_s - samples.scheduled_s)[due & np.isfinite(samples.sent_s)]
    hit = set(samples.replica[rows].tolist())
    others = bool((done & ~np.isin(samples.replica, list(hit))).any())
    return _Burst(
        start_s=start_s,
        end_s=float(samples.finished_s[rows].max()),
        worst_s=worst_s,
        requests=len(rows),
        at_once=not done.any(),
        generator=bool(samples.offered_rps > 0.0 and late_s.max(initial=0.0) >= worst_s / 2.0),
        replica=hit.pop() if len(hit) == 1 and others else None,
    )


def _warnings(bursts: Sequence[_Burst], latency_s: FloatArray, usage: Usage | None) -> tuple[str, ...]:
    ours = [burst for burst in bursts if burst.generator]
    theirs = [burst for burst in bursts if not burst.generator]
    found: list[str] = []
    if ours:
        worst = format_seconds(max(burst.worst_s for burst in ours))
        found.append(
            f"the load generator itself was held up {_times(len(ours))}, for up to {worst}: not the server's doing"
        )
    stalls = [burst for burst in theirs if burst.at_once]
    period_s = _period(stalls)
    if period_s is not None:
        found.append(_periodic(stalls, period_s, usage))
        theirs = [burst for burst in theirs if not burst.at_once]
    theirs = [burst for burst in theirs if burst.requests >= BURST]
    if theirs:
        share = format_ratio(sum(burst.requests for burst in theirs) / len(latency_s))
        worst, median = (
            format_seconds(value) for value in (max(b.worst_s for b in theirs), float(np.median(latency_s)))
        )
        what = "the server stood still" if all(burst.at_once for burst in theirs) else "answers were slow"
        found.append(
            f"{what} {_times(len(theirs))}, up to {worst} where the median is {median}, which hit {share} of the "
            f"requests: {_cause(theirs, usage)}"
        )
    return tuple(found)


def _period(stalls: Sequence[_Burst]) -> float | None:
    """The distance of evenly spaced stalls, of which some may have gone unseen; None: they are not evenly spaced.

    Distances of stalls at random fall within the tolerance of a whole number of periods three times in ten.
    """
    if len(stalls) < PERIODIC:
        return None
    starts = np.array([stall.start_s for stall in stalls])
    gaps = np.diff(starts)
    usual = float(np.median(gaps))
    counts = np.maximum(1.0, np.round(gaps / usual))
    period = float((starts[-1] - starts[0]) / counts.sum())
    even = np.abs(gaps - counts * period) <= EVEN * period
    return period if even.mean() >= 0.9 else None


def _periodic(stalls: Sequence[_Burst], period_s: float, usage: Usage | None) -> str:
    length_s = float(np.median([stall.worst_s for stall in stalls]))
    what = f"periodic stalls of {format_seconds(length_s)} every {format_seconds(period_s)}, {len(stalls)} in all, "
    periods = period_s / QUOTA_PERIOD_S
    if _throttled(usage) and abs(periods - round(periods)) < 0.05 * max(1.0, round(periods)) and round(periods) >= 1:
        return f"{what}as the CPU limit makes: {_throttling(usage)}"
    return f"{what}as garbage collection makes" + (f" (but {_throttling(usage)})" if _throttled(usage) else "")


def _cause(bursts: Sequence[_Burst], usage: Usage | None) -> str:
    causes = []
    if usage is not None and usage.restarts:
        causes.append(f"the server restarted {_times(usage.restarts)}")
    if _throttled(usage):
        causes.append(_throttling(usage))
    if usage is not None and (usage.others_cores or 0.0) > OTHERS_CORES:
        causes.append(f"other programs used {format_cores(usage.others_cores or 0.0)} of the servers' CPUs")
    replicas = {burst.replica for burst in bursts}
    if len(replicas) == 1 and (replica := replicas.pop()) is not None:
        causes.append(f"only replica {replica} did it, the others answered meanwhile")
    return "; ".join(causes) or "nothing that was watched tells why"


def _throttled(usage: Usage | None) -> bool:
    return usage is not None and (usage.throttled_ratio or 0.0) > THROTTLED


def _throttling(usage: Usage | None) -> str:
    ratio = usage.throttled_ratio if usage is not None else None
    return f"the CPU limit throttled the server in {format_ratio(ratio or 0.0)} of the periods"


def _restarts(usage: Usage | None) -> tuple[str, ...]:
    if usage is None or not usage.restarts:
        return ()
    return (f"the server restarted {_times(usage.restarts)} within the window: part of the latencies are its start",)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
