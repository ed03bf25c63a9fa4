"""The nouns of measurement: what a load window told, what the server used, and both of one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tuner.measure.conditions import Conditions, together
from tuner.statistics.model import Estimate


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
    unchecked: int = field(default=0, metadata={"sparse": True})
    """Answers of the kept part that nobody checked: the error ratio is extrapolated from a random sample of them."""
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

    def estimates(self) -> dict[str, Estimate]:
        """By metric name; what was not measured is absent."""
        values = {"cpu": self.cpu_cores, "memory": self.memory_peak_bytes}
        return {name: Estimate(value=float(value)) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsed:
    """Where one replica ran in a cluster, and what others (the load generator among them) used there meanwhile."""

    node: str
    pool: str = ""
    """Its name; empty: the node's labels do not tell."""
    processor: str = ""
    """As the node's labels tell; empty: they do not."""
    others_cores: float | None = None
    """Mean from when the replicas were ready until they were measured; None: not known."""
    others_memory_bytes: int | None = None
    """At the end; None: not known."""


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
    admitted: tuple[str, ...] = ()
    """What the cluster's admission added to the pods, or changed besides a knob, in words."""
    load_from: str = "this machine"
    """Where the load came from, in words; in a cluster also whether the servers shared that node."""
    images: tuple[str, ...] = ()
    """``CONTAINER: IMAGE is DIGEST``, as the cluster's nodes tell what they run; empty where no image was run."""

    nodes: tuple[NodeUsed, ...] = ()
    """Of each replica, in order; empty: it ran on no cluster."""
    conditions: Conditions | None = field(default=None, metadata={"sparse": True})
    """How quiet the machine was during the window at the common rate; None: nobody looked."""
    search_conditions: Conditions | None = field(default=None, metadata={"sparse": True})
    """The same of the windows that decided the capacity: the closed loop, and those at or near it."""
    put_back: tuple[str, ...] = field(default=(), metadata={"sparse": True})
    """Windows that were disturbed and measured again, in words."""
    put_back_s: float = field(default=0.0, metadata={"sparse": True})
    """What that took, and the waiting for a quiet machine."""
    recorded_speed: float | None = field(default=None, metadata={"sparse": True})
    """The machine's speed as the table has it that this one was replayed from."""
    not_recorded: tuple[str, ...] = field(default=(), metadata={"sparse": True})
    """Metrics that every server tells, but not the table that this one was replayed from: what stands for them here was
    never measured."""

    @property
    def speed(self) -> float | None:
        """The machine's, 1.0 that of a quiet one: while the capacity was searched, else at the common rate; None:
        nobody looked, or could tell."""
        return self.speed_of("throughput")

    def speed_of(self, metric: str) -> float | None:
        """The machine's in the windows that a metric is of."""
        if self.recorded_speed is not None:
            return self.recorded_speed
        searched = None if self.search_conditions is None else self.search_conditions.speed
        at_rate = None if self.conditions is None else self.conditions.speed
        first, second = (searched, at_rate) if metric == "throughput" else (at_rate, searched)
        return first if first is not None else second

    @property
    def disturbance(self) -> str:
        """What disturbed it beyond what is accepted, in words; empty: nothing that was observed."""
        known = [one for one in (self.conditions, self.search_conditions) if one is not None]
        if not any(one.disturbance for one in known):
            return ""
        return together(known).disturbance or next(one.disturbance for one in known if one.disturbance)

    def metrics(self) -> dict[str, float]:
        """Values by metric name (`tuner.space.metrics.METRICS`), in SI units; unmeasured ones are absent."""
        return {name: estimate.value for name, estimate in self.estimates().items()}

    def estimates(self) -> Mapping[str, Estimate]:
        """Like `metrics()`, with intervals where they are known."""
        known = {**self.at_rate.latency_s, "error_ratio": self.at_rate.error_ratio}
        known["cost"] = Estimate(value=self.cost_per_hour)
        known["startup"] = Estimate(value=self.startup_s)
        if self.throughput_rps is not None:
            known["throughput"] = self.throughput_rps
        if self.usage.cpu_cores is not None and self.at_rate.achieved_rps > 0.0:
            known["cpu_per_request"] = Estimate(value=self.usage.cpu_cores / self.at_rate.achieved_rps)
        known |= self.usage.estimates()
        return MappingProxyType({name: value for name, value in known.items() if name not in self.not_recorded})
