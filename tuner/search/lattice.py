"""A few hundred valid configurations that stand for all: every combination of a few values of each knob."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from tuner.space.active import in_order
from tuner.space.domain import grid
from tuner.space.model import Choices, Configuration, Domain, FloatRange, IntRange, Parameter, SearchSpace
from tuner.space.size import assignments
from tuner.space.values import Value
from tuner.statistics.model import IntArray

MOST = 600
_MOST_LEVELS = 7


def lattice(space: SearchSpace, most: int = MOST) -> tuple[tuple[Configuration, ...], bool]:
    """At most `most` configurations that meet the rules, and whether they are all combinations of the values taken.

    Of each knob as many values are taken as that allows, its ends among them, evenly spaced in its own order (in the
    logarithm where its range is searched so). With two values a knob still too many: a sample of them.
    """
    for levels in range(_MOST_LEVELS, 1, -1):
        found = tuple(islice(_combinations(space, levels), most + 1))
        if len(found) <= most:
            return found, True
    drawn = list(islice(_combinations(space, 2), 100_000))
    random.Random(0).shuffle(drawn)  # noqa: S311
    return tuple(drawn[:most]), False


def levels_of(names: Sequence[str], configurations: Sequence[Configuration]) -> IntArray:
    """(configurations, knobs): which of its values each knob has there; what it lacks is a value of its own."""
    columns = []
    for name in names:
        known: dict[tuple[type, Value | None], int] = {}
        values = [one.values.get(name) for one in configurations]
        columns.append([known.setdefault((type(value), value), len(known)) for value in values])
    return np.array(columns, dtype=np.int64).reshape(len(names), len(configurations)).T


def _combinations(space: SearchSpace, levels: int) -> Iterator[Configuration]:
    parameters = in_order(space.parameters)
    needed = {one.when.parameter: one.when.values for one in parameters if one.when is not None}
    few = [replace(one, domain=Choices(values=_few(one, levels, needed.get(one.name, ())))) for one in parameters]
    for values in assignments(few, space.rules):
        yield Configuration(values=values)


def _few(parameter: Parameter, levels: int, needed: Sequence[Value]) -> tuple[Value, ...]:
    """Of a knob that others depend on all values, so that they exist."""
    values = _spread(parameter.domain, levels)
    if needed:
        values = tuple(grid(parameter.domain) or dict.fromkeys((*values, *needed)))
    return tuple(values)


def _spread(domain: Domain, levels: int) -> tuple[Value, ...]:
    values = grid(domain)
    if values is None and isinstance(domain, FloatRange):
        return tuple(dict.fromkeys(_between(domain.low, domain.high, place, log=domain.log) for place in _even(levels)))
    if values is None or len(values) <= levels:
        return tuple(values or ())
    if isinstance(domain, IntRange) and domain.log:
        near = (round(_between(domain.low, domain.high, place, log=True)) for place in _even(levels))
        return tuple(dict.fromkeys(near))
    return tuple(values[round(place * (len(values) - 1))] for place in _even(levels))


def _even(levels: int) -> list[float]:
    return [step / (levels - 1) for step in range(levels)]


def _between(low: float, high: float, place: float, *, log: bool) -> float:
    if place in (0.0, 1.0):
        return high if place else low
    return math.exp(math.log(low) + place * math.log(high / low)) if log else low + place * (high - low)
