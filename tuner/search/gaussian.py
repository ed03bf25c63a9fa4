"""Gaussian process regression over columns of numbers and words, for a dozen noisy observations.

What is near what says `tuner.search.covariance`, how near and how noisy `tuner.search.likelihood`.

The same rows give the same model: there is no state and no chance in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tuner.search.covariance import (
    DRIFT,
    JITTER,
    MEAN_VARIANCE,
    NOISE,
    SOURCE,
    SPEED_SD,
    Columns,
    Context,
    covariances,
    cross,
    fixed,
    has_drift,
    has_sources,
    same_source,
)
from tuner.search.likelihood import Prior, most_probable
from tuner.statistics.model import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianProcess:
    """Fitted to rows; what it predicts is the noiseless value, without what the context adds."""

    columns: Columns
    context: Context
    values: FloatArray
    weights: FloatArray
    """Of each row: its noise variance is the noise's divided by this."""
    center: float
    scale: float
    theta: FloatArray
    tau_s: float
    inverse: FloatArray = field(repr=False)
    alpha: FloatArray = field(repr=False)

    @classmethod
    def fit(
        cls, columns: Columns, values: FloatArray, context: Context, prior: Prior | None = None, most: int = 64
    ) -> GaussianProcess:
        """The most probable model; hyperparameters are learned from `most` rows at most.

        Raises ValueError for no rows or values that are not finite.
        """
        if not len(values) or not np.isfinite(values).all():
            raise ValueError(f"a model needs finite values, not {values}")
        prior = prior or Prior()
        center, scale = float(np.mean(values)), max(float(np.std(values)), 0.02)
        tau_s = _tau(context.at_s)
        unit = (values - center) / scale
        learned = np.arange(len(values))
        if len(values) > most:
            learned = np.unique(np.round(np.linspace(0, len(values) - 1, most)).astype(np.int64))
        theta = most_probable(columns[learned], unit[learned], context[learned], prior, scale, tau_s)
        return _conditioned(columns, values, context, np.ones(len(values)), center, scale, theta, tau_s)

    def told(self, columns: Columns, values: FloatArray, context: Context) -> GaussianProcess:
        """With further rows, and the same hyperparameters."""
        joined = Context(
            at_s=np.concatenate([self.context.at_s, context.at_s]),
            speed=np.concatenate([self.context.speed, context.speed]),
            source=np.concatenate([self.context.source, context.source]),
        )
        weights = np.concatenate([self.weights, np.ones(len(values))])
        return _conditioned(
            self.columns.joined(columns),
            np.concatenate([self.values, values]),
            joined,
            weights,
            self.center,
            self.scale,
            self.theta,
            self.tau_s,
        )

    def with_values(self, values: FloatArray, weights: FloatArray | None = None) -> GaussianProcess:
        """The same rows with other values, or with other weights, and the same hyperparameters."""
        weights = self.weights if weights is None else weights
        return _conditioned(
            self.columns, values, self.context, weights, self.center, self.scale, self.theta, self.tau_s
        )

    @property
    def noise_sd(self) -> float:
        """Of one restart, in the values' unit."""
        return float(math.exp(self.theta[self.columns.count + NOISE]) * self.scale)

    @property
    def length_scales(self) -> FloatArray:
        """One a column, numbers first: the longer, the less it matters."""
        return np.asarray(np.exp(self.theta[: self.columns.count]))

    def predict(self, columns: Columns, chunk: int = 2048) -> tuple[FloatArray, FloatArray]:
        """(rows,) and (rows,): mean and standard deviation of the noiseless value."""
        means, sds = [], []
        for start in range(0, len(columns), chunk):
            mean, sd = self._predict(columns[start : start + chunk])
            means.append(mean)
            sds.append(sd)
        return np.concatenate([np.zeros(0), *means]), np.concatenate([np.zeros(0), *sds])

    def _predict(self, columns: Columns) -> tuple[FloatArray, FloatArray]:
        across = self._across(columns)
        mean = across @ self.alpha
        variance = self._prior_variance - np.einsum("ij,ij->i", across @ self.inverse, across)
        return mean * self.scale + self.center, np.sqrt(np.maximum(variance, 1e-10)) * self.scale

    def covariance(self, columns: Columns) -> FloatArray:
        """(rows, rows): of the noiseless values; for few rows."""
        across = self._across(columns)
        among = covariances(columns.squares(columns), self.theta, columns.shares) + MEAN_VARIANCE
        return np.asarray((among - across @ self.inverse @ across.T) * self.scale**2)

    def left_out(self) -> tuple[FloatArray, FloatArray]:
        """(rows,) and (rows,): mean and standard deviation of each measured value, as the other rows predict it
        (Rasmussen and Williams 2006, equation 5.12)."""
        variance = 1.0 / np.diag(self.inverse)
        return self.values - self.alpha * variance * self.scale, np.sqrt(variance) * self.scale

    def drift(self, at_s: FloatArray, speed: FloatArray) -> FloatArray:
        """What time and speed (its logarithm) add there, in the values' unit; nothing is added at their mean."""
        added = SPEED_SD**2 / self.scale**2 * np.outer(speed, self.context.speed)
        if self._drift_variance is not None:
            elapsed = np.abs(at_s[:, None] - self.context.at_s[None, :])
            added = added + self._drift_variance * np.exp(-elapsed / self.tau_s)
        return np.asarray(added @ self.alpha * self.scale)

    @property
    def _drift_variance(self) -> float | None:
        return math.exp(2 * self.theta[self.columns.count + DRIFT]) if has_drift(self.context) else None

    @property
    def _prior_variance(self) -> float:
        additive, joint = np.exp(2 * self.theta[self.columns.count : self.columns.count + 2])
        return float(additive + joint + MEAN_VARIANCE)

    def _across(self, columns: Columns) -> FloatArray:
        """(rows, rows of the model): covariance of noiseless values with what was measured."""
        return cross(columns, self.columns, self.theta) + MEAN_VARIANCE


def _tau(at_s: FloatArray) -> float:
    """How long a disturbance of the machine lasts: a third of the study, and eight trials at least."""
    times = np.unique(at_s)
    if len(times) < 2:
        return 1.0
    return max(float(np.ptp(times)) / 3, 8 * float(np.median(np.diff(times))))


def _conditioned(
    columns: Columns,
    values: FloatArray,
    context: Context,
    weights: FloatArray,
    center: float,
    scale: float,
    theta: FloatArray,
    tau_s: float,
) -> GaussianProcess:
    from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped]

    count, rows = columns.count, len(values)
    function = cross(columns, columns, theta)
    covariance = function + fixed(context, scale)
    if has_drift(context):
        elapsed = np.abs(context.at_s[:, None] - context.at_s[None, :])
        covariance += math.exp(2 * theta[count + DRIFT]) * np.exp(-elapsed / tau_s)
    if has_sources(context):
        covariance += math.exp(2 * theta[count + SOURCE]) * same_source(context) * function
    noise = math.exp(2 * theta[count + NOISE])
    covariance[np.diag_indices(rows)] += noise / weights + JITTER
    factor = cho_factor(covariance, lower=True)
    inverse = cho_solve(factor, np.eye(rows))
    return GaussianProcess(
        columns=columns,
        context=context,
        values=values,
        weights=weights,
        center=center,
        scale=scale,
        theta=theta,
        tau_s=tau_s,
        inverse=inverse,
        alpha=inverse @ ((values - center) / scale),
    )
