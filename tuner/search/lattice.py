"""A few hundred valid configurations that stand for all: every combination of some values of each knob."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from tuner.search.candidates import Candidates
from tuner.search.scale import scale_of
from tuner.space.active import in_order
from tuner.space.domain import count, grid
from tuner.space.model import Choices, Configuration, Domain, FloatRange, IntRange, SearchSpace
from tuner.space.size import assignments
from tuner.space.values import Value, operand
from tuner.statistics.model import IntArray

MOST = 900
_MOST_LEVELS = 7
_FEW_LEVELS = 4
"""Of a knob in a sample: pairs of levels have some fifty configurations each."""


def lattice(space: SearchSpace, most: int = MOST) -> tuple[tuple[Configuration, ...], bool]:
    """At most `most` configurations that meet the rules, and whether they are all combinations of the values taken.

    Of each knob that is a number as many values are taken as that allows, its ends among them, evenly spaced (in the
    logarithm where its range is searched so); of words, which have no order, all. Where that is too many with two
    values a number: a sample of the space.
    """
    needed = {one.when.parameter for one in space.parameters if one.when is not None}
    fewer = [one.name for one in space.parameters if one.name not in needed and scale_of(one.domain) is not None]
    all_levels = {one.name: count(one.domain) or _MOST_LEVELS for one in space.parameters}
    levels = {name: min(number, _MOST_LEVELS) if name in fewer else number for name, number in all_levels.items()}
    while True:
        found = tuple(islice(_combinations(space, levels), most + 1))
        if len(found) <= most:
            return found, True
        largest = max((name for name in fewer if levels[name] > 2), key=levels.__getitem__, default=None)
        if largest is None:
            listed = Candidates(space, 0).listed
            return tuple(random.Random(0).sample(listed, min(most, len(listed)))), False  # noqa: S311
        levels[largest] -= 1


def levels_of(names: Sequence[str], configurations: Sequence[Configuration]) -> IntArray:
    """(configurations, knobs): which of its values each knob has there; what it lacks is a value of its own."""
    columns = []
    for name in names:
        known: dict[tuple[type, Value | None], int] = {}
        values = [one.values.get(name) for one in configurations]
        columns.append([known.setdefault((type(value), value), len(known)) for value in values])
    return np.array(columns, dtype=np.int64).reshape(len(names), len(configurations)).T


def coarse_levels_of(names: Sequence[str], configurations: Sequence[Configuration]) -> IntArray:
    """As `levels_of`, of a sample: of a number that has many values its quarter, so that each level is there often."""
    levels = levels_of(names, configurations)
    for column, name in enumerate(names):
        amounts = [operand(one.values[name]) for one in configurations if name in one.values]
        numbers = [float(amount) for amount in amounts if not isinstance(amount, bool | str)]
        if len(numbers) < len(configurations) or len(set(numbers)) <= _FEW_LEVELS:
            continue
        bounds = np.quantile(numbers, np.arange(1, _FEW_LEVELS) / _FEW_LEVELS)
        levels[:, column] = np.searchsorted(bounds, numbers)
    return levels


def _combinations(space: SearchSpace, levels: Mapping[str, int]) -> Iterator[Configuration]:
    parameters = in_order(space.parameters)
    few = [replace(one, domain=Choices(values=_spread(one.domain, levels[one.name]))) for one in parameters]
    for values in assignments(few, space.rules):
        yield Configuration(values=values)


def _spread(domain: Domain, levels: int) -> tuple[Value, ...]:
    """So many of its values, or all where it has no more."""
    if levels < 2:
        return tuple(grid(domain) or ())[:1]
    even = [step / (levels - 1) for step in range(levels)]
    if isinstance(domain, FloatRange) and domain.step is None:
        return tuple(dict.fromkeys(_between(domain.low, domain.high, place, log=domain.log) for place in even))
    values = grid(domain) or ()
    if len(values) <= levels:
        return tuple(values)
    if isinstance(domain, IntRange) and domain.log:
        return tuple(dict.fromkeys(round(_between(domain.low, domain.high, place, log=True)) for place in even))
    return tuple(values[round(place * (len(values) - 1))] for place in even)


def _between(low: float, high: float, place: float, *, log: bool) -> float:
    if place in (0.0, 1.0):
        return high if place else low
    return math.exp(math.log(low) + place * math.log(high / low)) if log else low + place * (high - low)
