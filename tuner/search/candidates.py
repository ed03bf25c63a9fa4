"""The configurations a proposal is chosen from: all valid ones, or of too many a sample that covers them.

A configuration is a row of places in the parameters' lists of values. Rows grow a parameter at a time, each by all of
its values, and a rule prunes as soon as the last of its parameters is there; it is asked once for each combination of
values that it speaks of, not once a row. Where there are too many rows, a random part of them grows on, so that tight
rules (a product that must be 64) still leave candidates, where drawing whole configurations would hit none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from tuner.search.scale import scale_of
from tuner.space.active import active, exists, in_order
from tuner.space.domain import contains, count, grid
from tuner.space.model import Choices, Configuration, Domain, FloatRange, IntRange, Parameter, SearchSpace
from tuner.space.rules import Rule
from tuner.space.values import Value
from tuner.statistics.model import BoolArray, IntArray

ENUMERABLE = 100_000
"""Up to so many valid configurations are all listed."""
SAMPLED = 20_000
"""Of more, so many are."""
_LEVELS = 256
"""Values of a continuous parameter, or of a very long range: more than any measurement can tell apart."""
_GROWN = 2_000_000
"""Rows at once, before rules prune them."""
_ASKED = 300_000
"""Combinations of values that one rule is asked for: a second's work. Of more, rows are drawn."""
_DRAWN = 100_000
"""So many rows grow by drawn values."""
_ABSENT = -1


