"""Which configurations start and live, by what became of those that were tried.

Two kinds of knowledge. What is certain: what died for want of memory dies with less of it, and with more processes or
threads to share it; what no machine had room for finds none when it asks for more. And what is likely: a Gaussian process
classifier with a logistic likelihood, by Laplace's approximation (Rasmussen and Williams 2006, "Gaussian Processes for
Machine Learning", section 3.4), a sum of one function a feature and one of all together, so that a single death at
256Mi warns of 256Mi elsewhere and most of its own neighbourhood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuner.search.encoding import Encoding
from tuner.search.model import Observation, Points
from tuner.space.model import Configuration
from tuner.statistics.model import BoolArray, FloatArray

OUT_OF_MEMORY = frozenset({"OOMKilled"})
NO_ROOM = frozenset({"Unschedulable", "QuotaExceeded"})

_HOPE = 1.5
"""What is believed of what is like nothing tried, in log odds: four of five live."""
_VARIANCE = 40.0
_TOGETHER = 0.2
"""The part of the variance that all features have together; the rest is each one's own."""
_LENGTHS = (0.25, 0.6, 1.5)
"""Length scales tried, in parts of a feature's range; the likeliest is taken."""
_STEPS = 30
_CHUNK = 10_000
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class _Certain:
    """A death that tells of others for certain: of those that are at most so in some numbers, at least so in others,
    and the same in the rest."""

    why: str
    numbers: FloatArray
    words: FloatArray
    no_more: tuple[int, ...]
    no_less: tuple[int, ...]
    same: tuple[int, ...]
    """Columns of numbers."""
    same_words: tuple[int, ...]

    def dooms(self, points: Points) -> BoolArray:
        doomed = np.ones(len(points), dtype=bool)
        for at in self.no_more:
            doomed &= points.numbers[:, at] <= self.numbers[at] + _SAME
        for at in self.no_less:
            doomed &= points.numbers[:, at] >= self.numbers[at] - _SAME
        for at in self.same:
            doomed &= np.abs(points.numbers[:, at] - self.numbers[at]) <= _SAME
        for at in self.same_words:
            doomed &= points.words[:, at] == self.words[at]
        return doomed


class Lives:
    """What is known after some observations (see the module). Made by `fit`."""

    def __init__(self, encoding: Encoding, certain: Sequence[_Certain], points: Points, lived: BoolArray) -> None:
        self._encoding = encoding
        self._certain = certain
        self._told = points
        self._lived = lived

    @classmethod
    def fit(cls, encoding: Encoding, observations: Sequence[Observation]) -> Lives:
        """Those whose `lived` is None say nothing."""
        told = [one for one in observations if one.lived is not None]
        points = encoding.points([one.configuration for one in told])
        lived = np.array([one.lived is True for one in told], dtype=bool)
        certain = []
        for row in np.flatnonzero(~lived):
            found = _certain(encoding, points, int(row), told[row].failure)
            # Where one like it lived, or one that must be worse off, it was chance.
            if found is not None and not (found.dooms(points) & lived).any():
                certain.append(found)
        return cls(encoding, certain, points, lived)

    @cached_property
    def _classifier(self) -> _Classifier | None:
        """None: nothing died."""
        return None if self._lived.all() else _Classifier.fit(self._told, self._lived)

    def probability(self, configurations: Sequence[Configuration]) -> FloatArray:
        """(rows,) from 0 to 1; 0: it certainly dies. 1 everywhere as long as nothing died."""
        points = self._encoding.points(configurations)
        if self._classifier is None:
            return np.ones(len(points))
        found = self._classifier.probability(points)
        for one in self._certain:
            found[one.dooms(points)] = 0.0
        return found

    def doomed(self, configurations: Sequence[Configuration]) -> BoolArray:
        """(rows,): those that certainly die."""
        points = self._encoding.points(configurations)
        doomed = np.zeros(len(points), dtype=bool)
        for one in self._certain:
            doomed |= one.dooms(points)
        return doomed

    def pruned(self, configurations: Sequence[Configuration]) -> Mapping[str, int]:
        """How many of them certainly die, by why: ``OOMKilled`` of what has no more memory. Each is counted once."""
        points = self._encoding.points(configurations)
        left = np.ones(len(points), dtype=bool)
        counted: Counter[str] = Counter()
        for one in self._certain:
            doomed = one.dooms(points) & left
            counted[one.why] += int(doomed.sum())
            left &= ~doomed
        return {why: number for why, number in counted.items() if number}


def _certain(encoding: Encoding, points: Points, row: int, failure: str) -> _Certain | None:
    """What this death tells for certain; None: nothing but of itself."""
    columns = {name: at for at, name in enumerate(points.number_names)}
    of_role = {role: columns[one.parameter] for role, one in encoding.roles.items()}
    no_more: tuple[int, ...] = ()
    if failure in OUT_OF_MEMORY and "memory" in of_role:
        no_more = (of_role["memory"],)
        no_less = tuple(of_role[role] for role in ("workers", "threads") if role in of_role)
        same = tuple(at for at in columns.values() if at not in (*no_more, *no_less))
        words = tuple(range(len(points.word_names)))
        why = f"{failure}, and it has no more memory"
    elif failure in NO_ROOM and encoding.resources & columns.keys():
        no_less = tuple(columns[name] for name in encoding.resources if name in columns)
        free = encoding.unseen_by_scheduler
        same = tuple(at for name, at in columns.items() if at not in no_less and name not in free)
        words = tuple(at for at, name in enumerate(points.word_names) if name not in free)
        why = f"{failure}, and it asks for no less"
    else:
        return None
    return _Certain(why, points.numbers[row], points.words[row], no_more, no_less, same, words)


