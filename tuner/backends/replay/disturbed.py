"""A source under which the machine wanders, and whose restarts differ: for tables measured on a quiet machine."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuner.backends.replay.model import Source, Start
from tuner.backends.replay.wander import Machine, Wander
from tuner.space.metrics import METRICS
from tuner.space.model import Configuration
from tuner.statistics.model import Estimate

USUAL_S = 30.0
"""What a trial takes where nothing says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    noise: float = 0.0
    """Standard deviation of a restart, in the logarithm: of rates, of times and of the CPU used, each."""
    wander: Wander = field(default_factory=Wander)
    observed: bool = True
    """Whether the machine's speed can be seen while it is measured."""
    trial_s: float = USUAL_S
    """What a start takes that says nothing of it."""

    @property
    def any(self) -> bool:
        return self.noise > 0.0 or self.wander != Wander()


class Disturbed:
    """Implements `tuner.backends.replay.model.Source` over another one."""

    def __init__(self, source: Source, disturbance: Disturbance, seed: int) -> None:
        self._source = source
        self._disturbance = disturbance
        self._machine = Machine(disturbance.wander, seed)
        self._random = random.Random(f"restarts {seed}")  # noqa: S311 -- repeatable, no secret
        self._at_s = 0.0

    @property
    def at_s(self) -> float:
        """Since the first start."""
        return self._at_s

    def infeasible(self, configuration: Configuration) -> str | None:
        return self._source.infeasible(configuration)

    def start(self, configuration: Configuration) -> Start:
        start = self._source.start(configuration)
        duration_s = start.duration_s if start.duration_s is not None else self._disturbance.trial_s
        speed = self._machine.speed(self._at_s)
        found = disturbed(start, speed, self._random, self._disturbance.noise)
        seen = speed if self._disturbance.observed and self._disturbance.wander != Wander() else start.speed
        return replace(found, duration_s=duration_s, speed=seen)

    def take_up(self, configurations: Sequence[Configuration]) -> None:
        for configuration in configurations:
            if self.infeasible(configuration) is None:
                self.pass_time(self.start(configuration).duration_s or 0.0)

    def pass_time(self, seconds: float) -> None:
        self._at_s += seconds
        self._source.pass_time(seconds)

    @property
    def usual_s(self) -> float:
        return self._source.usual_s or self._disturbance.trial_s

    def describe(self) -> Mapping[str, str]:
        return {**self._source.describe(), "disturbed": repr(self._disturbance)}

    def foreseen(self) -> tuple[str, ...]:
        noise = f"restarts differ by {self._disturbance.noise:.0%}" if self._disturbance.noise else ""
        wanders = "the machine's speed wanders" if self._disturbance.wander != Wander() else ""
        said = " and ".join(part for part in (noise, wanders) if part)
        return (*self._source.foreseen(), *((f"what is told is disturbed: {said}",) if said else ()))


def disturbed(start: Start, speed: float, draw: random.Random, noise: float) -> Start:
    """Rates go with the speed, times against it; they and the CPU used have a restart's own noise. The rest stays."""
    rates, times, used = (math.exp(draw.gauss(0.0, noise)) if noise else 1.0 for _ in range(3))

    def of(name: str) -> float:
        if name == "cpu_per_request":  # CPU time, which nobody takes away
            return used
        if METRICS[name].unit == "rate":
            return speed * rates
        if METRICS[name].unit == "seconds":
            return times / speed
        return used if METRICS[name].unit == "cores" else 1.0

    def changed(name: str, estimate: Estimate) -> Estimate:
        factor = of(name)
        return estimate.map(lambda value: value * factor)

    return replace(
        start,
        metrics={name: changed(name, estimate) for name, estimate in start.metrics.items()},
        beyond_s=start.beyond_s,
    )
