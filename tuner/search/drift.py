"""What the machine did to a measured value, taken out beside it: raw and corrected, and how far that can be trusted.

Pure. No value is replaced: whoever shows one shows both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tuner.search.model import Observation
from tuner.space.metrics import METRICS
from tuner.statistics.model import FloatArray

MOST = 2.0
"""Factor beyond which a correction is not trusted. One server measured at a third to a fifth of its CPU came out within
a tenth of itself, in proportion to the speed; but below half speed queues and time-outs follow no proportion, and what
is left of an error of the speed grows with its inverse."""
LEAST_SHOWN = 0.01
"""A correction by less than this share is none."""
_LEAST_SPEED = 0.05
_POWERS = {"rate": 1.0, "seconds": -1.0}
"""By the metric's unit: the power of the machine's speed that it follows. What is counted, paid for or a share follows
none."""
_OF_CPU = frozenset({"cpu_per_request"})
"""CPU time: others who take the CPU make a request wait, and its own time no longer."""


class Drifts(Protocol):
    """Whoever knows what the machine adds to a metric, such as the search's model."""

    def drift(self, metric: str, at_s: Sequence[float], speed: Sequence[float | None]) -> FloatArray:
        """(rows,): in the natural logarithm, what is added to `metric` there; the raw value less this is that of the
        quiet machine. Raises KeyError for a metric that it knows nothing of."""
        ...


def power(metric: str) -> float:
    """Of the machine's speed, that a metric is expected to follow."""
    known = METRICS.get(metric)
    return 0.0 if known is None or metric in _OF_CPU else _POWERS.get(known.unit, 0.0)


def log_speeds(speeds: Sequence[float | None]) -> FloatArray:
    """(rows,): natural; 0 where nobody looked."""
    return np.array([0.0 if one is None else math.log(max(one, _LEAST_SPEED)) for one in speeds])


class Proportional:
    """Rates in proportion to the machine's speed, times in inverse proportion, and nothing by the hour: all that can be
    said without a model."""

    def drift(self, metric: str, at_s: Sequence[float], speed: Sequence[float | None]) -> FloatArray:  # noqa: ARG002
        return power(metric) * log_speeds(speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """A value as it was measured, and as it would have been on the quiet machine, in the metric's SI unit."""

    raw: float
    corrected: float

    @property
    def factor(self) -> float:
        """`corrected` / `raw`."""
        return self.corrected / self.raw

    @property
    def trusted(self) -> bool:
        return 1.0 / MOST <= self.factor <= MOST

    @property
    def worth_showing(self) -> bool:
        return abs(self.factor - 1.0) >= LEAST_SHOWN


def corrected(observation: Observation, by: Drifts) -> Mapping[str, Corrected]:
    """By metric, of what was measured above 0; a metric that `by` knows nothing of is absent."""
    found = {}
    for metric, raw in observation.metrics.items():
        if raw <= 0.0 or not math.isfinite(raw):
            continue
        try:
            added = float(by.drift(metric, [observation.at_s], [observation.speed])[0])
        except KeyError:
            continue
        found[metric] = Corrected(raw=raw, corrected=raw * math.exp(-added))
    return found
