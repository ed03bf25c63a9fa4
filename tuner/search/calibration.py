"""Intervals that hold what they promise.

A model with its most probable hyperparameters leaves their own doubt out, and servers have regimes that no stationary
covariance knows: on recorded studies of Storm, MySQL, Apache httpd, nginx and HSQLDB (`docs/search.md`, "Knowledge")
its 90 % intervals held 74 to 79 % of the truth. The standard deviations are widened by what made them hold 90 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.search.model import Belief
from tuner.search.worth import Beliefs
from tuner.space.model import Configuration
from tuner.statistics.model import FloatArray

_MANY = 1.5
_FEW = 4.0


def widening(configurations: int) -> float:
    """The factor, after so many different configurations were measured."""
    return _MANY + _FEW / max(configurations, 1)


class Widened:
    """What others believe, a factor less certain."""

    def __init__(self, beliefs: Beliefs, factor: float) -> None:
        self._beliefs = beliefs
        self._factor = factor

    def knows(self, metric: str) -> bool:
        return self._beliefs.knows(metric)

    def believe(self, metric: str, configurations: Sequence[Configuration]) -> Belief:
        belief = self._beliefs.believe(metric, configurations)
        return Belief(mean=belief.mean, sd=belief.sd * self._factor)

    def joint(self, metric: str, configurations: Sequence[Configuration]) -> tuple[FloatArray, FloatArray]:
        mean, covariance = self._beliefs.joint(metric, configurations)
        return mean, covariance * self._factor**2
