"""What is believed of every metric of configurations that nobody tried: one Gaussian process a metric, in its logarithm.

A value that is only a bound (a latency of at least so much) stands for what the other trials say lies beyond it
(the mean of the normal cut off there). A trial that is under way is taken to measure what is expected of it, so that
what is proposed beside it looks elsewhere (the kriging believer: Ginsbourger et al. 2010, "Kriging is well-suited to
parallelize optimization").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.search.covariance import Columns, Context
from tuner.search.drift import log_speeds, power
from tuner.search.gaussian import GaussianProcess
from tuner.search.model import Belief, Encodes, Observation, Points
from tuner.space.metrics import METRICS
from tuner.space.model import Configuration
from tuner.statistics.model import BoolArray, FloatArray

FLOORS: Mapping[str, float] = {"ratio": 1e-4}
"""By unit, what a metric is taken to be where it is less, so that it has a logarithm: error ratios below one in ten
thousand are told apart by no window."""
_LEAST = 1e-9
"""The same of every other unit: a nanosecond, a request in thirty years."""
_SCALING = 0.7
"""The power of the CPUs of all replicas that a throughput is expected to follow, before trials say otherwise."""
_IMPUTATIONS = 3
_FAR_SD = 4.0
"""A value so many standard deviations from what all others say is no longer taken at its word."""
_ENOUGH = 8
"""Fewer observations cannot tell which of them is absurd."""
_DOUBTED = 0.01
"""What an absurd value weighs."""


def floor(metric: str) -> float:
    """The least value of a metric that counts."""
    known = METRICS.get(metric)
    return FLOORS.get(known.unit, _LEAST) if known is not None else _LEAST


def logarithm(metric: str, value: float) -> float:
    """Natural, of a metric's value or bound."""
    return math.log(max(value, floor(metric)))


