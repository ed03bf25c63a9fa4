"""A simulated model server: workers, threads, replicas, a CPU limit, memory that runs out, restarts that differ.

What a request costs is fixed; what the configuration makes of it follows from `queueing`. A worker is a process that
runs on one CPU at a time, its threads overlap but what waits. The figures are no server's; their shape is: more threads
help until they contend, more workers until the CPU limit or the memory ends it, and each costs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tuner.backends.replay.disturbed import Disturbance, unusual
from tuner.backends.replay.model import Start
from tuner.backends.replay.queueing import Station, scaled
from tuner.backends.replay.wander import Machine, Wander
from tuner.space.metrics import LATENCY_PERCENTILES
from tuner.space.model import Configuration, SearchSpace
from tuner.space.values import Operand, operand
from tuner.statistics.model import Estimate
from tuner.units import format_bytes

KNOBS = ("workers", "threads", "replicas", "cpu", "memory")
"""What the model has of a configuration."""
_MIB = 2.0**20
_TIMEOUT_S = 5.0
_MEMORY_SPREAD = 0.03
"""Of a start's peak memory, in the logarithm: at the limit one start lives and the next does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Of one server and its machine."""

    cpu_s: float = 0.004
    """CPU time of a request."""
    wait_s: float = 0.002
    """Time in which it holds its thread and needs no CPU."""
    spread: float = 1.0
    serial: float = 0.03
    """Share of the work that the lanes of a replica do one after the other."""
    crosstalk: float = 0.0006
    """Cost of each pair of lanes."""
    cores: float = 8.0
    """Of the machine, shared by the replicas."""
    memory_base: float = 60.0 * _MIB
    memory_worker: float = 45.0 * _MIB
    memory_thread: float = 1.5 * _MIB
    startup_s: float = 1.5
    startup_worker_s: float = 0.4
    """CPU time that each worker takes to load its model."""
    rate_rps: float = 100.0
    """The common rate, where the workload has none."""
    bound_s: float = 0.1
    """Bound of p99 that the throughput keeps, where the SLO has none."""
    trial_s: float = 30.0
    knobs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By what the model calls it (`KNOBS`), the space's parameter; left out: the one of that name."""
    defaults: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {"workers": 1.0, "threads": 1.0, "replicas": 1.0, "cpu": 1.0, "memory": 1024.0 * _MIB}
        )
    )
    """Of what is no parameter of the space."""


class Simulated:
    """Implements `tuner.backends.replay.model.Source`."""

    def __init__(self, constants: Constants, space: SearchSpace, disturbance: Disturbance, seed: int) -> None:
        self._constants = constants
        self._rate_rps = space.workload.rate_rps or constants.rate_rps
        bounds = [bound.bound for bound in space.slo if bound.metric == "latency_p99" and not bound.at_least]
        self._bound_s = min(bounds, default=constants.bound_s)
        self._disturbance = disturbance
        self._machine = Machine(disturbance.wander, seed)
        self._random = random.Random(f"simulated {seed}")  # noqa: S311 -- repeatable, no secret
        self._at_s = 0.0

    @property
    def at_s(self) -> float:
        """Since the first start."""
        return self._at_s

    def infeasible(self, configuration: Configuration) -> str | None:
        asked = self._amount(configuration, "replicas") * self._amount(configuration, "cpu")
        if asked > self._constants.cores:
            return (
                f"Insufficient cpu: {asked:g} cores are asked for, the simulated machine has {self._constants.cores:g}"
            )
        return None

    def start(self, configuration: Configuration) -> Start:
        speed = self._machine.speed(self._at_s)
        noise = self._disturbance.noise
        rates, times = (math.exp(self._random.gauss(0.0, noise)) for _ in range(2))
        memory = math.exp(self._random.gauss(0.0, _MEMORY_SPREAD))
        start = self._told(configuration, speed * rates, times, memory)
        observed = self._disturbance.observed and self._disturbance.wander != Wander()
        return replace(start, speed=speed if observed else None, duration_s=self._constants.trial_s)

    def truth(self, configuration: Configuration) -> Start:
        """As it would be measured on the quiet machine without noise."""
        return self._told(configuration, 1.0, 1.0, 1.0)

    def take_up(self, configurations: Sequence[Configuration]) -> None:
        for configuration in configurations:
            if self.infeasible(configuration) is None:
                self.pass_time(self.start(configuration).duration_s or 0.0)

    def pass_time(self, seconds: float) -> None:
        self._at_s += seconds

    @property
    def usual_s(self) -> float:
        return self._constants.trial_s

    def describe(self) -> Mapping[str, str]:
        return {"simulated": unusual(self._constants), "disturbed": unusual(self._disturbance)}

    def foreseen(self) -> tuple[str, ...]:
        return ("a simulated server is told of: no figure is a real one's",)

    def _told(self, configuration: Configuration, speed: float, times: float, memory: float) -> Start:
        constants = self._constants
        workers, threads, replicas, cpu, limit = (self._amount(configuration, name) for name in KNOBS)
        each = constants.memory_base + workers * (constants.memory_worker + threads * constants.memory_thread)
        if each * memory > limit:
            return Start(
                configuration=configuration,
                ending="failed",
                kind="OOMKilled",
                stage="ready",
                reason=f"out of memory: a replica needs {format_bytes(each * memory)}, its limit is "
                f"{format_bytes(limit)}",
            )
        station = self._station(workers, threads, min(cpu, constants.cores / replicas), speed)
        offered = self._rate_rps / replicas
        found = {name: station.latency_s(offered, quantile) * times for name, quantile in LATENCY_PERCENTILES}
        capacity = station.highest_rate(0.99, self._bound_s / times)
        lost = max(0.0, 1.0 - station.capacity_rps / offered)
        cores = min(cpu, offered * constants.cpu_s / speed)
        startup_s = constants.startup_s + workers * constants.startup_worker_s / min(cpu, constants.cores / replicas)
        values = {
            "throughput": capacity * replicas if capacity > 0.0 else None,
            **{name: value for name, value in found.items() if value <= _TIMEOUT_S},
            "error_ratio": lost,
            "cpu": cores * replicas,
            "memory": each * memory * replicas,
            "startup": startup_s / speed * times,
        }
        return Start(
            configuration=configuration,
            ending="measured" if values["throughput"] is not None else "stopped",
            metrics={name: Estimate(value=value) for name, value in values.items() if value is not None},
            beyond_s={name: _TIMEOUT_S for name, value in found.items() if value > _TIMEOUT_S},
            rate_rps=self._rate_rps,
        )

    def _station(self, workers: float, threads: float, cores: float, speed: float) -> Station:
        """One replica on so many cores."""
        constants = self._constants
        cpu_s = constants.cpu_s / speed
        one_s = cpu_s / min(1.0, cores) + constants.wait_s
        lanes = scaled(workers * threads, constants.serial, constants.crosstalk)
        busy_rps = min(cores, workers) / cpu_s * scaled(workers * threads, 0.0, constants.crosstalk) / workers / threads
        return Station(capacity_rps=min(lanes / one_s, busy_rps), service_s=one_s, spread=constants.spread)

    def _amount(self, configuration: Configuration, name: str) -> float:
        value = configuration.values.get(self._constants.knobs.get(name, name))
        if value is None:
            return self._constants.defaults[name]
        found: Operand = operand(value)
        if isinstance(found, bool | str):
            raise ValueError(f"{name}: {value!r} is no amount, and the simulated server needs one")
        return float(found)
