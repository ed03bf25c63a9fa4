"""The choice of one configuration from the front, with its reason in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tuner.front.model import Candidate, Choice, Front
from tuner.front.pareto import as_losses
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint, Objective
from tuner.statistics.model import FloatArray
from tuner.units import format_metric, least

PICKS = ("knee", "throughput", "latency", "cost")

_ROUNDING = 1e-9
"""Distances that differ by rounding alone are equal: the choice must not hang on units or order."""
LATENCIES = ("latency_p99", "latency_p95", "latency_p99.9", "latency_p90", "latency_p50")
"""The latency that `latency` goes by when none is an objective: the first of these that was measured."""


def choose(front: Front, pick: str, where: Sequence[Constraint] = ()) -> Choice | None:
    """One member of the front that satisfies every constraint of `where`; None when there is none.

    ``throughput``, ``latency`` and ``cost`` take the best member in that metric. ``latency`` goes by the latency among
    the objectives, else by p99. ``knee`` takes the member nearest to the ideal point, which has the best value of each
    objective found on the front: the Euclidean distance after scaling each objective so that its best value on the
    front is 0 and its worst 1 (compromise programming: Yu 1973; Zeleny 1973). The scale is that of the whole front, so
    `where` does not move the ideal. With one objective it is the best member. Ties go to the member that comes first.

    Raises ValueError for a pick not in `PICKS`. `where` may bound any metric; a member in which it was not measured
    does not satisfy it. To choose among candidates that another candidate dominates only outside `where`, make the
    front of `satisfying` candidates first.
    """
    if pick not in PICKS:
        raise ValueError(f"unknown pick {pick!r}: one of {', '.join(PICKS)}")
    members = satisfying(front.members, where)
    if not members:
        return None
    if pick == "knee":
        return _knee(front, members)
    metric = _latency(front, members) if pick == "latency" else pick
    return _best(members, metric, pick, len(front.members))


def knee_ties(front: Front, chosen: int) -> tuple[int, ...]:
    """The trials of the other members that are as near to the ideal as this one: of two points each is, where each is
    best in one objective and worst in the other. Empty where `chosen` is no member, or none is."""
    place = next((place for place, member in enumerate(front.members) if member.trial == chosen), None)
    if place is None or len(front.objectives) < 2:
        return ()
    distances = _distances(front, front.members)
    near = np.flatnonzero(np.abs(distances - distances[place]) <= _ROUNDING)
    return tuple(front.members[index].trial for index in near if index != place)


def by_trial(candidates: Iterable[Candidate], number: int) -> Choice | None:
    """The candidate of a trial the user named; None when that trial is no candidate's first."""
    for candidate in candidates:
        if candidate.trial == number:
            words = "meets the SLO" if candidate.feasible else "does not meet the SLO"
            if candidate.undecided:
                words = f"is undecided whether it meets the SLO ({', '.join(candidate.undecided)})"
            return Choice(candidate=candidate, pick="trial", reason=f"trial {number} was asked for; it {words}")
    return None


def by_race(candidate: Candidate, objectives: Sequence[Objective]) -> str:
    """The reason for a choice that was measured again: what its starts came to."""
    measured = [objective.metric for objective in objectives if objective.metric in candidate.metrics]
    values = ", ".join(_value(candidate, metric) for metric in measured)
    starts = len(candidate.measured_by)
    return f"by {starts} start{'s' if starts > 1 else ''}{': ' if values else ''}{values}"


def satisfying(candidates: Iterable[Candidate], where: Sequence[Constraint]) -> tuple[Candidate, ...]:
    """The candidates that satisfy every constraint; an unmeasured metric satisfies none."""
    return tuple(
        candidate
        for candidate in candidates
        if all(
            bound.metric in candidate.metrics and bound.excess(candidate.metrics[bound.metric]) <= 0.0
            for bound in where
        )
    )


def _knee(front: Front, members: Sequence[Candidate]) -> Choice:
    distances = _distances(front, members)
    nearest = int(np.flatnonzero(distances <= distances.min() + _ROUNDING)[0])
    chosen = members[nearest]
    values = ", ".join(_value(chosen, objective.metric) for objective in front.objectives)
    if len(front.objectives) == 1:
        reason = f"the best of the front: {values}"
    elif len(front.members) == 1:
        reason = f"the only member of the front, best in every objective: {values}"
    else:
        reason = (
            f"of {len(members)} on the front the nearest to the ideal of all objectives, at a distance of "
            f"{distances[nearest]:.2g} (0: best in all, 1: worst in one): {values}"
        )
    return Choice(candidate=chosen, pick="knee", reason=reason)


def _distances(front: Front, members: Sequence[Candidate]) -> FloatArray:
    """Of each member to the ideal point, each objective scaled to 0 to 1 over the front."""
    losses = as_losses(front.members, front.objectives)
    best, span = losses.min(axis=0), np.ptp(losses, axis=0)
    scaled = (as_losses(members, front.objectives) - best) / np.where(span > 0.0, span, 1.0)
    return np.asarray(np.sqrt((scaled**2).sum(axis=1)), dtype=np.float64)


def _best(members: Sequence[Candidate], metric: str | None, pick: str, on_front: int) -> Choice | None:
    measured = [member for member in members if metric in member.metrics]
    if metric is None or not measured:
        return None
    sign = -1.0 if METRICS[metric].better == "maximize" else 1.0
    chosen = min(measured, key=lambda member: sign * member.metrics[metric])
    extreme = "highest" if sign < 0.0 else "lowest"
    among = f"{on_front} on the front" if len(members) == on_front else f"the {len(members)} of {on_front} allowed"
    reason = f"the {extreme} {metric} among {among}: {_value(chosen, metric)}"
    return Choice(candidate=chosen, pick=pick, reason=reason)


def _latency(front: Front, members: Sequence[Candidate]) -> str | None:
    aimed_at = [objective.metric for objective in front.objectives if objective.metric in LATENCIES]
    measured = [name for name in LATENCIES if any(name in member.metrics for member in members)]
    return next(iter([*aimed_at, *measured]), None)


def _value(candidate: Candidate, metric: str) -> str:
    value, unit = candidate.metrics[metric], METRICS[metric].unit
    # The currency is not known here, and a wrong one is worse than none.
    text = f"{value:.3g}/h" if unit == "money_per_hour" else format_metric(unit, value)
    return f"{metric} {least(text, is_least=metric in candidate.least)}"
