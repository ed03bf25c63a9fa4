"""Gaussian process regression over columns of numbers and words, for a dozen noisy observations.

The covariance of two rows is the sum of one smooth function a column (Matern 5/2) and of a rougher one of all columns
together (Matern 3/2), with a length scale a column (Duvenaud et al. 2011, "Additive Gaussian Processes"): what each
knob does alone is learned from few rows, and what they do together, which is less regular, as more come. A word is near itself and equally far from
every other (Hamming distance). The hyperparameters are the most probable ones given the data and priors that hold for
few rows (maximum a posteriori; Rasmussen and Williams 2006, chapter 5): a knob is taken to matter little until the
rows say otherwise, the more so the more knobs there are (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs
great in high dimensions").

The same rows give the same model: there is no state and no chance in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tuner.statistics.model import FloatArray, IntArray

_JITTER = 1e-8
_MEAN_VARIANCE = 4.0
"""Of the constant mean, in units of the values' variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Rows as the covariance sees them."""

    numbers: FloatArray
    """(rows, knobs that are numbers and, after them, derived features), 0 to 1; NaN: it does not exist there."""
    words: IntArray
    """(rows, knobs that are words)."""
    derived: int = 0
    """How many of the numbers' last columns are derived features: taken to matter less until the data say so."""

    levels: tuple[tuple[FloatArray, IntArray], ...] | None = field(default=None, repr=False)
    """For each column its different values and which row has which; None: not worked out (`leveled`)."""

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: IntArray | slice) -> Columns:
        return Columns(
            numbers=self.numbers[rows],
            words=self.words[rows],
            derived=self.derived,
            levels=None if self.levels is None else tuple((values, index[rows]) for values, index in self.levels),
        )

    def leveled(self) -> Columns:
        """The same, with the levels worked out: once for rows that are asked about again and again."""
        if self.levels is not None:
            return self
        columns = [*self.numbers.T, *self.words.T.astype(np.float64)]
        levels = tuple((values, index) for values, index in (np.unique(one, return_inverse=True) for one in columns))
        return Columns(numbers=self.numbers, words=self.words, derived=self.derived, levels=levels)

    @property
    def count(self) -> int:
        """Of columns."""
        return self.numbers.shape[1] + self.words.shape[1]

    def joined(self, other: Columns) -> Columns:
        """These rows, then the others."""
        return Columns(
            numbers=np.vstack([self.numbers, other.numbers]),
            words=np.vstack([self.words, other.words]),
            derived=self.derived,
        )

    def squares(self, other: Columns) -> FloatArray:
        """(columns, rows, other's rows): squared distance in each column."""
        with np.errstate(invalid="ignore"):
            numbers = (self.numbers.T[:, :, None] - other.numbers.T[:, None, :]) ** 2
        if np.isnan(numbers).any():
            one_missing = np.isnan(self.numbers).T[:, :, None] != np.isnan(other.numbers).T[:, None, :]
            numbers = np.where(np.isnan(numbers), one_missing, numbers)
        words = (self.words.T[:, :, None] != other.words.T[:, None, :]).astype(np.float64)
        return np.concatenate([numbers, words])


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What moves a row's value beside its columns. Rows to be predicted have none: a quiet machine, this study."""

    at_s: FloatArray
    speed: FloatArray
    """The logarithm of the machine's speed; 0 where it is unknown."""
    source: IntArray
    """0: this study; 1 and on: earlier ones."""

    def __getitem__(self, rows: IntArray | slice) -> Context:
        return Context(at_s=self.at_s[rows], speed=self.speed[rows], source=self.source[rows])


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


_BOUNDS = (-7.0, 5.0)
"""Of the logarithm of any hyperparameter, so that a flat likelihood leads nowhere absurd."""
_RESTARTED = 40
"""Up to so many rows the likelihood may have several peaks, and is climbed from two sides."""
_SPEED_SD = 0.25
"""Of the power of the machine's speed beyond what is expected of a metric. One server measured at a third to a fifth of
its CPU followed proportion within a tenth, which is a power of 0.07; a study on a machine that was never quiet
extrapolates to the quiet one by this power, and what its few speeds seem to say of it is mostly noise."""
_OFFSET_SD = 1.0
"""Of the offset of an earlier study, in units of the values' variance."""


@dataclass(slots=True, kw_only=True)
class _Pairs:
    """What the likelihood needs of all pairs of rows, computed once."""

    squares: FloatArray
    """(columns, pairs)."""
    rows: IntArray
    others: IntArray
    elapsed: FloatArray | None
    same_source: FloatArray | None
    fixed: FloatArray
    """(rows, rows): covariance that no hyperparameter changes."""


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
        theta = _most_probable(columns[learned], unit[learned], context[learned], prior, scale, tau_s)
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
        return float(math.exp(self.theta[self.columns.count + 2]) * self.scale)

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
        among = _covariance(columns.squares(columns), self.theta, self.columns.count) + _MEAN_VARIANCE
        return np.asarray((among - across @ self.inverse @ across.T) * self.scale**2)

    def left_out(self) -> tuple[FloatArray, FloatArray]:
        """(rows,) and (rows,): mean and standard deviation of each measured value, as the other rows predict it
        (Rasmussen and Williams 2006, equation 5.12)."""
        variance = 1.0 / np.diag(self.inverse)
        return self.values - self.alpha * variance * self.scale, np.sqrt(variance) * self.scale

    def drift(self, at_s: FloatArray, speed: FloatArray) -> FloatArray:
        """What time and speed (its logarithm) add there, in the values' unit; nothing is added at their mean."""
        added = _SPEED_SD**2 / self.scale**2 * np.outer(speed, self.context.speed)
        if self._drift_variance is not None:
            elapsed = np.abs(at_s[:, None] - self.context.at_s[None, :])
            added = added + self._drift_variance * np.exp(-elapsed / self.tau_s)
        return np.asarray(added @ self.alpha * self.scale)

    @property
    def _drift_variance(self) -> float | None:
        return math.exp(2 * self.theta[self.columns.count + 3]) if _has_drift(self.context) else None

    @property
    def _prior_variance(self) -> float:
        additive, joint = np.exp(2 * self.theta[self.columns.count : self.columns.count + 2])
        return float(additive + joint + _MEAN_VARIANCE)

    def _across(self, columns: Columns) -> FloatArray:
        """(rows, rows of the model): covariance of noiseless values with what was measured."""
        return _cross(columns, self.columns, self.theta) + _MEAN_VARIANCE


