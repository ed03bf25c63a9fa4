"""Beliefs that are arithmetic: a function of a configuration's values, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tuner.search.model import Belief
from tuner.space.model import Configuration
from tuner.space.values import Value
from tuner.statistics.model import FloatArray

Function = Callable[[Mapping[str, Value]], float]


class Sure:
    """Metrics by name, each in its own unit, believed with a standard deviation of `sd` of the logarithm."""

    def __init__(self, sd: float = 0.01, **functions: Function) -> None:
        self.sd = sd
        self.functions = functions

    def knows(self, metric: str) -> bool:
        return metric in self.functions

    def believe(self, metric: str, configurations: Sequence[Configuration]) -> Belief:
        mean = np.log([self.functions[metric](one.values) for one in configurations])
        return Belief(mean=mean, sd=np.full_like(mean, self.sd))

    def joint(self, metric: str, configurations: Sequence[Configuration]) -> tuple[FloatArray, FloatArray]:
        """Independent of each other."""
        return self.believe(metric, configurations).mean, self.sd**2 * np.eye(len(configurations))
