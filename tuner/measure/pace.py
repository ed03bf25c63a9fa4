"""How long windows last, and how long an answer is waited for: what follows from how long an answer takes.

A window of two seconds tells nothing of a server that takes three for an answer. So what the user did not say follows
from the first answers, from the rate, and from how many requests the bounded quantile takes. Of a server that answers
at once all is as the workload has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tuner.space.metrics import LATENCY_PERCENTILES, TTFT_PERCENTILES
from tuner.space.model import Constraint
from tuner.statistics.quantiles import MISS
from tuner.units import format_rate, format_seconds
from tuner.workload.model import WorkloadSpec

SLOW_S = 0.25
"""An answer that takes longer is a slow one."""
PATIENCE_S = 60.0
"""How long a first answer is waited for where nobody says."""
LONGEST_ALONE_S = 10.0
TIMES = 20.0
"""So many times what an unhurried answer takes is waited for one under load."""
ROUNDS = 4.0
"""Answers after one another on a connection that a window of the capacity search holds."""
MEASURED_ROUNDS = 10.0
"""The same of a window that is measured."""
STEP_REQUESTS = 100.0
"""Of a window of the capacity search, as far as they fit into `LONGEST_STEP_S`."""
FEWEST = 45.0
"""Of any window: fewer than 30 are no measurement (`tuner.measure.window.Trust`), and arrivals are drawn."""
CLIMB_REQUESTS = 400.0
"""Of a rate that rises until something breaks."""
STEADY_REQUESTS = 200.0
"""Of a window whose steadiness can be told."""
LONGEST_STEP_S = 30.0
CERTAIN_S = 60.0
LONGEST_S = 120.0
"""A window that nobody gave a duration grows up to `LONGEST_S` to tell a quantile at all, and up to `CERTAIN_S` to tell
its upper end too; beyond, what is missing is said."""
FIRST_CONNECTIONS = 8
MOST_CONNECTIONS = 512
"""A slow server is probed by closed loops of more and more connections, until more do not get more through."""
SATURATED = 0.7
"""Share of a closed loop's connections that are served at once, below which the rest waits, or all are served more
slowly: the server may be full."""
SERIAL = 0.3
"""The same, below which it certainly is."""
USUAL_CONCURRENCY = 8
"""Requests that a slow server is taken to serve at once before it is known, to foresee how long all takes."""
PROBES = 6
SLOW_PROBES = 2
"""Windows that a capacity search usually takes; of a slow server besides the closed loops that bound it."""

_LEVELS = dict((*LATENCY_PERCENTILES, *TTFT_PERCENTILES))
"""Quantiles over requests; of the times between tokens each answer has many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The times of the windows of one workload on one server."""

    workload: WorkloadSpec
    slo: tuple[Constraint, ...] = ()
    tight: tuple[str, ...] = ()
    """Latencies whose value matters though nothing bounds them."""
    answer_s: float = 0.0
    """What an answer takes when nothing else is asked meanwhile; 0: not known, it is taken to be quick."""

    @property
    def slow(self) -> bool:
        return self.answer_s >= SLOW_S

    def short(self, requests: float) -> bool:
        """So few requests of a slow server cannot be asked to be steady."""
        return self.slow and requests < STEADY_REQUESTS

    @property
    def timeout_s(self) -> float:
        """After which a request of a window is given up: later than any bound on its latency."""
        if "timeout_s" in self.workload.said:
            return self.workload.timeout_s
        bounds = [bound.bound for bound in self.slo if bound.metric.startswith(("latency_", "ttft_"))]
        return max(self.workload.timeout_s, 2.0 * max(bounds, default=0.0), TIMES * self.answer_s if self.slow else 0.0)

    @property
    def alone_s(self) -> float:
        """For how long it is asked one request after the other first, to learn what an answer takes."""
        return min(2.0 * self.answer_s, LONGEST_ALONE_S) if self.slow else 0.0

    @property
    def warm_up_s(self) -> float:
        length_s = self.workload.warm_up_s
        return max(length_s, self.answer_s) if length_s > 0.0 and self._free("warm_up_s") else length_s

    def step_s(self, rate_rps: float | None) -> float:
        """Of a window of the capacity search at this rate; None: in a closed loop."""
        if not self._free("step_s"):
            return self.workload.step_s
        rounds_s = max(self.workload.step_s, ROUNDS * self.answer_s)
        if rate_rps is None:
            return rounds_s
        wanted_s = min(STEP_REQUESTS / rate_rps, max(LONGEST_STEP_S, MEASURED_ROUNDS * self.answer_s))
        return max(rounds_s, wanted_s, FEWEST / rate_rps)

    def duration_s(self, rate_rps: float | None) -> float:
        """Of the window at this rate; None: it is a closed loop, or has rates of its own."""
        least_s = self.workload.duration_s
        if "duration_s" in self.workload.said or self.workload.shape is not None:
            return least_s
        if rate_rps is None:
            return max(least_s, MEASURED_ROUNDS * self.answer_s) if self.slow else least_s
        value, end = self._requests()
        rounds_s = MEASURED_ROUNDS * self.answer_s
        wanted_s = max(min(value / rate_rps, max(LONGEST_S, rounds_s)), min(end / rate_rps, max(CERTAIN_S, rounds_s)))
        if not self.slow:
            return max(least_s, wanted_s)
        return max(least_s, wanted_s, MEASURED_ROUNDS * self.answer_s, FEWEST / rate_rps)

    def rounds_s(self, usual_s: float) -> float:
        """A stretch of a load that changes, long enough for a few answers after one another."""
        return max(usual_s, ROUNDS * self.answer_s) if self.slow else usual_s

    def climb_s(self, usual_s: float, mean_rps: float, requests: float = CLIMB_REQUESTS) -> float:
        """The same with so many requests in it."""
        return max(self.rounds_s(usual_s), requests / mean_rps) if self.slow else usual_s

    def closed_duration_s(self, connections: int, achieved_rps: float) -> float:
        """Of the window of a closed loop that gets so much through, whose answers therefore take longer than one."""
        if "duration_s" in self.workload.said:
            return self.workload.duration_s
        under_load_s = connections / achieved_rps if achieved_rps > 0.0 else self.answer_s
        return max(self.workload.duration_s, ROUNDS * max(under_load_s, self.answer_s))

    def closed_timeout_s(self, connections: int) -> float:
        """Of a closed loop: a server that answers one at a time reaches the last of its connections after them all."""
        if "timeout_s" in self.workload.said:
            return self.workload.timeout_s
        return max(self.timeout_s, 1.5 * connections * self.answer_s if self.slow else 0.0)

    @property
    def first_connections(self) -> int:
        """Of the first closed loop that asks what the server gets through: few of a slow one, since one that answers one
        at a time keeps the last of many waiting for all others."""
        return min(FIRST_CONNECTIONS, self.most_connections) if self.slow else self.workload.connections

    @property
    def most_connections(self) -> int:
        said = "connections" in self.workload.said or not self.slow
        return self.workload.connections if said else max(self.workload.connections, MOST_CONNECTIONS)

    def more_connections(self, connections: int, achieved_rps: float) -> int | None:
        """Of the next closed loop, after one that got so much through; None: that one filled the server, or there are no
        more."""
        busy = self.busy(connections, achieved_rps)
        if not self.slow or busy < SERIAL or connections >= self.most_connections:
            return None
        return min(self.most_connections, connections * (4 if busy >= SATURATED else 2))

    def fills(self, connections: int, achieved_rps: float) -> bool:
        """Whether more cannot be got through: part of the connections wait, or there may be no more of them."""
        if not self.slow or achieved_rps <= 0.0:
            return False
        return "connections" in self.workload.said or self.busy(connections, achieved_rps) < SATURATED

    def busy(self, connections: int, achieved_rps: float) -> float:
        """Share of a closed loop's connections that are served at once (Little), if an answer takes what it takes
        alone."""
        return achieved_rps * self.answer_s / connections

    def connections(self, rate_rps: float, closed: int | None = None) -> int:
        """Most connections of an open loop: where nobody says, more than are ever waiting for a slow server that keeps
        its bounds. `closed`: those that filled it in a closed loop."""
        usual = self.workload.connections
        if not self.slow or "connections" in self.workload.said:
            return usual
        bound_s = max([bound.bound for bound in self.slo if bound.metric.startswith("latency_")], default=0.0)
        waiting = math.ceil(2.0 * rate_rps * max(self.answer_s, min(bound_s, self.timeout_s)))
        return min(max(usual, 2 * (closed or 0), waiting), 2 * MOST_CONNECTIONS)

    def paced(self, rate_rps: float | None, closed: int | None = None) -> WorkloadSpec:
        """The workload with what follows for an open loop at this rate (None: one that has rates of its own)."""
        return replace(
            self.workload,
            timeout_s=self.timeout_s,
            duration_s=self.duration_s(rate_rps),
            connections=self.connections(rate_rps, closed) if rate_rps else self.workload.connections,
        )

    def expected_s(self, rate_rps: float | None, *, searched: bool) -> float:
        """Load of one start, warm-up included, with the wait for the last answers of each window: a usual figure.

        `rate_rps` None: it is derived from the capacity. `searched`: a capacity is searched, besides or for that rate.
        """
        closed, derived = self.workload.arrival == "closed", rate_rps is None and self.workload.arrival != "closed"
        if not self.slow:
            loops_s = self.duration_s(None) if derived and not searched else 0.0
            search_s = PROBES * self.step_s(None) if searched else 0.0
            return self.warm_up_s + loops_s + search_s + self._longest_s(None if closed else rate_rps)
        alone = 2.0 * self.answer_s
        warm_up_s = self.alone_s + (self.warm_up_s + self.answer_s if self.warm_up_s > 0.0 else 0.0)
        capacity = max(USUAL_CONCURRENCY / self.answer_s, 1.5 * (rate_rps or 0.0))
        common = None if closed or self.workload.shape is not None else rate_rps or capacity / 2.0
        loops_s = 3.0 * (self.step_s(None) + alone) if searched or derived else self.step_s(None) if closed else 0.0
        search_s = SLOW_PROBES * (self.step_s(capacity) + alone) if searched else 0.0
        return self.answer_s + warm_up_s + loops_s + search_s + self._longest_s(common) + self.answer_s

    def _longest_s(self, rate_rps: float | None) -> float:
        return max(self.duration_s(rate_rps), self.workload.most_s or 0.0)

    def _free(self, name: str) -> bool:
        return self.slow and name not in self.workload.said

    def _requests(self) -> tuple[float, float]:
        """Requests that it takes to tell all quantiles that are bounded or matter, and to tell the upper ends of those
        that are bounded; with what arrivals vary by."""
        bounded = [_LEVELS[bound.metric] for bound in self.slo if bound.metric in _LEVELS]
        matter = [_LEVELS[metric] for metric in self.tight if metric in _LEVELS]
        if self.slow and not bounded:
            matter.append(_LEVELS["latency_p99"])
        value = max(map(told, (*bounded, *matter)), default=0)
        end = max(map(certain, bounded), default=0)
        return value + 2.0 * math.sqrt(value), end + 2.0 * math.sqrt(end)


def foreseen(pace: Pace, rate_rps: float | None) -> Iterator[str]:
    """What the window at this rate will not tell of a latency that is bounded or matters, and what would. Nothing is
    foreseen of a closed loop, of a load that changes, or of a rate that is still to be derived."""
    workload = pace.workload
    if rate_rps is None or workload.arrival == "closed" or workload.shape is not None:
        return
    length_s = max(pace.duration_s(rate_rps), workload.most_s or 0.0)
    requests = rate_rps * length_s
    bounded = {bound.metric for bound in pace.slo}
    for metric in dict.fromkeys((*(bound.metric for bound in pace.slo), *pace.tight)):
        if metric not in _LEVELS:
            continue
        least, most = told(_LEVELS[metric]), certain(_LEVELS[metric])
        needed, what = (least, "its value") if requests < least else (most, "whether its bound is certainly met")
        if requests >= needed or (metric not in bounded and requests >= least):
            continue
        yield (
            f"{format_rate(rate_rps)} for {format_seconds(length_s)} are {requests:.0f} requests, which will not tell "
            f"{what}: {metric} takes {needed}, that is a duration of {format_seconds(needed / rate_rps)} or a rate of "
            f"{format_rate(needed / length_s)}"
        )


def told(level: float) -> int:
    """Fewest requests of which a quantile is told at all: one is expected beyond it."""
    return math.ceil(1.0 / (1.0 - level) - 1e-9)


def certain(level: float, miss: float = MISS) -> int:
    """Fewest independent requests that tell a quantile's upper end: any fewer may well all lie below it."""
    return math.ceil(math.log(miss / 2.0) / math.log(level))


def typical_s(latencies_s: Sequence[float]) -> float:
    """What an answer takes, by the first few: their median, the larger of two in the middle."""
    return sorted(latencies_s)[len(latencies_s) // 2] if latencies_s else 0.0