def _has_drift(context: Context) -> bool:
    return bool(np.ptp(context.at_s) > 0)


def _has_sources(context: Context) -> bool:
    return bool((context.source > 0).any())


def _tau(at_s: FloatArray) -> float:
    """How long a disturbance of the machine lasts: a third of the study, and eight trials at least."""
    times = np.unique(at_s)
    if len(times) < 2:
        return 1.0
    return max(float(np.ptp(times)) / 3, 8 * float(np.median(np.diff(times))))


def _smooth(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Matern 5/2 at sqrt(5) times the distance, and what its derivative by the logarithm of a length scale needs."""
    falling = np.exp(-r)
    slope = (1 + r) * falling
    return np.asarray(slope + r * r * falling / 3), np.asarray(slope / 3)


def _rough(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same of Matern 3/2, at sqrt(5) times the distance too."""
    r = r * math.sqrt(3 / 5)
    falling = np.exp(-r)
    return np.asarray((1 + r) * falling), np.asarray(falling * (3 / 5))


def _covariance(squares: FloatArray, theta: FloatArray, count: int) -> FloatArray:
    """Of noiseless values, by the squared distances in each column: any shape after the first axis."""
    lengths = 5 * np.exp(-2 * theta[:count])
    additive, joint = np.exp(2 * theta[count : count + 2])
    scaled = squares * lengths.reshape(-1, *[1] * (squares.ndim - 1))
    together, _ = _rough(np.sqrt(scaled.sum(0)))
    alone, _ = _smooth(np.sqrt(scaled))
    return np.asarray(joint * together + additive / max(count, 1) * alone.sum(0))


def _cross(rows: Columns, others: Columns, theta: FloatArray) -> FloatArray:
    """(rows, others): the same for many rows, whose columns have but few levels each."""
    count = rows.count
    lengths = 5 * np.exp(-2 * theta[:count])
    additive, joint = np.exp(2 * theta[count : count + 2])
    total = np.zeros((len(rows), len(others)))
    alone = np.zeros_like(total)
    levels = rows.leveled().levels or ()
    for place, (values, index) in enumerate(levels):
        squares = _level_squares(values, others, place) * lengths[place]
        kernel, _ = _smooth(np.sqrt(squares))
        total += squares[index]
        alone += kernel[index]
    alone *= additive / max(count, 1)
    together, _ = _rough(np.sqrt(total, out=total))
    together *= joint
    together += alone
    return np.asarray(together, dtype=np.float64)


def _level_squares(values: FloatArray, others: Columns, place: int) -> FloatArray:
    """(values, others): squared distances in one column."""
    numbers = others.numbers.shape[1]
    if place >= numbers:
        return np.asarray(values[:, None] != others.words[:, place - numbers][None, :], dtype=np.float64)
    squares = (values[:, None] - others.numbers[:, place][None, :]) ** 2
    if np.isnan(squares).any():
        one_missing = np.isnan(values)[:, None] != np.isnan(others.numbers[:, place])[None, :]
        squares = np.where(np.isnan(squares), one_missing, squares)
    return np.asarray(squares, dtype=np.float64)


def _fixed(context: Context, scale: float) -> FloatArray:
    fixed = _MEAN_VARIANCE + _SPEED_SD**2 / scale**2 * np.outer(context.speed, context.speed)
    if _has_sources(context):
        fixed = fixed + _OFFSET_SD**2 * _same_source(context)
    return np.asarray(fixed)


def _same_source(context: Context) -> FloatArray:
    source = context.source
    return np.asarray((source[:, None] == source[None, :]) & (source[:, None] > 0), dtype=np.float64)


def _most_probable(
    columns: Columns, unit: FloatArray, context: Context, prior: Prior, scale: float, tau_s: float
) -> FloatArray:
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    count = columns.count
    rows, others = np.triu_indices(len(unit), 1)
    pairs = _Pairs(
        squares=columns.squares(columns)[:, rows, others],
        rows=rows,
        others=others,
        elapsed=np.abs(context.at_s[rows] - context.at_s[others]) / tau_s if _has_drift(context) else None,
        same_source=_same_source(context) if _has_sources(context) else None,
        fixed=_fixed(context, scale),
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
    return best


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
    together, together_slope = _rough(np.sqrt(scaled.sum(0)))
    alone, alone_slope = _smooth(np.sqrt(scaled))
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
    covariance[diagonal, diagonal] += noise + _JITTER
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
    function = _cross(columns, columns, theta)
    covariance = function + _fixed(context, scale)
    if _has_drift(context):
        elapsed = np.abs(context.at_s[:, None] - context.at_s[None, :])
        covariance += math.exp(2 * theta[count + 3]) * np.exp(-elapsed / tau_s)
    if _has_sources(context):
        covariance += math.exp(2 * theta[-1]) * _same_source(context) * function
    noise = math.exp(2 * theta[count + 2])
    covariance[np.diag_indices(rows)] += noise / weights + _JITTER
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
