"""Which knobs matter: shares of a metric's variance, over the valid configurations, by functional ANOVA.

Of what is believed of a metric (its logarithm), as a function on the valid configurations, each of them equally likely
(Sobol 1993; Hooker 2007 for inputs that rules make depend on each other):

- *alone*: the share of the variance that goes where the other knobs are averaged out, Var E[f | knob] / Var f;
- *in all*: the share that is lost where this knob is not known, E Var[f | others] / Var f (Homma and Saltelli 1996);
- of a pair, what both explain together beyond what each explains alone.

The function is not known but drawn: each share is computed on draws from the posterior, so that its interval says how
much the trials leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tuner.statistics.model import FloatArray, IntArray

LOW, HIGH = 0.05, 0.95
"""Ends of every interval here: 90 % of what is believed lies within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of a metric's variance, 0 to 1: the median of the draws, and the interval that holds 90 % of them."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Of one knob for one metric."""

    knob: str
    alone: Share
    in_all: Share | None
    """None: there are too many knobs to compute it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Of two knobs: what they explain together beyond what each explains alone."""

    knobs: tuple[str, str]
    share: Share


def importances(
    names: Sequence[str], levels: IntArray, values: FloatArray, *, whole: bool = True
) -> tuple[tuple[Importance, ...], tuple[Interaction, ...]]:
    """The knobs and their pairs, the most important first.

    `levels` (configurations, knobs): which of its values a knob has; `values` (draws, configurations): the metric.
    `whole` False: the configurations are a sample, in which none differs from another in just one knob; means of few
    configurations differ by chance, which is taken out (Kelley 1935: epsilon squared).
    """
    spread = values.var(axis=1)
    flat = spread <= 1e-12 * np.maximum(np.abs(values).max(axis=1), 1.0)
    divisor = np.where(flat, 1.0, spread)

    def explained(knobs: Sequence[int]) -> FloatArray:
        """(draws,): Var E[f | these knobs] / Var f."""
        share = _between(levels[:, list(knobs)], values, sampled=not whole) / divisor
        return np.asarray(np.where(flat, 0.0, np.clip(share, 0.0, 1.0)))

    alone = [explained([place]) for place in range(len(names))]
    found = []
    for place, name in enumerate(names):
        in_all = None
        if whole:
            others = [other for other in range(len(names)) if other != place]
            in_all = _share(np.where(flat, 0.0, 1.0 - explained(others)))
        found.append(Importance(knob=name, alone=_share(alone[place]), in_all=in_all))
    pairs = [
        Interaction(
            knobs=(names[one], names[other]),
            share=_share(np.maximum(explained([one, other]) - alone[one] - alone[other], 0.0)),
        )
        for one, other in combinations(range(len(names)), 2)
    ]
    found.sort(key=lambda one: -(one.in_all or one.alone).value)
    pairs.sort(key=lambda one: -one.share.value)
    return tuple(found), tuple(pairs)


def _between(levels: IntArray, values: FloatArray, *, sampled: bool = False) -> FloatArray:
    """(draws,): the variance of the means of those configurations that have the same levels.

    `sampled`: less what these means would differ by if the levels meant nothing; below 0 where they differ by less.
    """
    if not levels.shape[1]:
        return np.zeros(len(values))
    _, group = np.unique(levels, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(starts, append=len(group))
    means = np.add.reduceat(values[:, order], starts, axis=1) / sizes
    away = means - values.mean(axis=1, keepdims=True)
    between = np.asarray((away**2 * sizes).sum(axis=1) / len(group))
    if not sampled:
        return between
    rest = len(group) - len(starts)
    if rest == 0:  # each configuration is a group: nothing tells levels from chance
        return np.zeros(len(values))
    return np.asarray(between - (values.var(axis=1) - between) * (len(starts) - 1) / rest)


def _share(draws: FloatArray) -> Share:
    low, value, high = np.quantile(draws, [LOW, 0.5, HIGH])
    return Share(value=float(value), low=float(low), high=float(high))
