"""The nouns of measurement: raw samples, and numbers with their confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Status(IntEnum):
    """What became of a request. Values from 100 to 599 are HTTP statuses, those from 1000 on gRPC's (`tuner.measure.status`); those below are ours.

    A request is *good* when its status is 200 and its answer passed the protocol's check. An answer with status 200
    that fails the check is WRONG_ANSWER; one with another 2xx status that passes it is recorded as 200.
    """

    WRONG_ANSWER = 1
    CONNECT_FAILED = 2
    CONNECTION_LOST = 3
    TIMED_OUT = 4
    MALFORMED = 5
    """The bytes received were not an answer of the protocol that was spoken."""
    NOT_SENT = 6
    """Due within the window, but no connection came free within its time-out."""
    UNTRUSTED = 7
    """The server's certificate is not one to trust, or not one for its name: no connection was made."""
    STREAM_CUT = 8
    """A stream of events ended, or was lost, before its end marker."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tokens:
    """Events of streamed answers, in the order they came; both columns have the same length."""

    row: IntArray
    """Whose they are: index into the columns of the samples."""
    at_s: FloatArray
    """Since the window's start."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """One load window, a row a request, in the order scheduled. All columns have the same length n.

    Times are seconds since the window's start on the generator's monotonic clock. Latency is
    ``finished_s - scheduled_s`` (not from the send: see coordinated omission), lateness ``sent_s - scheduled_s``
    of those requests that had a free connection at their time (`waited` False). In a closed loop a request is
    scheduled when it is sent, or when its connection starts being made (then `waited` is True). A column's entry that
    never happened is NaN: `finished_s` is NaN where no whole answer came.
    """

    scheduled_s: FloatArray
    sent_s: FloatArray
    first_byte_s: FloatArray
    finished_s: FloatArray
    status: IntArray
    """HTTP status, 1000 and the code of a gRPC status that is not OK, or a `Status` below 100."""
    replica: IntArray
    """Index into the endpoint's urls; -1: never sent."""
    waited: npt.NDArray[np.bool_]
    """True: no connection was free when it was due, so its delay is the server's doing, not the generator's."""
    offered_rps: float
    """Rate asked for; 0 for a closed loop."""
    window_s: float
    """Length of the window in which requests were scheduled."""
    connections: int
    """Most connections that were open at once."""
    generator_cpu_s: float
    """CPU time the generator's processes spent until the window's end."""
    generator_elapsed_s: float
    """Wall time that CPU time refers to."""
    generator_starved_s: float | None = None
    """Time in which they were ready to run and had no CPU; None: the system does not tell."""
    busiest_cpu_ratio: float | None = None
    """`generator_cpu_ratio` of the busiest of several generator processes; None: there was one."""
    noticed_s: FloatArray | None = None
    """When the generator came to a request that was due, for those that had to wait (`waited`) in an open loop, else
    NaN: until then it was the generator that was late, after that the server. None: not recorded."""
    connects: int = 0
    """Connections opened in the window: one a request where the server closes after each answer."""
    connect_s: FloatArray | None = None
    """Seconds the request's connection took to be made, TLS included; NaN where one was there. None: not recorded."""
    tokens: Tokens | None = None
    """None: answers were not streams."""
    server_timing_s: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    """Durations the server told in ``Server-Timing`` headers, by name, a row a request; NaN where it told none."""

    def __len__(self) -> int:
        return len(self.scheduled_s)

    @property
    def lateness_s(self) -> FloatArray:
        """How late the generator itself was with each request of an open loop: until it sent it, or found that no
        connection was free for it. NaN where that is not known."""
        noticed_s = np.nan if self.noticed_s is None else self.noticed_s
        late: FloatArray = np.where(self.waited, noticed_s, self.sent_s) - self.scheduled_s
        return late

    @property
    def generator_cpu_ratio(self) -> float:
        """Share of the time in which the generator's process ran, or was ready to and had to wait for a CPU: near 1 it
        could not keep up. Of several processes, the busiest one's."""
        if self.busiest_cpu_ratio is not None:
            return self.busiest_cpu_ratio
        wanted_s = self.generator_cpu_s + (self.generator_starved_s or 0.0)
        return wanted_s / self.generator_elapsed_s if self.generator_elapsed_s > 0.0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value and the interval that holds the truth with 95 % confidence; None where it cannot be had."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one load window taught: a point of the latency-against-rate curve."""

    offered_rps: float
    """0: a closed loop."""
    achieved_rps: float
    """Good answers a second over the kept part of the window."""
    latency_s: Mapping[str, Estimate]
    """By metric name (``latency_p50`` ... ``latency_p99.9``, and of streams ``ttft_p50`` ..., ``itl_p50`` ...); a
    quantile the samples cannot carry is absent."""
    error_ratio: Estimate
    errors: Mapping[str, int]
    """Count by kind: ``http 503``, ``timed out``, ``connection lost``, ..."""
    requests: int
    """Requests in the kept part."""
    warm_up_s: float
    """Cut from the start by the steady-state rule."""
    lateness_p99_s: float
    generator_cpu_ratio: float
    """Share of the time in which the generator ran or waited for a CPU: near 1 it could not keep up."""
    replica_share: tuple[float, ...]
    """Share of the answered requests by replica, summing to 1 (empty when none was answered)."""
    beyond_s: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Quantiles that fell on a request never answered in time, by metric name: the latency is at least this much."""
    backlog_rps: Estimate | None = None
    """Requests a second by which the backlog grew (open loop); `low` above 0: the server did not keep up."""
    untrusted: tuple[str, ...] = ()
    """Why this window is no measurement; empty when it can be trusted."""
    generator_limited: bool = False
    """It cannot be trusted because of the load generator: says nothing about the server."""
    warnings: tuple[str, ...] = ()
    ended: str = ""
    """Why a measurement of open length ended when it did; empty: its length was fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What all replicas together used during one window. None: could not be measured."""

    cpu_cores: float | None = None
    """Mean over the window."""
    memory_peak_bytes: int | None = None
    throttled_ratio: float | None = None
    """Share of scheduler periods in which the CPU quota ran out."""
    restarts: int = 0
    others_cores: float | None = None
    """CPU that other programs used of the CPUs set aside for the servers: they disturbed the measurement."""
    cpu_share: tuple[float, ...] = ()
    """Share of the CPU time by replica, summing to 1; empty where it is not known."""
    gpu_utilization_ratio: float | None = None
    """Mean over the GPUs and the window, 0 to 1."""
    gpu_memory_bytes: int | None = None
    """Most that was in use on all GPUs together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """All that one trial measured.

    `throughput_rps` is None when the trial was cut short before the capacity search or the search could not be
    trusted; a metric that was not measured is absent from `metrics()`, never a sentinel.
    """

    at_rate: Window
    """The window at the common rate."""
    curve: tuple[Window, ...]
    """Every trusted window, by rising offered rate, the common-rate one among them."""
    throughput_rps: Estimate | None
    """Highest offered rate that meets the SLO."""
    throughput_note: str
    """In words: what bounded it (which SLO, saturation, the generator), or why there is none."""
    usage: Usage
    startup_s: float
    requested_cores: float
    requested_memory_bytes: float
    requested_gpus: float
    cost_per_hour: float
    currency: str
    cost_per_million: float | None
    """Cost of a million requests at `throughput_rps`."""
    not_enforced: tuple[str, ...] = ()
    """What of the configuration could not be enforced where it ran, in words."""
    warnings: tuple[str, ...] = ()
    load_from: str = "this machine"
    """Where the load came from, in words; in a cluster also whether the servers shared that node."""
    images: tuple[str, ...] = ()
    """``CONTAINER: IMAGE is DIGEST``, as the cluster's nodes tell what they run; empty where no image was run."""

    def metrics(self) -> dict[str, float]:
        """Values by metric name (`tuner.space.metrics.METRICS`), in SI units; unmeasured ones are absent."""
        values: dict[str, float] = {name: estimate.value for name, estimate in self.at_rate.latency_s.items()}
        values["error_ratio"] = self.at_rate.error_ratio.value
        values["cost"] = self.cost_per_hour
        values["startup"] = self.startup_s
        if self.throughput_rps is not None:
            values["throughput"] = self.throughput_rps.value
        if self.usage.cpu_cores is not None:
            values["cpu"] = self.usage.cpu_cores
        if self.usage.memory_peak_bytes is not None:
            values["memory"] = float(self.usage.memory_peak_bytes)
        return values

    def estimates(self) -> Mapping[str, Estimate]:
        """Like `metrics()`, with intervals where they are known."""
        known: dict[str, Estimate] = {name: Estimate(value=value) for name, value in self.metrics().items()}
        known.update(self.at_rate.latency_s)
        known["error_ratio"] = self.at_rate.error_ratio
        if self.throughput_rps is not None:
            known["throughput"] = self.throughput_rps
        return MappingProxyType(known)