@dataclass(frozen=True, slots=True)
class _Classifier:
    """The mode of the posterior, at which probabilities are told: it is their order that proposals depend on."""

    features: _Features
    length: float
    weights: FloatArray
    """(rows told,): the gradient of the likelihood at the mode, so that kernel times weights is the mode."""

    @classmethod
    def fit(cls, points: Points, lived: BoolArray) -> _Classifier:
        features = _Features.of(points)
        signs = np.where(lived, 1.0, -1.0)
        fitted = [(_laplace(features.kernel(length), signs), length) for length in _LENGTHS]
        (_, weights), length = max(fitted, key=lambda one: one[0][0])
        return cls(features, length, weights)

    def probability(self, points: Points) -> FloatArray:
        rows = _Features.of(points)
        together = [
            _together(rows[at : at + _CHUNK], self.features, self.length) @ self.weights
            for at in range(0, len(points), _CHUNK)
        ]
        alone = np.zeros(len(points))
        for own, told, is_word in rows.columns(self.features):
            levels, inverse = np.unique(own, return_inverse=True)  # few, of however many rows
            alone += (_alone(levels, told, self.length, is_word=is_word) @ self.weights)[inverse.reshape(-1)]
        both = _shared(np.concatenate(together), alone, rows) if together else alone
        return _logistic(_HOPE + both)


@dataclass(frozen=True, slots=True)
class _Features:
    """Numbers, derived ones among them, and words."""

    numbers: FloatArray
    words: FloatArray

    @classmethod
    def of(cls, points: Points) -> _Features:
        return cls(np.hstack([points.numbers, points.derived]), points.words.astype(np.float64))

    def __getitem__(self, rows: slice) -> _Features:
        return _Features(self.numbers[rows], self.words[rows])

    def columns(self, others: _Features) -> Iterator[tuple[FloatArray, FloatArray, bool]]:
        """Each column, that of the others, and whether it is of words."""
        for at in range(self.numbers.shape[1]):
            yield self.numbers[:, at], others.numbers[:, at], False
        for at in range(self.words.shape[1]):
            yield self.words[:, at], others.words[:, at], True

    def kernel(self, length: float) -> FloatArray:
        """(rows, rows): covariances of the log odds."""
        alone = np.zeros((len(self.numbers), len(self.numbers)))
        for own, _, is_word in self.columns(self):
            alone += _alone(own, own, length, is_word=is_word)
        return _shared(_together(self, self, length), alone, self)


def _shared(together: FloatArray, alone: FloatArray, features: _Features) -> FloatArray:
    columns = max(features.numbers.shape[1] + features.words.shape[1], 1)
    return _VARIANCE * (_TOGETHER * together + (1.0 - _TOGETHER) * alone / columns)


def _alone(own: FloatArray, others: FloatArray, length: float, *, is_word: bool) -> FloatArray:
    """Of one column."""
    gap = own[:, None] - others[None, :]
    return np.asarray(np.exp(-0.5 * ((gap != 0) if is_word else np.square(gap)) / length**2))


def _together(own: _Features, others: _Features, length: float) -> FloatArray:
    """Of all columns."""
    squares = np.square(own.numbers).sum(1)[:, None] + np.square(others.numbers).sum(1)[None, :]
    distance = np.maximum(squares - 2.0 * own.numbers @ others.numbers.T, 0.0)
    for at in range(own.words.shape[1]):
        distance += own.words[:, at, None] != others.words[None, :, at]
    return np.asarray(np.exp(distance * (-0.5 / length**2)))


def _laplace(kernel: FloatArray, signs: FloatArray) -> tuple[float, FloatArray]:
    """The logarithm of the evidence, and the weights at the mode, by Newton's method (their algorithm 3.1)."""
    weights = np.zeros(len(signs))
    target = -np.inf
    latent = np.zeros(len(signs))
    factor = np.eye(len(signs))
    for _ in range(_STEPS):
        live = _logistic(_HOPE + latent)
        curvature = np.maximum(live * (1.0 - live), 1e-12)
        root = np.sqrt(curvature)
        factor = np.linalg.cholesky(np.eye(len(signs)) + root[:, None] * kernel * root[None, :])
        aim = curvature * latent + ((signs + 1.0) / 2.0 - live)
        inner = np.linalg.solve(factor.T, np.linalg.solve(factor, root * (kernel @ aim)))
        step = aim - root * inner - weights
        reached, size = -np.inf, 1.0
        while size > 1e-3:  # a step too long is halved
            tried = weights + size * step
            latent = kernel @ tried
            reached = float(-0.5 * tried @ latent - np.logaddexp(0.0, -signs * (_HOPE + latent)).sum())
            if reached >= target:
                break
            size /= 2.0
        if reached <= target + 1e-8:
            break
        weights, target = tried, reached
    return target - float(np.log(np.diag(factor)).sum()), weights


def _logistic(odds: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -500.0, 500.0))))
