"""What each knob was worth: from one configuration to another, a knob at a time, by what is believed.

The order is greedy: at every step the knob that is believed to gain most, among those that lead to a configuration
which meets the rules as long as there is one. A knob that exists only with another moves with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from tuner.search.model import Belief
from tuner.space.active import active
from tuner.space.model import Configuration, Objective, SearchSpace
from tuner.space.values import Value
from tuner.statistics.model import FloatArray

Z90 = 1.6448536269514722
"""Half-width of an interval that holds 90 % of a normal distribution, in standard deviations."""


class Beliefs(Protocol):
    """What is believed of metrics, in their logarithm (`tuner.search.surrogate.Surrogate`)."""

    def knows(self, metric: str) -> bool:
        """Whether it was measured at all; asked of one that was not, the others raise KeyError."""
        ...

    def believe(self, metric: str, configurations: Sequence[Configuration]) -> Belief: ...

    def joint(self, metric: str, configurations: Sequence[Configuration]) -> tuple[FloatArray, FloatArray]:
        """Mean (rows,) and covariance (rows, rows)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A metric in its own unit, and the interval in which it lies with a probability of 90 %."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, mean: float, sd: float) -> Believed:
        """Of a normal distribution of the logarithm."""
        return cls(value=_exp(mean), low=_exp(mean - Z90 * sd), high=_exp(mean + Z90 * sd))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a step changes of one metric."""

    metric: str
    before: Believed
    after: Believed
    ratio: Believed
    """After / before."""
    measured: float | None
    """The same ratio of what was measured at both ends; None: at one of them nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Some knobs set anew: one, or one with those that exist only with it."""

    knobs: Mapping[str, tuple[Value | None, Value | None]]
    """From which value to which; None: it does not exist there."""
    changes: tuple[Change, ...]
    allowed: bool
    """What the step leads to meets the rules."""


def steps(
    space: SearchSpace,
    start: Configuration,
    end: Configuration,
    beliefs: Beliefs,
    metrics: Sequence[str],
    measured: Mapping[str, Mapping[str, float]],
) -> tuple[Step, ...]:
    """The way from `start` to `end`; empty where they are the same.

    `measured`: by a configuration's digest what was measured of it, by metric.
    """
    path = _path(space, start, end, lambda ends: _gains(space.objectives, beliefs, ends, metrics))
    if len(path) == 1:
        return ()
    joint = {metric: beliefs.joint(metric, path) for metric in metrics}
    found = []
    for place, (before, after) in enumerate(pairwise(path)):
        changes = tuple(
            _change(metric, place, *joint[metric], measured.get(before.digest, {}), measured.get(after.digest, {}))
            for metric in metrics
        )
        names = sorted(before.values.keys() | after.values.keys())
        moved = {
            name: (before.values.get(name), after.values.get(name))
            for name in names
            if before.values.get(name) != after.values.get(name)
        }
        found.append(Step(knobs=moved, changes=changes, allowed=_allowed(space, after)))
    return tuple(found)


def _path(
    space: SearchSpace,
    start: Configuration,
    end: Configuration,
    gains: Callable[[Sequence[Configuration]], FloatArray],
) -> tuple[Configuration, ...]:
    waiting = _blocks(space, start, end)
    path = [start]
    while waiting:
        ends = [_moved(space, path[-1], end, block) for block in waiting]
        gain = gains(ends)
        order = sorted(range(len(ends)), key=lambda at: (not _allowed(space, ends[at]), -gain[at], at))
        path.append(ends[order[0]])
        del waiting[order[0]]
    if path[-1].digest != end.digest:  # what no knob of the space accounts for
        path[-1] = end
    return tuple(path)


def _blocks(space: SearchSpace, start: Configuration, end: Configuration) -> list[tuple[str, ...]]:
    """The knobs that differ; those that exist at one end only are with the knob they depend on, where that differs."""
    differing = [
        parameter
        for parameter in space.parameters
        if start.values.get(parameter.name) != end.values.get(parameter.name)
    ]
    names = {parameter.name for parameter in differing}
    root: dict[str, str] = {}
    for parameter in differing:
        name, when = parameter.name, parameter.when
        while when is not None and when.parameter in names and (name in start.values) != (name in end.values):
            name, when = when.parameter, space.parameter(when.parameter).when
        root[parameter.name] = name
    blocks: dict[str, list[str]] = {}
    for name, first in root.items():
        blocks.setdefault(first, []).append(name)
    return [tuple(block) for block in blocks.values()]


def _moved(space: SearchSpace, at: Configuration, end: Configuration, block: Sequence[str]) -> Configuration:
    values = {name: value for name, value in at.values.items() if name not in block}
    values |= {name: end.values[name] for name in block if name in end.values}
    return Configuration(values=active(space.parameters, values))


def _allowed(space: SearchSpace, configuration: Configuration) -> bool:
    return all(rule.holds(configuration.values) for rule in space.rules)


def _gains(
    objectives: Sequence[Objective], beliefs: Beliefs, ends: Sequence[Configuration], metrics: Sequence[str]
) -> FloatArray:
    """(ends,): the sum of the objectives' logarithms, each in the direction wanted."""
    total = np.zeros(len(ends))
    for objective in objectives:
        if objective.metric in metrics:
            sign = 1.0 if objective.direction == "maximize" else -1.0
            total += sign * beliefs.believe(objective.metric, ends).mean
    return total


def _change(
    metric: str,
    place: int,
    mean: FloatArray,
    covariance: FloatArray,
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> Change:
    old, new = place, place + 1
    variance = covariance[old, old] + covariance[new, new] - 2 * covariance[old, new]
    both = metric in before and metric in after and before[metric] > 0
    return Change(
        metric=metric,
        before=Believed.of(float(mean[old]), _sd(covariance[old, old])),
        after=Believed.of(float(mean[new]), _sd(covariance[new, new])),
        ratio=Believed.of(float(mean[new] - mean[old]), _sd(variance)),
        measured=after[metric] / before[metric] if both else None,
    )


def _sd(variance: float) -> float:
    return math.sqrt(max(float(variance), 0.0))


def _exp(logarithm: float) -> float:
    """What is beyond any number is the greatest one."""
    return math.exp(min(logarithm, 700.0))
