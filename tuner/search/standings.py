"""What is believed of configurations that were started several times: is this the one to choose?

Drawn from the posterior of every metric (see `tuner.search.restarts`), the choice made in each draw as
`tuner.front.choose` makes it: among those that meet the SLO and that no other beats in all objectives. Pure, and
repeatable: the same values give the same beliefs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from tuner.front.choose import LATENCIES
from tuner.search.restarts import Noise, is_exact, noise, sureness_of_all
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint, Objective, decisive
from tuner.statistics.model import BoolArray, FloatArray

_DRAWS = 1000
_KEPT = 40
"""The posterior is drawn for so many of the leaders: its cost grows with their square."""
_TINY = 1e-12
"""Stands for 0 where a logarithm is taken: less than any metric can be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is best."""

    objectives: tuple[Objective, ...]
    slo: tuple[Constraint, ...]
    pick: str
    """See `tuner.front.choose.PICKS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One configuration, as it was measured: by metric, its value at each start."""

    trial: int
    """The number of its first trial, by which it is known."""
    searched: Mapping[str, tuple[float, ...]]
    fresh: Mapping[str, tuple[float, ...]]
    """At its starts in the race."""
    starts: int = 0
    """How often it was started in the race, measured or not."""
    sound: bool = True
    """No start failed by its own fault, was cut short, or could not be told."""

    def values(self, metric: str) -> tuple[float, ...]:
        """Fresh ones alone where there are any: a lucky value is why a configuration is in the race at all."""
        return self.fresh.get(metric) or self.searched.get(metric, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is believed of a contender."""

    trial: int
    meets: float
    """Probability that it truly meets every bound of the SLO."""
    best: float
    """Probability that it is the one to choose."""
    loss: float
    """Where it meets the SLO, by how much the one to choose is better on the average: relative, or with the pick `knee`
    in distance to the ideal (1: that of the worst in an objective)."""
    losses: FloatArray
    """The same in each draw; infinite where it does not meet the SLO."""

    def gain(self, over: Standing) -> float:
        """How much better than `over` it is to be expected, where it is, and 0 where it is not: the expected feasible
        improvement."""
        with np.errstate(invalid="ignore"):  # infinite less infinite, where neither meets the SLO
            better = over.losses - self.losses
        return float(np.where(np.isfinite(better), np.maximum(better, 0.0), 0.0).mean())


def noises(contenders: Sequence[Contender], aim: Aim) -> dict[str, Noise]:
    """The scatter of each metric that counts, pooled over all that was started more than once.

    Starts of the search and of the race are not mixed: the first would be too good by choice, and long ago.
    """
    return {
        metric: noise(found.get(metric, ()) for one in contenders for found in (one.searched, one.fresh))
        for metric in _metrics(contenders, aim)
    }


def meets(one: Contender, aim: Aim, scatter: Mapping[str, Noise]) -> float:
    """Probability, 0 to 1, that it truly meets every bound."""
    return sureness_of_all(aim.slo, {bound.metric: one.values(bound.metric) for bound in aim.slo}, scatter)


def standings(contenders: Sequence[Contender], aim: Aim, scatter: Mapping[str, Noise]) -> list[Standing]:
    """What is believed of those that could be the one to choose, the most probable first."""
    field = _plausible(contenders, aim, scatter)
    if not field:
        return []
    for objective in reversed(aim.objectives):  # of those that tie the first is chosen, as in `tuner.front.choose`
        field.sort(key=lambda one: median(one.values(objective.metric)), reverse=objective.direction == "maximize")
    dice = np.random.default_rng(len(field))
    drawn = {metric: _draws(field, metric, scatter[metric], dice) for metric in _metrics(contenders, aim)}
    feasible = np.ones((_DRAWS, len(field)), dtype=np.bool_)
    for bound in aim.slo:
        feasible &= drawn[bound.metric] >= bound.bound if bound.at_least else drawn[bound.metric] <= bound.bound
    losses = _losses(drawn, feasible, aim, _picked(contenders, aim))
    first = losses.argmin(axis=1, keepdims=True) == np.arange(len(field))
    known = np.isfinite(losses)
    found = [
        Standing(
            trial=one.trial,
            meets=meets(one, aim, scatter),
            best=float((first & known)[:, place].mean()),
            loss=float(losses[known[:, place], place].mean()),
            losses=losses[:, place],
        )
        for place, one in enumerate(field)
        if known[:, place].any()
    ]
    return sorted(found, key=lambda one: (-one.best, one.trial))


def _metrics(contenders: Sequence[Contender], aim: Aim) -> list[str]:
    """Those that are aimed at, bounded or picked by."""
    picked = _picked(contenders, aim)
    named = [
        *decisive(aim.objectives, aim.slo),
        *([picked] if picked else []),
    ]
    return list(dict.fromkeys(named))


def _picked(contenders: Sequence[Contender], aim: Aim) -> str | None:
    """The metric that the choice goes by; None: the knee of several."""
    if aim.pick == "knee":
        return aim.objectives[0].metric if len(aim.objectives) == 1 else None
    if aim.pick != "latency":
        return aim.pick
    aimed_at = [one.metric for one in aim.objectives if one.metric in LATENCIES]
    measured = [name for name in LATENCIES if any(one.values(name) for one in contenders)]
    return next(iter([*aimed_at, *measured]), LATENCIES[0])


def _plausible(contenders: Sequence[Contender], aim: Aim, scatter: Mapping[str, Noise]) -> list[Contender]:
    """Those with a value of all that counts that may meet the SLO; of many, those that the fewest others beat."""
    metrics = _metrics(contenders, aim)
    whole = [one for one in contenders if all(one.values(metric) for metric in metrics)]
    whole = [one for one in whole if meets(one, aim, scatter) > 1e-3]
    if len(whole) <= _KEPT:
        return whole
    signs = np.array([-1.0 if objective.direction == "maximize" else 1.0 for objective in aim.objectives])
    at = signs * np.array([[median(one.values(o.metric)) for o in aim.objectives] for one in whole])
    sure = at[[meets(one, aim, scatter) > 0.5 for one in whole]]
    beaten = (sure[:, None, :] < at[None, :, :]).all(axis=2).sum(axis=0)
    return [whole[row] for row in sorted(np.argsort(beaten, kind="stable")[:_KEPT])]


def _draws(field: Sequence[Contender], metric: str, scatter: Noise, dice: np.random.Generator) -> FloatArray:
    """(draws, contenders) of the true value in its unit. The scatter is one for all, and uncertain itself."""
    sd = scatter.sd * np.sqrt(scatter.degrees / dice.chisquare(scatter.degrees, size=_DRAWS))
    drawn = np.empty((_DRAWS, len(field)))
    for place, one in enumerate(field):
        values = one.values(metric)
        deviate = dice.standard_normal(_DRAWS)
        if is_exact(metric) or min(values) <= 0.0:
            drawn[:, place] = median(values)
        else:
            drawn[:, place] = np.exp(np.mean(np.log(values)) + sd / math.sqrt(len(values)) * deviate)
    return drawn


def _losses(drawn: Mapping[str, FloatArray], feasible: BoolArray, aim: Aim, picked: str | None) -> FloatArray:
    """(draws, contenders): by how much the one to choose is better; 0 for that one, infinite without the SLO."""
    behind = _behind(drawn, feasible, aim.objectives)
    on_front = feasible & (behind <= 0.0)
    score = _distances(drawn, on_front, aim.objectives) if picked is None else _logarithms(drawn, picked)
    least = np.where(on_front, score, np.inf).min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite less infinite, where no contender meets the SLO
        losses = np.maximum(np.maximum(score - least, 0.0), behind)
    return np.where(feasible, losses, np.inf)


def _logarithms(drawn: Mapping[str, FloatArray], metric: str) -> FloatArray:
    """Less is better."""
    logs: FloatArray = np.log(np.maximum(drawn[metric], _TINY))
    return -logs if METRICS[metric].better == "maximize" else logs


def _behind(drawn: Mapping[str, FloatArray], feasible: BoolArray, objectives: Sequence[Objective]) -> FloatArray:
    """(draws, contenders): how far, in the logarithm, the objective in which one that beats it in all is the most
    ahead; 0: no other that meets the SLO beats it in all."""
    shape = (*feasible.shape, feasible.shape[1])
    beats, ahead, most = np.ones(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_), np.zeros(shape)
    for objective in objectives:
        logs = _logarithms(drawn, objective.metric)
        gap = logs[:, :, None] - logs[:, None, :]  # by how much the second of the pair is better
        beats &= gap >= 0.0
        ahead |= gap > 0.0
        most = np.maximum(most, gap)
    found: FloatArray = np.where(beats & ahead & feasible[:, None, :], most, 0.0).max(axis=2)
    return found


def _distances(drawn: Mapping[str, FloatArray], on_front: BoolArray, objectives: Sequence[Objective]) -> FloatArray:
    """(draws, contenders): to the ideal point of the front, as `tuner.front.choose` has it; what is worse than the worst
    of the front in an objective counts as that."""
    squares = np.zeros(on_front.shape)
    for objective in objectives:
        values = drawn[objective.metric] * (-1.0 if objective.direction == "maximize" else 1.0)
        least = np.where(on_front, values, np.inf).min(axis=1, keepdims=True)
        most = np.where(on_front, values, -np.inf).max(axis=1, keepdims=True)
        span = np.where(np.isfinite(most - least) & (most > least), most - least, 1.0)
        squares += np.clip((values - np.where(np.isfinite(least), least, 0.0)) / span, 0.0, 1.0) ** 2
    return np.sqrt(squares)
