"""A machine whose speed wanders: a slow wave, and jumps down and back, all of it decided by a seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wander:
    """How a machine's speed changes with time; as it stands, not at all."""

    wave: float = 0.0
    """Height of the wave: 0.3 is 30 % above and, at the same ratio, below."""
    period_s: float = 1800.0
    jump: float = 1.0
    """The speed is divided by so much in a jump: 2.0 is half of it. 1: there are none."""
    every_s: float = 900.0
    """Mean time from the end of a jump to the next."""
    lasts_s: float = 300.0
    """Mean duration of a jump."""


class Machine:
    """One machine: the same seed wanders the same way."""

    def __init__(self, wander: Wander, seed: int) -> None:
        self._wander = wander
        self._random = random.Random(f"wander {seed}")  # noqa: S311 -- repeatable, no secret
        self._phase = self._random.uniform(0.0, math.tau)
        self._changes = [0.0]
        """When it jumps: down at the odd ones, back at the even ones."""

    def speed(self, at_s: float) -> float:
        """1.0 is the machine left alone."""
        wander = self._wander
        wave = math.log1p(wander.wave) * math.sin(math.tau * at_s / wander.period_s + self._phase)
        return math.exp(wave) / (wander.jump if wander.jump != 1.0 and self._down(at_s) else 1.0)

    def _down(self, at_s: float) -> bool:
        wander = self._wander
        while self._changes[-1] <= at_s:
            mean_s = wander.every_s if len(self._changes) % 2 else wander.lasts_s
            self._changes.append(self._changes[-1] + self._random.expovariate(1.0 / mean_s))
        passed = sum(change <= at_s for change in self._changes)
        return passed % 2 == 0
