"""How long windows last, and how long an answer is waited for: what follows from how long an answer takes.

A window of two seconds tells nothing of a server that takes three for an answer. So what the user did not say follows
from the first answers, from the rate, and from how many requests the bounded quantile takes. Of a server that answers
at once all is as the workload has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.space.metrics import LATENCY_PERCENTILES
from tuner.space.model import Constraint
from tuner.statistics.quantiles import MISS
from tuner.workload.model import WorkloadSpec

SLOW_S = 0.25
"""An answer that takes longer is a slow one."""
PATIENCE_S = 60.0
"""How long a first answer is waited for where nobody says."""
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
LONGEST_STEP_S = 30.0
LONGEST_S = 180.0
"""A window that nobody gave a duration grows up to this for the sake of a quantile; beyond, what is missing is said."""
FIRST_CONNECTIONS = 8
GROWTH = 4
MOST_CONNECTIONS = 512
"""A slow server is probed by closed loops of 8 connections, 32, 128 and 512, until more do not get more through."""
SATURATED = 0.7
"""Share of a closed loop's connections that are served at once, below which the rest waits: the server is full."""
USUAL_CONCURRENCY = 8
"""Requests that a slow server is taken to serve at once before it is known, to foresee how long all takes."""
PROBES = 7
"""Windows that a capacity search usually takes."""

_LEVELS = dict(LATENCY_PERCENTILES)


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

    @property
    def timeout_s(self) -> float:
        """After which a request of a window is given up: later than any bound on its latency."""
        if "timeout_s" in self.workload.said:
            return self.workload.timeout_s
        bounds = [bound.bound for bound in self.slo if bound.metric.startswith(("latency_", "ttft_"))]
        return max(self.workload.timeout_s, 2.0 * max(bounds, default=0.0), TIMES * self.answer_s if self.slow else 0.0)

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
        wanted_s = min(self._requests() / rate_rps, max(LONGEST_S, MEASURED_ROUNDS * self.answer_s))
        if not self.slow:
            return max(least_s, wanted_s)
        return max(least_s, wanted_s, MEASURED_ROUNDS * self.answer_s, FEWEST / rate_rps)

    def closed_duration_s(self, connections: int, achieved_rps: float) -> float:
        """Of the window of a closed loop that gets so much through, whose answers therefore take longer than one."""
        if "duration_s" in self.workload.said:
            return self.workload.duration_s
        under_load_s = connections / achieved_rps if achieved_rps > 0.0 else self.answer_s
        return max(self.duration_s(None), min(MEASURED_ROUNDS * under_load_s, max(LONGEST_S, ROUNDS * under_load_s)))

    def closed_timeout_s(self, connections: int) -> float:
        """Of a closed loop: a server that answers one at a time reaches the last of its connections after them all."""
        if "timeout_s" in self.workload.said:
            return self.workload.timeout_s
        return max(self.timeout_s, 1.5 * connections * self.answer_s if self.slow else 0.0)

    def ladder(self) -> tuple[int, ...]:
        """Connections of the closed loops that tell how much a server gets through, one after the other."""
        most = self.workload.connections
        if not self.slow:
            return (most,)
        if "connections" not in self.workload.said:
            most = max(most, MOST_CONNECTIONS)
        rungs = [FIRST_CONNECTIONS * GROWTH**power for power in range(8)]
        return (*(rung for rung in rungs if rung < most), most)

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

    def expected_s(self, rate_rps: float | None, *, searched: bool, capacity_rps: float | None = None) -> float:
        """Load that one start takes, warm-up included, with the wait for the last answers: a usual figure.

        `rate_rps` None: derived from the capacity. `searched`: a capacity is searched, besides or for that rate.
        `capacity_rps`: what a closed loop got through; None: not known yet.
        """
        closed = self.workload.arrival == "closed"
        warm_up_s = self.warm_up_s + self.answer_s if self.warm_up_s > 0.0 else 0.0
        if not self.slow:
            probe_s = 0.0 if rate_rps is not None or closed or searched else self.duration_s(None)
            search_s = PROBES * self.step_s(None) if searched else 0.0
            return warm_up_s + probe_s + search_s + self._longest_s(None if closed else rate_rps)
        capacity = capacity_rps or max(USUAL_CONCURRENCY / self.answer_s, 1.5 * (rate_rps or 0.0))
        common = None if closed or self.workload.shape is not None else rate_rps or capacity / 2.0
        ladder_s = 3.0 * (self.step_s(None) + 2.0 * self.answer_s)
        search_s = ladder_s + (PROBES - 1) * (self.step_s(capacity) + 2.0 * self.answer_s) if searched else 0.0
        if not searched and rate_rps is None and not closed:
            search_s = ladder_s + self.duration_s(None) + 2.0 * self.answer_s
        return 2.0 * self.answer_s + warm_up_s + search_s + self._longest_s(common) + self.answer_s

    def _longest_s(self, rate_rps: float | None) -> float:
        return max(self.duration_s(rate_rps), self.workload.most_s or 0.0)

    def _free(self, name: str) -> bool:
        return self.slow and name not in self.workload.said

    def _requests(self) -> float:
        """Requests that the bounded quantiles take to be told with both ends, the others that matter without."""
        bounded = [certain(_LEVELS[bound.metric]) for bound in self.slo if bound.metric in _LEVELS]
        wanted = [told(_LEVELS[metric]) for metric in self.tight if metric in _LEVELS]
        if self.slow and not bounded:
            wanted.append(told(_LEVELS["latency_p99"]))
        needed = max([*bounded, *wanted], default=0)
        return needed + 2.0 * math.sqrt(needed)


def told(level: float) -> int:
    """Fewest requests of which a quantile is told at all: one is expected beyond it."""
    return math.ceil(1.0 / (1.0 - level) - 1e-9)


def certain(level: float, miss: float = MISS) -> int:
    """Fewest independent requests that tell a quantile's upper end: any fewer may well all lie below it."""
    return math.ceil(math.log(miss / 2.0) / math.log(level))


def typical_s(latencies_s: Sequence[float]) -> float:
    """What an answer takes, by the first few: their median, the larger of two in the middle."""
    return sorted(latencies_s)[len(latencies_s) // 2] if latencies_s else 0.0
