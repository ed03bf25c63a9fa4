"""The most probable hyperparameters of a Gaussian process, given the data and priors that hold for few rows (maximum a
posteriori; Rasmussen and Williams 2006, chapter 5).

A knob is taken to matter little until the rows say otherwise, the more so the more knobs there are (Hvarfner et al.
2024, "Vanilla Bayesian optimization performs great in high dimensions").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuner.search.covariance import (
    DRIFT,
    JITTER,
    NOISE,
    SOURCE,
    Columns,
    Context,
    fixed,
    has_drift,
    has_sources,
    rough,
    same_source,
    smooth,
)
from tuner.statistics.model import FloatArray, IntArray

_BOUNDS = (-7.0, 5.0)
"""Of the logarithm of any hyperparameter, so that a flat likelihood leads nowhere absurd."""
_RESTARTED = 40
"""Up to so many rows the likelihood may have several peaks, and is climbed from two sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Normal priors of the logarithms of the hyperparameters: mean and standard deviation."""

    length: tuple[float, float] = (0.0, 1.0)
    """Of the length scale of one column where it is the only one; it grows with the root of their number."""
    derived: float = 0.7
    """Added to the mean for derived features."""
    additive: tuple[float, float] = (-0.3, 0.7)
    """Of the standard deviation of the sum of the columns' own functions, in units of the values'."""
    joint: tuple[float, float] = (-0.3, 0.7)
    """Of the standard deviation of the function of all columns together, in units of the values'."""
    noise: tuple[float, float] = (math.log(0.05), 0.8)
    """Of the standard deviation of a restart, in the values' own unit."""
    drift: tuple[float, float] = (math.log(0.02), 1.0)
    """Of the standard deviation of what time does, in the values' own unit."""
    source: tuple[float, float] = (math.log(0.3), 0.7)
    """Of an earlier study's own function, in units of this one's."""


@dataclass(slots=True, kw_only=True)
class _Pairs:
    """What the likelihood needs of all pairs of rows, computed once."""

    squares: FloatArray
    """(columns, pairs)."""
    uneven: FloatArray
    """(columns, 1), see `Columns.shares`."""
    rows: IntArray
    others: IntArray
    elapsed: FloatArray | None
    same_source: FloatArray | None
    fixed: FloatArray
    """(rows, rows): covariance that no hyperparameter changes."""


