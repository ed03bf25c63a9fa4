"""What holds the choice back: bounds of the SLO without which more could be had, and ends of knobs' ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tuner.search.surrogate import logarithm
from tuner.search.worth import Beliefs, Believed
from tuner.space.domain import grid
from tuner.space.model import Configuration, Constraint, Domain, Objective, SearchSpace
from tuner.space.values import Value, operand
from tuner.statistics.model import BoolArray, FloatArray

_BINDS = 1.02
"""A bound without which less than 2 % more could be had does not bind."""
_SURE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A bound of the SLO at the choice."""

    metric: str
    bound: float
    at_least: bool
    believed: Believed
    probability: float
    """That the choice meets it."""
    objective: str | None
    """What could be had more of without the bound; None: it does not bind."""
    gain: float | None
    """So many times better the objective's best would be without it, at no worse values of the other objectives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A knob of the choice at an end of its range, towards which things are believed to get better."""

    knob: str
    value: Value
    end: str
    """``least`` or ``greatest``."""
    objective: str
    probability: float
    """That the objective is better there than one value further in."""


def bounds(
    slo: Sequence[Constraint],
    objectives: Sequence[Objective],
    choice: Configuration,
    candidates: Sequence[Configuration],
    beliefs: Beliefs,
) -> tuple[Bound, ...]:
    """Each bound whose metric was measured. `candidates`: valid configurations, of which the best is looked for."""
    known = [bound for bound in slo if beliefs.knows(bound.metric)]
    all_of_them = (choice, *candidates)
    met = {bound: probability_met(bound, beliefs, all_of_them) for bound in known}
    means = {
        one.metric: -one.sign * beliefs.believe(one.metric, all_of_them).mean
        for one in objectives
        if beliefs.knows(one.metric)
    }
    found = []
    for bound in known:
        at_choice = beliefs.believe(bound.metric, [choice])
        others = [met[other] >= 0.5 for other in known if other is not bound]
        without = np.logical_and.reduce([np.ones(len(all_of_them), dtype=bool), *others])
        objective, gain = _gained(means, without, without & (met[bound] >= 0.5))
        found.append(
            Bound(
                metric=bound.metric,
                bound=bound.bound,
                at_least=bound.at_least,
                believed=Believed.of(float(at_choice.mean[0]), float(at_choice.sd[0])),
                probability=float(met[bound][0]),
                objective=objective,
                gain=gain,
            )
        )
    return tuple(found)


def edges(
    space: SearchSpace, choice: Configuration, beliefs: Beliefs, objectives: Sequence[Objective]
) -> tuple[Edge, ...]:
    """Knobs that are numbers at an end of their range, where that is believed to be better beyond doubt."""
    found = []
    for parameter in space.parameters:
        name = parameter.name
        values = [] if name not in choice.values else _ordered(parameter.domain)
        for end, last, inner in _ends(values):
            if choice.values[name] != last:
                continue
            pair = (choice, Configuration(values={**choice.values, name: inner}))
            for objective in objectives:
                if not beliefs.knows(objective.metric):
                    continue
                mean, covariance = beliefs.joint(objective.metric, pair)
                sd = math.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 1e-12))
                better = normal_cdf(objective.sign * float(mean[1] - mean[0]) / sd)
                if better >= _SURE:
                    metric = objective.metric
                    found.append(Edge(knob=name, value=last, end=end, objective=metric, probability=better))
    return tuple(found)


def probability_met(bound: Constraint, beliefs: Beliefs, configurations: Sequence[Configuration]) -> FloatArray:
    """(configurations,): that the noiseless metric meets the bound. Raises KeyError for one never measured."""
    belief = beliefs.believe(bound.metric, configurations)
    room = logarithm(bound.metric, bound.bound) - belief.mean
    sign = -1.0 if bound.at_least else 1.0
    return np.array([normal_cdf(sign * one / max(sd, 1e-9)) for one, sd in zip(room, belief.sd, strict=True)])


def normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _gained(means: dict[str, FloatArray], without: BoolArray, within: BoolArray) -> tuple[str | None, float | None]:
    """The objective that gains most where `without` is allowed beside `within`, and by what factor.

    Row 0 is the choice: what is worse than it in another objective is no gain.
    """
    best: tuple[float, str] | None = None
    for metric, values in means.items():
        no_worse = np.logical_and.reduce(
            [
                np.ones(len(values), dtype=bool),
                *(rest >= rest[0] - 1e-9 for name, rest in means.items() if name != metric),
            ]
        )
        within_values, without_values = values[within & no_worse], values[without & no_worse]
        if not len(within_values) or not len(without_values):
            continue
        gain = float(without_values.max() - within_values.max())
        if best is None or gain > best[0]:
            best = (gain, metric)
    if best is None or best[0] < math.log(_BINDS):
        return None, None
    return best[1], math.exp(min(best[0], 700.0))


def _ends(values: Sequence[Value]) -> Sequence[tuple[str, Value, Value]]:
    """The last value at each end, and the one before it."""
    return [] if len(values) < 2 else [("least", values[0], values[1]), ("greatest", values[-1], values[-2])]


def _ordered(domain: Domain) -> list[Value]:
    """The values of a domain of numbers that has at most a thousand, in rising order; empty for others."""
    values = list(islice(grid(domain) or (), 1001))
    if len(values) > 1000:
        return []
    numbers = [operand(value) for value in values]
    if any(isinstance(number, bool | str) for number in numbers):
        return []
    return [value for _, value in sorted(zip(numbers, values, strict=True), key=lambda pair: pair[0])]
