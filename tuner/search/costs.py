"""What configurations ask of the machines, and so what they cost: known exactly, without a trial.

It depends on few of the parameters: replicas and resources, not what only the server sees. One configuration for each
combination of those is looked at. Where even these are too many, what is asked for is taken to be linear in each of
them (so many replicas of so much each), worked out from the corners, and held against others; where it is not so, costs
are left unknown rather than guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from tuner.search.candidates import levels
from tuner.search.roles import inside
from tuner.search.scale import Scale, scale_of
from tuner.space.model import Configuration, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.statistics.model import BoolArray, FloatArray

_LOOKED_AT = 1_000
"""Combinations that are looked at one by one."""
_CORNERS = 256
_CHECKED = 24
_EXACT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one configuration asks for, over all its pods."""

    cost_per_hour: float
    """In the currency of the space's prices."""
    cores: float
    memory_bytes: float
    impossible: str | None = None
    """Why it could never run here; None: it can."""


class Costs:
    """The costs of the configurations of one space, by looking at as few as need be.

    `demand` may be asked for configurations that are not valid by the rules.
    """

    def __init__(self, space: SearchSpace, demand: Callable[[Configuration], Demand]) -> None:
        self._demand = demand
        self._sizing = [_Sizing(one, scale_of(one.domain)) for one in space.parameters if not inside(one)]
        self._looked_at = 0
        self._known: dict[tuple[Value | None, ...], Demand] = {}
        self._linear: dict[tuple[object, ...], _Linear | None] = {}

    def __call__(self, configurations: Sequence[Configuration]) -> FloatArray:
        """(rows,): cost in an hour."""
        return np.array([one.cost_per_hour for one in self._all(configurations)], dtype=np.float64)

    def are_known(self, configurations: Sequence[Configuration]) -> bool:
        """Whether all of them can be told of without looking at more than a thousand."""
        return None not in self._demands(configurations)

    def possible(self, configurations: Sequence[Configuration]) -> BoolArray:
        """(rows,): False where it is known that it could never run here."""
        return np.array([one is None or one.impossible is None for one in self._demands(configurations)], dtype=bool)

    def impossible(self, configurations: Sequence[Configuration]) -> Mapping[str, int]:
        """How many of them could never run here, by why."""
        found = self._demands(configurations)
        return Counter(one.impossible for one in found if one is not None and one.impossible is not None)

    def _all(self, configurations: Sequence[Configuration]) -> list[Demand]:
        """Each looked at, where that is the only way."""
        found = self._demands(configurations)
        return [self._look(one) if known is None else known for one, known in zip(configurations, found, strict=True)]

    def _demands(self, configurations: Sequence[Configuration]) -> list[Demand | None]:
        """Looked at where they are few enough, else worked out; None: neither can be done."""
        unknown = {key: one for one in configurations if (key := self._key(one)) not in self._known}
        if self._looked_at + len(unknown) <= _LOOKED_AT:
            for one in unknown.values():
                self._look(one)
        for key, one in unknown.items():
            if key not in self._known and (linear := self._line(one)) is not None:
                self._known[key] = linear.at(self._numbers(one))
        return [self._known.get(self._key(one)) for one in configurations]

    def _look(self, configuration: Configuration) -> Demand:
        key = self._key(configuration)
        if key not in self._known:
            self._known[key] = self._demand(configuration)
            self._looked_at += 1
        return self._known[key]

    def _key(self, configuration: Configuration) -> tuple[Value | None, ...]:
        return tuple(configuration.values.get(sizing.name) for sizing in self._sizing)

    def _numbers(self, configuration: Configuration) -> list[float]:
        """Of the parameters that are numbers and exist there."""
        values = [(sizing.scale, configuration.values.get(sizing.name)) for sizing in self._sizing]
        numbers = [scale.number(value) for scale, value in values if scale is not None and value is not None]
        return [number for number in numbers if number is not None]

    def _line(self, configuration: Configuration) -> _Linear | None:
        """Of those that differ from this one in numbers only."""
        key = tuple(sizing.word(configuration.values.get(sizing.name)) for sizing in self._sizing)
        if key not in self._linear:
            self._linear[key] = self._fitted(configuration)
        return self._linear[key]

    def _fitted(self, like: Configuration) -> _Linear | None:
        varied = [one for one in self._sizing if one.word(like.values.get(one.name)) is None]
        if 2 ** len(varied) > _CORNERS:
            return None
        corners = [
            Configuration(values={**like.values, **{one.name: end for one, end in zip(varied, ends, strict=True)}})
            for ends in product(*((one.values[0], one.values[-1]) for one in varied))
        ]
        linear = _Linear.through([self._numbers(one) for one in corners], [self._demand(one) for one in corners])
        rng = np.random.default_rng(0)
        for _ in range(_CHECKED):
            drawn = {one.name: one.values[int(rng.integers(len(one.values)))] for one in varied}
            other = Configuration(values={**like.values, **drawn})
            if not linear.agrees(self._numbers(other), self._demand(other)):
                return None
        return linear


class _Sizing:
    """A parameter that what is asked for may depend on."""

    def __init__(self, parameter: Parameter, scale: Scale | None) -> None:
        self.name = parameter.name
        self.scale = scale
        numbers = [value for value in levels(parameter.domain) if scale is not None and scale.number(value) is not None]
        self.values = sorted(numbers, key=lambda value: (scale.number(value) if scale else None) or 0.0)

    def word(self, value: Value | None) -> object:
        """None for any number; else the value, and its type, for 1 is not true."""
        if value is None:
            return "absent", None
        is_number = self.scale is not None and self.scale.number(value) is not None
        return None if is_number and len(self.values) > 1 else (type(value), value)


@dataclass(frozen=True, slots=True)
class _Linear:
    """Linear in each number, their products among the terms (Davis 1975, "multilinear interpolation")."""

    coefficients: FloatArray
    """(terms, 3): of cost, cores and memory."""

    @classmethod
    def through(cls, numbers: Sequence[Sequence[float]], demands: Sequence[Demand]) -> _Linear:
        terms = np.array([_terms(one) for one in numbers])
        size = np.abs(terms).max(axis=0)  # bytes are a million times as many as replicas
        size[size == 0.0] = 1.0
        wanted = np.array([[one.cost_per_hour, one.cores, one.memory_bytes] for one in demands])
        coefficients, *_ = np.linalg.lstsq(terms / size, wanted, rcond=None)
        return cls(coefficients / size[:, None])

    def at(self, numbers: Sequence[float]) -> Demand:
        cost, cores, memory = (float(value) for value in _terms(numbers) @ self.coefficients)
        return Demand(cost_per_hour=cost, cores=cores, memory_bytes=memory)

    def agrees(self, numbers: Sequence[float], demand: Demand) -> bool:
        here = self.at(numbers)
        pairs = (
            (here.cost_per_hour, demand.cost_per_hour),
            (here.cores, demand.cores),
            (here.memory_bytes, demand.memory_bytes),
        )
        return all(abs(one - other) <= _EXACT * max(abs(one), abs(other), 1e-6) for one, other in pairs)


def _terms(numbers: Sequence[float]) -> FloatArray:
    """All products of some of them."""
    terms = np.ones(1)
    for number in numbers:
        terms = np.concatenate([terms, terms * number])
    return terms