def most_probable(
    columns: Columns, unit: FloatArray, context: Context, prior: Prior, scale: float, tau_s: float
) -> FloatArray:
    """All of `theta` (see `tuner.search.covariance`), for values of mean 0 and standard deviation 1; `scale` is the one
    that they had. What these rows tell nothing of, such as the drift of a single moment, stays what the prior says: rows
    that are told later may need it.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    count = columns.count
    rows, others = np.triu_indices(len(unit), 1)
    pairs = _Pairs(
        squares=columns.squares(columns)[:, rows, others],
        uneven=columns.shares[:, None],
        rows=rows,
        others=others,
        elapsed=np.abs(context.at_s[rows] - context.at_s[others]) / tau_s if has_drift(context) else None,
        same_source=same_source(context) if has_sources(context) else None,
        fixed=fixed(context, scale),
    )
    means, sds = _priors(columns, prior, scale, drift=pairs.elapsed is not None, source=pairs.same_source is not None)
    bounds = [_BOUNDS] * len(means)
    best, least = means, math.inf
    starts = [means]
    if len(unit) <= _RESTARTED:
        rough = means.copy()
        rough[:count] -= 1.0
        starts.append(rough)
    for start in starts:
        found = minimize(
            _loss,
            np.clip(start, *_BOUNDS),
            args=(pairs, unit, count, means, sds),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 30, "maxfun": 40, "ftol": 1e-4},
        )
        if found.fun < least:
            best, least = np.asarray(found.x, dtype=np.float64), float(found.fun)
    theta, _ = _priors(columns, prior, scale, drift=True, source=True)
    theta[: count + NOISE + 1] = best[: count + NOISE + 1]
    if pairs.elapsed is not None:
        theta[count + DRIFT] = best[count + DRIFT]
    if pairs.same_source is not None:
        theta[count + SOURCE] = best[-1]
    return theta


def _priors(
    columns: Columns, prior: Prior, scale: float, *, drift: bool, source: bool
) -> tuple[FloatArray, FloatArray]:
    count, numbers = columns.count, columns.numbers.shape[1]
    length = np.full(count, prior.length[0] + 0.5 * math.log(max(count - columns.derived, 1)))
    length[numbers - columns.derived : numbers] += prior.derived
    rest = [prior.additive, prior.joint, (prior.noise[0] - math.log(scale), prior.noise[1])]
    if drift:
        rest.append((prior.drift[0] - math.log(scale), prior.drift[1]))
    if source:
        rest.append(prior.source)
    means = np.concatenate([length, [mean for mean, _ in rest]])
    sds = np.concatenate([np.full(count, prior.length[1]), [sd for _, sd in rest]])
    return np.clip(means, _BOUNDS[0] + 1, _BOUNDS[1] - 1), sds


def _assembled(theta: FloatArray, pairs: _Pairs, count: int, rows: int) -> tuple[FloatArray, ...]:
    """The covariance of what was measured, and the parts that its derivatives need."""
    lengths = 5 * np.exp(-2 * theta[:count])
    additive, joint, noise = np.exp(2 * theta[count : count + 3])
    scaled = pairs.squares * lengths[:, None]
    together, together_slope = rough(np.sqrt(scaled.sum(0)))
    alone, alone_slope = smooth(np.sqrt(scaled), pairs.uneven)
    share = additive / max(count, 1)
    summed = alone.sum(0)
    function = joint * together + share * summed
    by_length = scaled * (joint * together_slope + share * alone_slope)
    full = np.zeros((rows, rows))
    full[pairs.rows, pairs.others] = function
    full += full.T
    diagonal = np.arange(rows)
    full[diagonal, diagonal] = additive + joint
    covariance = full + pairs.fixed
    drifting = np.zeros(0)
    if pairs.elapsed is not None:
        drift = math.exp(2 * theta[count + 3])
        drifting = drift * np.exp(-pairs.elapsed)
        covariance[pairs.rows, pairs.others] += drifting
        covariance[pairs.others, pairs.rows] += drifting
        covariance[diagonal, diagonal] += drift
    if pairs.same_source is not None:
        covariance += math.exp(2 * theta[-1]) * pairs.same_source * full
    covariance[diagonal, diagonal] += noise + JITTER
    return covariance, by_length, joint * together, share * summed, full, drifting


def _loss(
    theta: FloatArray, pairs: _Pairs, unit: FloatArray, count: int, means: FloatArray, sds: FloatArray
) -> tuple[float, FloatArray]:
    """Minus the logarithm of the posterior density, and its gradient."""
    from scipy.linalg.lapack import dpotrf, dpotri  # type: ignore[import-untyped]

    rows = len(unit)
    covariance, by_length, together, alone, full, drifting = _assembled(theta, pairs, count, rows)
    factor, failed = dpotrf(covariance, lower=1)
    if failed:
        return 1e10, np.zeros_like(theta)
    inverse, _ = dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    alpha = inverse @ unit
    away = (theta - means) / sds
    loss = 0.5 * unit @ alpha + np.log(np.diag(factor)).sum() + 0.5 * away @ away
    towards = inverse - np.outer(alpha, alpha)
    paired = towards[pairs.rows, pairs.others]
    trace = np.trace(towards)
    additive, joint, noise = np.exp(2 * theta[count : count + 3])
    scaled_pairs, scaled_trace = paired, trace
    if pairs.same_source is not None:
        extra = math.exp(2 * theta[-1]) * pairs.same_source
        scaled_pairs = paired * (1 + extra[pairs.rows, pairs.others])
        scaled_trace = trace + float(np.diag(towards) @ np.diag(extra))
    gradient = np.empty_like(theta)
    gradient[:count] = by_length @ scaled_pairs
    gradient[count] = 2 * (alone @ scaled_pairs) + additive * scaled_trace
    gradient[count + 1] = 2 * (together @ scaled_pairs) + joint * scaled_trace
    gradient[count + 2] = noise * trace
    if pairs.elapsed is not None:
        gradient[count + 3] = 2 * (drifting @ paired) + math.exp(2 * theta[count + 3]) * trace
    if pairs.same_source is not None:
        gradient[-1] = math.exp(2 * theta[-1]) * float(np.sum(towards * pairs.same_source * full))
    return float(loss), gradient + away / sds