def columns_of(points: Points) -> Columns:
    return Columns(
        numbers=np.hstack([points.numbers, points.derived]),
        words=points.words,
        derived=points.derived.shape[1],
        uneven=points.uneven,
        capacity=points.capacity,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """Beliefs from observations. The same observations give the same beliefs."""

    encoding: Encodes
    models: Mapping[str, GaussianProcess] = field(repr=False)
    """By metric; one that was never measured has none."""

    @classmethod
    def fit(cls, encoding: Encodes, observations: Sequence[Observation], metrics: Iterable[str]) -> Surrogate:
        """From all that was measured of these metrics; observations that died or are pending measure nothing."""
        sources = {"": 0}
        for one in observations:
            sources.setdefault(one.source, len(sources))
        models: dict[str, GaussianProcess] = {}
        for metric in dict.fromkeys(metrics):
            measured = [one for one in observations if _is_measured(one, metric)]
            if measured:
                models[metric] = _model(encoding, metric, measured, sources)
        return cls(encoding=encoding, models=models).awaiting([one for one in observations if one.pending])

    def awaiting(self, pending: Sequence[Observation]) -> Surrogate:
        """As it will be when these were measured and are what is expected: means stay, doubts shrink."""
        if not pending or not self.models:
            return self
        rows = columns_of(self.encoding.points(tuple(one.configuration for one in pending)))
        context = Context(
            at_s=np.array([one.at_s for one in pending]),
            speed=np.zeros(len(pending)),
            source=np.zeros(len(pending), dtype=np.int64),
        )
        models = {}
        for metric, model in self.models.items():
            mean, _ = model.predict(rows)
            models[metric] = model.told(rows, mean + model.drift(context.at_s, context.speed), context)
        return Surrogate(encoding=self.encoding, models=models)

    def __len__(self) -> int:
        """The observations that its largest model was told."""
        return max((len(model.values) for model in self.models.values()), default=0)

    def knows(self, metric: str) -> bool:
        """Whether it was measured at all."""
        return metric in self.models

    def believe(self, metric: str, configurations: Sequence[Configuration]) -> Belief:
        """Raises KeyError for a metric that was never measured."""
        return self.believe_rows(metric, columns_of(self.encoding.points(configurations)))

    def believe_rows(self, metric: str, rows: Columns) -> Belief:
        """The same of rows that are encoded already. Raises KeyError."""
        mean, sd = self.models[metric].predict(rows)
        return Belief(mean=mean + _trend(metric, rows), sd=sd)

    def joint(self, metric: str, configurations: Sequence[Configuration]) -> tuple[FloatArray, FloatArray]:
        """(rows,) and (rows, rows): means, and covariances, of the noiseless logarithm; for few rows.

        Raises KeyError for a metric that was never measured.
        """
        rows = columns_of(self.encoding.points(configurations))
        mean, _ = self.models[metric].predict(rows)
        return mean + _trend(metric, rows), self.models[metric].covariance(rows)

    def noise_sd(self, metric: str) -> float:
        """Of one restart, in the logarithm. Raises KeyError for a metric that was never measured."""
        return self.models[metric].noise_sd

    def drift(self, metric: str, at_s: Sequence[float], speed: Sequence[float | None]) -> FloatArray:
        """(rows,): what the machine adds to the logarithm there; the raw value less this is that of the quiet machine
        on its average day. Raises KeyError for a metric that was never measured."""
        logs = log_speeds(speed)
        return self.models[metric].drift(np.asarray(at_s, dtype=np.float64), logs) + power(metric) * logs


def _is_measured(one: Observation, metric: str) -> bool:
    value = one.metrics.get(metric)
    return value is not None and math.isfinite(value) and not one.pending


def _model(
    encoding: Encodes, metric: str, measured: Sequence[Observation], sources: Mapping[str, int]
) -> GaussianProcess:
    speeds = log_speeds([one.speed_of(metric) for one in measured])
    values = np.array([logarithm(metric, one.metrics[metric]) for one in measured]) - power(metric) * speeds
    context = Context(
        at_s=np.array([one.at_s if not one.source else 0.0 for one in measured]),
        speed=speeds,
        source=np.array([sources[one.source] for one in measured], dtype=np.int64),
    )
    rows = columns_of(encoding.points(tuple(one.configuration for one in measured)))
    values = values - _trend(metric, rows)
    model = GaussianProcess.fit(rows, values, context)
    beyond = np.array([metric in one.beyond for one in measured])
    if beyond.any():
        model = _imputed(model, values, beyond)
    return _doubting(model, beyond)


def _trend(metric: str, rows: Columns) -> FloatArray | float:
    """What more CPUs and replicas are expected to do to the logarithm of a throughput. Without it, a search that pays for
    them looks first where nothing is paid, among knobs that do nothing."""
    follows = power(metric) > 0.0 and len(rows.capacity) > 0
    return _SCALING * rows.capacity if follows else 0.0


def _imputed(model: GaussianProcess, bounds: FloatArray, beyond: BoolArray) -> GaussianProcess:
    """Bounds replaced by what is to be expected beyond them."""
    from scipy.special import log_ndtr  # type: ignore[import-untyped]

    for _ in range(_IMPUTATIONS):
        mean, sd = model.left_out()
        z = (bounds - mean) / sd
        above = mean + sd * np.exp(-0.5 * z * z - 0.5 * math.log(2 * math.pi) - log_ndtr(-z))
        model = model.with_values(np.where(beyond, np.maximum(above, bounds), bounds))
    return model


def _doubting(model: GaussianProcess, beyond: BoolArray) -> GaussianProcess:
    """Values that nothing else explains are learned without, and then told with a small weight: a heavy tail."""
    if len(model.values) < _ENOUGH:
        return model
    mean, sd = model.left_out()
    far = (np.abs(model.values - mean) > _FAR_SD * sd) & ~beyond
    if not far.any() or far.sum() > len(far) // 4:
        return model
    kept, doubted = np.flatnonzero(~far), np.flatnonzero(far)
    without = GaussianProcess.fit(model.columns[kept], model.values[kept], model.context[kept])
    weights = np.concatenate([np.ones(len(kept)), np.full(len(doubted), _DOUBTED)])
    told = without.told(model.columns[doubted], model.values[doubted], model.context[doubted])
    return told.with_values(told.values, weights)
