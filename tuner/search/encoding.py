"""Configurations as rows of numbers: what the model of the search measures distances on.

Numbers and quantities (``500m``, ``2Gi``, ``50ms``) become numbers from 0 to 1, in the logarithm where that is their
natural scale: one worker to two is as far as four to eight. Only truth values and real words are categories. Beside
the knobs stand what is known in this field to govern a server: how many requests it works on at once, and what CPU and
memory each of its processes has. A model given these needs fewer trials to see that four workers on one core are not
better than two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.search.model import Points
from tuner.search.roles import Role, inside, roles, sizes
from tuner.search.scale import Scale, scale_of
from tuner.space.domain import count
from tuner.space.model import Choices, Configuration, Domain, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.statistics.model import FloatArray

NEUTRAL = 0.5
"""The number of a parameter that does not exist, or whose value is no number; that it is so stands in a word."""
_MARGIN = 0.5
"""So far beyond 0 to 1 a value outside its domain may lie: the manifest as it stands may have any."""
_UNEVEN = 0.15
"""The share of what a number does that may be anything from value to value, at most."""
_FEW = 2.5
"""That share times the square of how many values there are, from five values on."""
_REMEMBERED = 4


@dataclass(frozen=True, slots=True)
class _Number:
    """The column of one parameter that is a number."""

    name: str
    scale: Scale
    uneven: float
    known: dict[tuple[type, Value], float] = field(default_factory=dict)

    def place(self, value: Value | None) -> float:
        if value is None:
            return NEUTRAL
        key = (value.__class__, value)
        place = self.known.get(key)
        if place is None:
            number = self.scale.number(value)
            place = NEUTRAL if number is None else _within(self.scale.place(number))
            self.known[key] = place
        return place


@dataclass(frozen=True, slots=True)
class _Word:
    """The column of one parameter that is a word, may be one, or may not exist. All numbers are one word."""

    name: str
    places: Mapping[tuple[type, Value], int]
    scale: Scale | None
    """None: all its values are words."""

    def place(self, value: Value | None) -> int:
        """-1: it does not exist; beyond the choices: a word that is none of them."""
        if value is None:
            return -1
        place = self.places.get((value.__class__, value))
        if place is not None:
            return place
        if self.scale is None:
            return len(self.places)
        return 0 if self.scale.number(value) is not None else len(self.places) + 1


@dataclass(frozen=True, slots=True)
class _Derived:
    """A product of powers of parameters in the logarithm, scaled to 0 to 1 over the space."""

    name: str
    factors: tuple[tuple[Role, int], ...]
    low: float
    high: float

    def places(self, logarithms: Mapping[str, FloatArray]) -> FloatArray:
        total = sum(power * logarithms[role.parameter] for role, power in self.factors)
        return np.clip((total - self.low) / (self.high - self.low), -_MARGIN, 1.0 + _MARGIN)


class Encoding:
    """What the model sees of the configurations of one search space."""

    def __init__(self, space: SearchSpace) -> None:
        self._numbers: list[_Number] = []
        self._words: list[_Word] = []
        for parameter in space.parameters:
            scale = scale_of(parameter.domain)
            if scale is not None:
                self._numbers.append(_Number(parameter.name, scale, _uneven(parameter.domain)))
            if (word := _word(parameter, scale)) is not None:
                self._words.append(word)
        self.roles: Mapping[str, Role] = roles(space.parameters)
        """By role (``workers``, ``memory``, ...), the parameter that has it, where one can be recognised."""
        self.resources = frozenset(one.name for one in space.parameters if sizes(one))
        """Parameters that set how much is asked of the machines."""
        self.unseen_by_scheduler = frozenset(one.name for one in space.parameters if inside(one))
        """Parameters that only the server itself sees."""
        self._derived = list(_derived(self.roles))
        self._roles = {role for one in self._derived for role, _ in one.factors}
        self._remembered: dict[int, tuple[Sequence[Configuration], Points]] = {}

    def points(self, configurations: Sequence[Configuration]) -> Points:
        """A row each, in their order; 100,000 of six parameters take 0.2 s.

        The last few tuples asked about are remembered, so that the candidates of a study are encoded once. A value
        outside its domain lies beyond 0 to 1, by a half at most; one that is missing is neutral.
        """
        remembered = self._remembered.get(id(configurations))
        if remembered is not None and remembered[0] is configurations:
            return remembered[1]
        rows = [one.values for one in configurations]
        points = Points(
            numbers=_table(
                [[column.place(row.get(column.name)) for row in rows] for column in self._numbers], len(rows)
            ),
            words=_table([[word.place(row.get(word.name)) for row in rows] for word in self._words], len(rows)).astype(
                int
            ),
            derived=_table(self._derived_columns(rows), len(rows)),
            number_names=tuple(column.name for column in self._numbers),
            word_names=tuple(word.name for word in self._words),
            derived_names=tuple(one.name for one in self._derived),
            capacity=self._capacity(rows),
            uneven=tuple(column.uneven for column in self._numbers),
        )
        if isinstance(configurations, tuple):  # what may change cannot be remembered
            while len(self._remembered) >= _REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[id(configurations)] = (configurations, points)
        return points

    def _capacity(self, rows: Sequence[Mapping[str, Value]]) -> FloatArray:
        found = [self.roles[name] for name in ("cpu", "replicas") if name in self.roles]
        if not found:
            return np.zeros(0)
        return np.array([sum(role.logarithm(row.get(role.parameter)) for role in found) for row in rows])

    def _derived_columns(self, rows: Sequence[Mapping[str, Value]]) -> list[FloatArray]:
        logarithms = {
            role.parameter: np.array([role.logarithm(row.get(role.parameter)) for row in rows], dtype=np.float64)
            for role in self._roles
        }
        return [one.places(logarithms) for one in self._derived]


def _table(columns: Sequence[Sequence[float] | FloatArray], rows: int) -> FloatArray:
    return np.array(columns, dtype=np.float64).T if columns else np.empty((rows, 0))


def _uneven(domain: Domain) -> float:
    """Of few values each may be anything, of many each lies between its neighbours."""
    values = count(domain)
    return 0.0 if values is None else min(_UNEVEN, _FEW / values**2)


def _within(place: float) -> float:
    return min(max(place, -_MARGIN), 1.0 + _MARGIN)


def _word(parameter: Parameter, scale: Scale | None) -> _Word | None:
    """None: it always exists and is always a number."""
    choices = parameter.domain.values if isinstance(parameter.domain, Choices) else ()
    words = [value for value in choices if scale is None or scale.number(value) is None]
    if not words and parameter.when is None:
        return None
    first = 0 if scale is None else 1
    return _Word(parameter.name, {(value.__class__, value): at for at, value in enumerate(words, first)}, scale)


def _derived(found: Mapping[str, Role]) -> Sequence[_Derived]:
    """Of those roles that the space has; a feature of one parameter alone would only say that parameter again."""
    features = (
        ("concurrency", {"workers": 1, "threads": 1, "replicas": 1}),
        ("cpu a worker", {"cpu": 1, "workers": -1}),
        ("memory a worker", {"memory": 1, "workers": -1}),
        ("total cpu", {"cpu": 1, "replicas": 1}),
    )
    derived = []
    for name, powers in features:
        factors = tuple((found[role], power) for role, power in powers.items() if role in found)
        needed = {role for role in powers if role in ("cpu", "memory")}
        if len(factors) < 2 or not needed <= found.keys():
            continue
        low = sum(power * (role.low if power > 0 else role.high) for role, power in factors)
        high = sum(power * (role.high if power > 0 else role.low) for role, power in factors)
        if high > low and math.isfinite(high - low):
            derived.append(_Derived(name, factors, low, high))
    return derived
