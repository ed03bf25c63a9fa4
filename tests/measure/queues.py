"""A queue with c servers, simulated: the truth against which measurement is tested."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuner.measure.samples import Samples, Status
from tuner.statistics.model import FloatArray

Service = Callable[[np.random.Generator, int], FloatArray]


def exponential(mean_s: float) -> Service:
    return lambda rng, n: rng.exponential(mean_s, n)


def constant(mean_s: float) -> Service:
    return lambda rng, n: np.full(n, mean_s)


def finish_times(scheduled_s: FloatArray, service_s: FloatArray, servers: int, backlog_s: float = 0.0) -> FloatArray:
    """First come, first served by c servers (the recursion of Kiefer & Wolfowitz; Lindley's for one).

    `backlog_s`: work the first server still has at time 0.
    """
    if servers == 1:
        # Lindley unrolled: finish_n = max over k <= n of (arrival_k + service_k + ... + service_n).
        done = np.cumsum(service_s)
        start = np.maximum(scheduled_s, backlog_s)
        return done + np.maximum.accumulate(start - (done - service_s))
    free = [backlog_s] + [0.0] * (servers - 1)
    finished = np.empty_like(scheduled_s)
    for i, (at, work) in enumerate(zip(scheduled_s, service_s, strict=True)):
        finished[i] = max(at, heapq.heappop(free)) + work
        heapq.heappush(free, finished[i])
    return finished


def samples(
    scheduled_s: FloatArray,
    finished_s: FloatArray,
    *,
    window_s: float,
    offered_rps: float,
    status: np.ndarray | None = None,
    timeout_s: float = math.inf,
    late_s: FloatArray | float = 0.0,
    waited: np.ndarray | None = None,
    replica: np.ndarray | None = None,
    cpu_ratio: float = 0.2,
) -> Samples:
    n = len(scheduled_s)
    status = np.full(n, 200) if status is None else status.copy()
    timed_out = finished_s - scheduled_s > timeout_s
    status[timed_out] = Status.TIMED_OUT
    finished_s = np.where(timed_out, scheduled_s + timeout_s, finished_s)
    return Samples(
        scheduled_s=scheduled_s,
        sent_s=scheduled_s + late_s,
        first_byte_s=finished_s,
        finished_s=finished_s,
        status=status.astype(np.int64),
        replica=np.zeros(n, np.int64) if replica is None else replica,
        waited=np.zeros(n, np.bool_) if waited is None else waited,
        offered_rps=offered_rps,
        window_s=window_s,
        connections=32,
        generator_cpu_s=cpu_ratio * window_s,
        generator_elapsed_s=window_s,
    )


@dataclass(frozen=True)
class Server:
    service: Service
    servers: int = 1
    timeout_s: float = 5.0
    overhead_s: float = 0.0

    def open_loop(self, rng: np.random.Generator, rate_rps: float, window_s: float, *, poisson: bool = True) -> Samples:
        n = rng.poisson(rate_rps * window_s) if poisson else round(rate_rps * window_s)
        scheduled = np.sort(rng.uniform(0.0, window_s, n)) if poisson else np.arange(n) / rate_rps
        finished = finish_times(scheduled, self.service(rng, n), self.servers) + self.overhead_s
        return samples(scheduled, finished, window_s=window_s, offered_rps=rate_rps, timeout_s=self.timeout_s)

    def closed_loop(self, rng: np.random.Generator, connections: int, window_s: float) -> Samples:
        """`connections` clients, each sending again as soon as it is answered."""
        scheduled, finished = [], []
        ready = [0.0] * connections
        free = [0.0] * self.servers
        work = iter(self.service(rng, 200_000))
        while (at := heapq.heappop(ready)) < window_s:
            done = max(at, heapq.heappop(free)) + next(work)
            heapq.heappush(free, done)
            heapq.heappush(ready, done + self.overhead_s)
            scheduled.append(at)
            finished.append(done + self.overhead_s)
        return samples(np.array(scheduled), np.array(finished), window_s=window_s, offered_rps=0.0)


def mm1_sojourn(rng: np.random.Generator, n: int, load: float) -> FloatArray:
    """n sojourn times in arrival order of a stationary M/M/1 queue with mean service time 1.

    The truth is exponential with mean 1 / (1 - load).
    """
    gaps = rng.exponential(1.0 / load, n)
    backlog = rng.exponential(1.0 / (1.0 - load)) if rng.random() < load else 0.0
    arrivals = np.cumsum(gaps)
    # The backlog is the workload just before the first arrival.
    return finish_times(arrivals, rng.exponential(1.0, n), 1, backlog_s=arrivals[0] + backlog) - arrivals
