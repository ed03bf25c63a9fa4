"""What restarts of one configuration tell of it: how far they scatter, and how surely it meets a bound.

In the natural logarithm, where the scatter of a latency or a throughput is about the same for all configurations; so
that of all restarts is pooled. A few restarts are not enough to know it, and a prior stands in for those that are
missing: the conjugate one of a normal with unknown variance (Gelman et al., *Bayesian Data Analysis*, 3rd ed., section
3.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from tuner.space.metrics import METRICS
from tuner.space.model import Constraint

_PRIOR_SD = 0.07
"""Of one restart, in the logarithm, before anything was measured twice: 7 %."""
_PRIOR_DEGREES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How far restarts of one configuration scatter in one metric."""

    sd: float = _PRIOR_SD
    """Of one restart, in the natural logarithm: 0.07 is 7 %."""
    degrees: float = _PRIOR_DEGREES
    """Degrees of freedom of its estimate, the prior's included."""


def is_exact(metric: str) -> bool:
    """Whether it is computed, and no restart can change it: the price of what is requested."""
    return METRICS[metric].unit == "money_per_hour"


def noise(replicates: Iterable[Sequence[float]]) -> Noise:
    """The pooled scatter of one metric; each sequence holds its values at the restarts of one configuration.

    Values that have no logarithm (0 or less) are passed over.
    """
    squares, degrees = _PRIOR_DEGREES * _PRIOR_SD**2, _PRIOR_DEGREES
    for values in replicates:
        logs = [math.log(value) for value in values if value > 0.0]
        if len(logs) > 1:
            middle = fmean(logs)
            squares += sum((log - middle) ** 2 for log in logs)
            degrees += len(logs) - 1
    return Noise(sd=math.sqrt(squares / degrees), degrees=degrees)


def sureness(bound: Constraint, values: Sequence[float], scatter: Noise) -> float:
    """The probability, 0 to 1, that a configuration truly meets a bound, by its values at each restart.

    Student's t of the mean in the logarithm. Where a value or the bound has no logarithm, or the metric is exact, it is
    1 or 0 by the median. Raises ValueError without a value.
    """
    if not values:
        raise ValueError("no value to judge by")
    if is_exact(bound.metric) or bound.bound <= 0.0 or min(values) <= 0.0:
        return 1.0 if bound.excess(median(values)) <= 0.0 else 0.0
    from scipy.special import stdtr  # type: ignore[import-untyped]

    gap = math.log(bound.bound) - fmean(math.log(value) for value in values)
    gap = -gap if bound.at_least else gap
    return float(stdtr(scatter.degrees, gap / (scatter.sd / math.sqrt(len(values)))))


def sureness_of_all(
    bounds: Iterable[Constraint], values: Mapping[str, Sequence[float]], noises: Mapping[str, Noise]
) -> float:
    """The probability that every bound is met, as if they were independent; 0 where a bounded metric has no value."""
    sure = 1.0
    for bound in bounds:
        found = values.get(bound.metric, ())
        sure *= sureness(bound, found, noises.get(bound.metric, Noise())) if found else 0.0
    return sure
