"""The covariance of rows: of what is known of configurations, and of what the hour, the machine and the study add.

It is the sum of one smooth function a column (Matern 5/2) and of a rougher one of all columns together (Matern 3/2),
with a length scale a column (Duvenaud et al. 2011, "Additive Gaussian Processes"): what each knob does alone is learned
from few rows, and what they do together, which is less regular, as more come. A word is near itself and equally far
from every other (Hamming distance).

The hyperparameters `theta` are logarithms: a length scale a column, then the standard deviations of the columns' own
functions together, of their joint one, of a restart, of what time does, and of an earlier study's own function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.statistics.model import FloatArray, IntArray

JITTER = 1e-8
MEAN_VARIANCE = 4.0
"""Of the constant mean, in units of the values' variance."""
SPEED_SD = 0.25
"""Of the power of the machine's speed beyond what is expected of a metric. One server measured at a third to a fifth of
its CPU followed proportion within a tenth, which is a power of 0.07; a study on a machine that was never quiet
extrapolates to the quiet one by this power, and what its few speeds seem to say of it is mostly noise."""
_OFFSET_SD = 1.0
"""Of the offset of an earlier study, in units of the values' variance."""
NOISE, DRIFT, SOURCE = 2, 3, 4
"""Places in `theta` after the length scales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Rows as the covariance sees them."""

    numbers: FloatArray
    """(rows, knobs that are numbers and, after them, derived features), 0 to 1; NaN: it does not exist there."""
    words: IntArray
    """(rows, knobs that are words)."""
    derived: int = 0
    """How many of the numbers' last columns are derived features: taken to matter less until the data say so."""
    capacity: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False)
    """See `tuner.search.model.Points`; it is no column."""
    uneven: tuple[float, ...] = ()
    """Of each number, the share of its own function that is no smooth one (see `smooth`); empty: nothing of any."""
    levels: tuple[tuple[FloatArray, IntArray], ...] | None = field(default=None, repr=False)
    """For each column its different values and which row has which; None: not worked out (`leveled`)."""

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: IntArray | slice) -> Columns:
        return Columns(
            numbers=self.numbers[rows],
            words=self.words[rows],
            derived=self.derived,
            uneven=self.uneven,
            capacity=self.capacity[rows] if len(self.capacity) else self.capacity,
            levels=None if self.levels is None else tuple((values, index[rows]) for values, index in self.levels),
        )

    def leveled(self) -> Columns:
        """The same, with the levels worked out: once for rows that are asked about again and again."""
        if self.levels is not None:
            return self
        columns = [*self.numbers.T, *self.words.T.astype(np.float64)]
        levels = tuple((values, index) for values, index in (np.unique(one, return_inverse=True) for one in columns))
        return replace(self, levels=levels)

    @property
    def shares(self) -> FloatArray:
        """(columns,): `uneven`, and 0 for all others."""
        return np.asarray([*self.uneven, *[0.0] * (self.count - len(self.uneven))])

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
            uneven=self.uneven,
            capacity=np.concatenate([self.capacity, other.capacity]),
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


def has_drift(context: Context) -> bool:
    """Whether the rows are of several moments."""
    return bool(np.ptp(context.at_s) > 0)


def has_sources(context: Context) -> bool:
    """Whether some are of earlier studies."""
    return bool((context.source > 0).any())


def smooth(r: FloatArray, uneven: FloatArray | float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Matern 5/2 at sqrt(5) times the distance, and what its derivative by the logarithm of a length scale needs.

    The share `uneven` of it is alike only where nothing is between: a value that nobody tried may be better than its
    neighbours on both sides, as two splitters were where one, three and six were not.
    """
    falling = np.exp(-r)
    slope = (1 + r) * falling
    even = 1.0 - uneven
    return np.asarray(even * (slope + r * r * falling / 3) + uneven * (r == 0.0)), np.asarray(even * slope / 3)


def rough(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same of Matern 3/2, at sqrt(5) times the distance too."""
    r = r * math.sqrt(3 / 5)
    falling = np.exp(-r)
    return np.asarray((1 + r) * falling), np.asarray(falling * (3 / 5))


def covariances(squares: FloatArray, theta: FloatArray, uneven: FloatArray) -> FloatArray:
    """Of noiseless values, by the squared distances in each column: any shape after the first axis.

    `uneven`: (columns,), see `Columns.shares`.
    """
    count, shape = len(uneven), (-1, *[1] * (squares.ndim - 1))
    lengths = 5 * np.exp(-2 * theta[:count])
    additive, joint = np.exp(2 * theta[count : count + 2])
    scaled = squares * lengths.reshape(shape)
    together, _ = rough(np.sqrt(scaled.sum(0)))
    alone, _ = smooth(np.sqrt(scaled), uneven.reshape(shape))
    return np.asarray(joint * together + additive / max(count, 1) * alone.sum(0))


def cross(rows: Columns, others: Columns, theta: FloatArray) -> FloatArray:
    """(rows, others): the same for many rows, whose columns have but few levels each."""
    count = rows.count
    lengths = 5 * np.exp(-2 * theta[:count])
    additive, joint = np.exp(2 * theta[count : count + 2])
    total = np.zeros((len(rows), len(others)))
    alone = np.zeros_like(total)
    levels, uneven = rows.leveled().levels or (), rows.shares
    for place, (values, index) in enumerate(levels):
        squares = _level_squares(values, others, place) * lengths[place]
        kernel, _ = smooth(np.sqrt(squares), uneven[place])
        total += squares[index]
        alone += kernel[index]
    alone *= additive / max(count, 1)
    together, _ = rough(np.sqrt(total, out=total))
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


def fixed(context: Context, scale: float) -> FloatArray:
    """(rows, rows): what no hyperparameter changes: of the mean, the machine's speed and earlier studies' offsets."""
    added = MEAN_VARIANCE + SPEED_SD**2 / scale**2 * np.outer(context.speed, context.speed)
    if has_sources(context):
        added = added + _OFFSET_SD**2 * same_source(context)
    return np.asarray(added)


def same_source(context: Context) -> FloatArray:
    """(rows, rows): 1 for two of the same earlier study, else 0."""
    source = context.source
    return np.asarray((source[:, None] == source[None, :]) & (source[:, None] > 0), dtype=np.float64)