class Candidates:
    """The valid configurations of a search space, those that break a rule left out.

    What is listed depends on the space, the seed and `possible` only.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        possible: Callable[[Sequence[Configuration]], BoolArray] | None = None,
    ) -> None:
        """`possible` says of configurations, a row each, whether they can run at all: those that cannot are left out;
        None: all can."""
        self._space = space
        self._possible = possible
        self._parameters = in_order(space.parameters)
        self._levels = [levels(parameter.domain) for parameter in self._parameters]
        self._seed = seed
        self._steps: dict[tuple[int, type, Value, int], Sequence[Value]] = {}
        rows = _grown(self._parameters, self._levels, space.rules, None)
        exact = all(count(p.domain) == len(found) for p, found in zip(self._parameters, self._levels, strict=True))
        self.complete = exact and rows is not None
        """Whether each valid configuration of the space is listed."""
        if rows is None:
            rows = _grown(self._parameters, self._levels, space.rules, np.random.default_rng([seed, len(self._levels)]))
        self.listed: tuple[Configuration, ...] = self._runnable(tuple(self._configurations(rows)))
        """As their parameters' values rise, the last parameter fastest. Empty: the rules leave none, or none was found."""

    def near(self, centres: Iterable[Configuration], number: int = 0, most: int = 500) -> tuple[Configuration, ...]:
        """Valid neighbours: one parameter a step or two away, or two parameters one step each, drawn at random.

        For spaces that are not listed whole. They depend on the seed and `number` (the trial's); none is given twice,
        the centres themselves not at all.
        """
        rng = np.random.default_rng([self._seed, number])
        centres = list(centres)
        found: list[Configuration] = []
        seen = {_key(centre.values) for centre in centres}
        moved = [dict(centre.values) for centre in centres]
        for values in (one for base in moved for one in self._moves(base)):
            self._keep(values, rng, found, seen, most)
        for _ in range(min(most, 4 * most - len(found)) if moved else 0):
            first = self._random_move(moved[rng.integers(len(moved))], rng)
            self._keep(self._random_move(first, rng), rng, found, seen, most)
        return self._runnable(tuple(found))

    def _runnable(self, configurations: tuple[Configuration, ...]) -> tuple[Configuration, ...]:
        if self._possible is None or not configurations:
            return configurations
        return tuple(one for one, can in zip(configurations, self._possible(configurations), strict=True) if can)

    def _keep(
        self,
        values: Mapping[str, Value],
        rng: np.random.Generator,
        found: list[Configuration],
        seen: set[tuple[tuple[str, type, Value], ...]],
        most: int,
    ) -> None:
        whole = self._whole(values, rng)
        key = _key(whole)
        if len(found) < most and key not in seen and all(rule.holds(whole) for rule in self._space.rules):
            found.append(Configuration(values=whole))
        seen.add(key)

    def _whole(self, values: Mapping[str, Value], rng: np.random.Generator) -> dict[str, Value]:
        """With a value for each parameter that exists now and did not before, less those that do no more."""
        whole: dict[str, Value] = {}
        for parameter, found in zip(self._parameters, self._levels, strict=True):
            if exists(parameter, whole):
                name = parameter.name
                whole[name] = values[name] if name in values else found[int(rng.integers(len(found)))]
        return active(self._parameters, whole)

    def _moves(self, values: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
        for at, parameter in enumerate(self._parameters):
            if parameter.name in values:
                for value in self._beside(at, values[parameter.name], 2):
                    yield {**values, parameter.name: value}

    def _random_move(self, values: Mapping[str, Value], rng: np.random.Generator) -> dict[str, Value]:
        at = int(rng.integers(len(self._parameters)))
        parameter = self._parameters[at]
        if parameter.name not in values:
            return dict(values)
        steps = self._beside(at, values[parameter.name], 1)
        return {**values, parameter.name: steps[int(rng.integers(len(steps)))]} if steps else dict(values)

    def _beside(self, at: int, value: Value, far: int) -> Sequence[Value]:
        key = (at, type(value), value, far)
        if key not in self._steps:
            self._steps[key] = tuple(_steps(self._parameters[at].domain, self._levels[at], value, far))
        return self._steps[key]

    def _configurations(self, rows: IntArray | None) -> Iterator[Configuration]:
        if rows is None:
            return
        names = [parameter.name for parameter in self._parameters]
        for row in rows.tolist():
            places = zip(names, self._levels, row, strict=True)
            yield Configuration(values={name: found[at] for name, found, at in places if at != _ABSENT})


def levels(domain: Domain) -> Sequence[Value]:
    """The values of a parameter that are candidates: all, or some 256 evenly over its natural scale."""
    number = count(domain)
    scale = scale_of(domain)
    if scale is None or isinstance(domain, Choices) or (number is not None and number <= _LEVELS):
        return tuple(grid(domain) or ())
    numbers = (scale.at(at / (_LEVELS - 1)) for at in range(_LEVELS))
    return tuple(dict.fromkeys(_nearest(domain, number, scale.low) for number in numbers))


def _nearest(domain: IntRange | FloatRange, number: float, low: float) -> Value:
    """Of the domain; of a continuous one with four digits, which anybody can read."""
    if domain.step is None:
        short = float(f"{number:.4g}")
        return short if contains(domain, short) else number
    steps = round((number - low) / domain.step)
    if isinstance(domain, IntRange):
        return min(
            domain.low + steps * domain.step, domain.low + (domain.high - domain.low) // domain.step * domain.step
        )
    stepped = grid(domain) or ()
    return stepped[min(steps, len(stepped) - 1)]


def _steps(domain: Domain, found: Sequence[Value], value: Value, far: int) -> Iterator[Value]:
    """The values up to so many places beside it where they have an order, else all others."""
    scale = scale_of(domain)
    number = None if scale is None else scale.number(value)
    if scale is None or number is None:
        yield from (other for other in found if (type(other), other) != (type(value), value))
        return
    places = [(scale.number(other), other) for other in found]
    below = sorted([(n, at) for at, (n, _) in enumerate(places) if n is not None and n < number], reverse=True)
    above = sorted([(n, at) for at, (n, _) in enumerate(places) if n is not None and n > number])
    yield from (found[at] for _, at in (*below[:far], *above[:far]))
    yield from (other for n, other in places if n is None)


def _grown(
    parameters: Sequence[Parameter],
    levels: Sequence[Sequence[Value]],
    rules: Sequence[Rule],
    rng: np.random.Generator | None,
) -> IntArray | None:
    """Rows of places, a column a parameter; -1: it does not exist there.

    Without `rng` all of them, or None where they are too many; with it a random part of them.
    """
    position = {parameter.name: at for at, parameter in enumerate(parameters)}
    due: dict[int, list[Rule]] = {}
    for rule in rules:
        due.setdefault(max((position[name] for name in rule.names), default=0), []).append(rule)
    rows = np.zeros((1, 0), dtype=np.int64)
    for at, parameter in enumerate(parameters):
        there = _exists(parameter, rows, position, levels)
        if rng is None:
            if len(rows) + int(there.sum()) * (len(levels[at]) - 1) > _GROWN:
                return None
            rows = _all_values(rows, there, len(levels[at]))
        else:
            rows = _some_values(rows, there, len(levels[at]), rng)
        for rule in due.get(at, []):
            holds = _holds(rule, rows, position, parameters, levels)
            if holds is None:
                return None
            rows = rows[holds]
        if rng is not None and len(rows) > SAMPLED:
            rows = rows[np.sort(rng.choice(len(rows), SAMPLED, replace=False))]
    if rng is None:
        return rows if len(rows) <= ENUMERABLE else None
    return np.unique(rows, axis=0)


def _exists(
    parameter: Parameter, rows: IntArray, position: Mapping[str, int], levels: Sequence[Sequence[Value]]
) -> BoolArray:
    if parameter.when is None:
        return np.ones(len(rows), dtype=bool)
    parent = position[parameter.when.parameter]
    wanted = [at for at, value in enumerate(levels[parent]) if value in parameter.when.values]
    return np.isin(rows[:, parent], wanted)


def _all_values(rows: IntArray, there: BoolArray, number: int) -> IntArray:
    """Each row once for each value, in order; once where the parameter does not exist."""
    times = np.where(there, number, 1)
    grown = np.repeat(rows, times, axis=0)
    first = np.repeat(np.cumsum(times) - times, times)
    value = np.where(np.repeat(there, times), np.arange(len(grown)) - first, _ABSENT)
    return np.column_stack([grown, value])


def _some_values(rows: IntArray, there: BoolArray, number: int, rng: np.random.Generator) -> IntArray:
    """As `_all_values` where that is not too many, else each row with some values drawn at random."""
    most = max(_DRAWN // len(rows), 1) if len(rows) else 1
    if number <= most:
        return _all_values(rows, there, number)
    grown = np.repeat(rows, most, axis=0)
    value = rng.integers(number, size=len(grown))
    return np.column_stack([grown, np.where(np.repeat(there, most), value, _ABSENT)])


def _holds(
    rule: Rule,
    rows: IntArray,
    position: Mapping[str, int],
    parameters: Sequence[Parameter],
    levels: Sequence[Sequence[Value]],
) -> BoolArray | None:
    """By row. The rule is asked once for each combination of the values it speaks of; None: there are too many."""
    columns = sorted(position[name] for name in rule.names)
    key = np.zeros(len(rows), dtype=np.int64)
    if math.prod(len(levels[at]) + 1 for at in columns) < 2**62:
        for at in columns:
            key = key * (len(levels[at]) + 1) + rows[:, at] + 1
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(rows[:, columns], axis=0, return_index=True, return_inverse=True)
    if len(first) > _ASKED:
        return None
    verdicts: BoolArray = np.array(
        [
            rule.holds({parameters[at].name: levels[at][row[at]] for at in columns if row[at] != _ABSENT})
            for row in rows[first].tolist()
        ],
        dtype=bool,
    )
    told: BoolArray = verdicts[inverse.reshape(-1)]
    return told


def _key(values: Mapping[str, Value]) -> tuple[tuple[str, type, Value], ...]:
    return tuple((name, type(value), value) for name, value in sorted(values.items()))
