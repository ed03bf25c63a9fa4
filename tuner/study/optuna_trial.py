"""What Optuna is told: the search space as its distributions, a configuration and its outcome as a finished trial."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from tuner.front.model import Candidate
from tuner.search.candidates import levels
from tuner.search.scale import scale_of
from tuner.space.active import exists, in_order
from tuner.space.domain import contains, extremes, grid
from tuner.space.metrics import METRICS
from tuner.space.model import Choices, Configuration, Constraint, Domain, IntRange, SearchSpace
from tuner.space.values import Value
from tuner.trials.model import Failed, Interrupted, Measured, Outcome, Referenced, Stopped

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

FAILED = "failed"
"""Constraint of a configuration that could not be measured to the end."""
UNSURE = "not certainly met"
"""Constraint of a configuration that perhaps breaks the SLO."""
_USUAL = {"seconds": ("_ms", 1e3), "bytes": ("_mib", 2.0**-20)}
_FAILED_EXCESS = 100.0
"""Worse than breaking the SLO a hundredfold: a configuration that serves badly is nearer to a good one than this."""
_REASON_LENGTH = 500


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's log and its warnings about experimental interfaces from the user's terminal."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's distribution of a domain."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    low, high = (float(end) for end in extremes(domain))
    if isinstance(domain, IntRange):
        return IntDistribution(int(low), int(high), step=domain.step, log=domain.log)
    return FloatDistribution(low, high, step=domain.step, log=domain.log)


def ordered(domain: Domain) -> tuple[Value, ...] | None:
    """Choices that are numbers, quantities or durations, rising; None: the domain is none of these."""
    scale = scale_of(domain) if isinstance(domain, Choices) and len(domain.values) > 1 else None
    if scale is None or not isinstance(domain, Choices):
        return None
    numbers = [(scale.number(value), value) for value in domain.values]
    told = [(number, value) for number, value in numbers if number is not None]
    return tuple(value for _, value in sorted(told, key=lambda one: one[0])) if len(told) == len(numbers) else None


def drawn_from(domain: Domain) -> BaseDistribution:
    """The distribution that a sampler draws from: that of the domain, but of ordered choices their places in order.

    In the store stand the values themselves, for people; a sampler that took them for unordered categories would learn
    nothing of 1 and 4 for 2.
    """
    from optuna.distributions import IntDistribution

    choices = ordered(domain)
    return distribution(domain) if choices is None else IntDistribution(0, len(choices) - 1)


def as_drawn(space: SearchSpace, configuration: Configuration) -> dict[str, Value]:
    """A configuration in the terms of `drawn_from`.

    The manifest as it stands may have values that the space does not offer. For a number the nearest that it offers
    stands, so that a sampler learns from the baseline too; a word that is no choice is left out.
    """
    drawn: dict[str, Value] = {}
    for name, value in configuration.values.items():
        domain = space.parameter(name).domain
        offered = value if contains(domain, value) else _nearest(domain, value)
        if offered is not None:
            choices = ordered(domain)
            drawn[name] = offered if choices is None else _place(choices, offered)
    return drawn


def suggest(space: SearchSpace, trial: Trial) -> Configuration:
    """Draw every parameter that exists, those that others depend on first."""
    values: dict[str, Value] = {}
    for parameter in in_order(space.parameters):
        if exists(parameter, values):
            values[parameter.name] = _draw(trial, parameter.name, parameter.domain)
    return Configuration(values=values)


def finished(space: SearchSpace, configuration: Configuration, digest: str, outcome: Outcome) -> FrozenTrial:
    """The trial as Optuna keeps it.

    Measured in all that the study aims at and bounds: COMPLETE, with the excess of each SLO metric as a constraint.
    Failed by the configuration's own fault: PRUNED, with constraints that are broken, from which TPE learns to stay
    away (it ranks trials by their constraints whatever their state). By the environment's fault, or interrupted: FAIL,
    which samplers pass over; so they do a reference.
    """
    from optuna.trial import TrialState, create_trial

    metrics = outcome.measurement.metrics() if isinstance(outcome, Measured | Stopped) else {}
    constraints = {_key(bound): bound.excess(metrics[bound.metric]) for bound in space.slo if bound.metric in metrics}
    values: list[float] | None = None
    if lost(outcome):
        state = TrialState.FAIL
    elif isinstance(outcome, Measured) and _complete(space, metrics):
        state = TrialState.COMPLETE
        values = [metrics[objective.metric] for objective in space.objectives]
    else:
        state = TrialState.PRUNED
        if all(excess <= 0 for excess in constraints.values()):
            constraints[FAILED] = _FAILED_EXCESS
    params = in_domain(space, configuration)
    reason = "" if isinstance(outcome, Measured | Referenced) else outcome.reason[:_REASON_LENGTH]
    return create_trial(
        state=state,
        values=values,
        params=params,
        distributions={name: distribution(space.parameter(name).domain) for name in params},
        constraints=constraints,
        user_attrs={"digest": digest, "outcome": type(outcome).__name__, "reason": reason, **_in_usual_units(metrics)},
    )


def at(trial: FrozenTrial, started_at: datetime, duration_s: float) -> FrozenTrial:
    """The trial when it was: Optuna keeps the local time, without its zone."""
    found = copy(trial)
    found.datetime_start = started_at.astimezone().replace(tzinfo=None)
    found.datetime_complete = found.datetime_start + timedelta(seconds=duration_s)
    return found


def settled(
    trial: FrozenTrial, number: int, space: SearchSpace, candidate: Candidate, numbers: Sequence[int]
) -> FrozenTrial:
    """Trial `number`, a measured one, as the study's front has it; `numbers` are the measured starts of its
    configuration.

    The first one stands for all, with the medians that are reported. The others keep what they measured, but are no
    candidates beside it: a constraint says so to Optuna. They, and what does not certainly meet the SLO, are PRUNED, since
    optuna-dashboard draws its front through all that is COMPLETE, whatever its constraints.
    """
    from optuna.trial import TrialState, create_trial

    values, notes = trial.values, trial.user_attrs
    if number != numbers[0]:
        constraints = {**trial.constraints, f"restart of trial {numbers[0]}": 1.0}
    else:
        medians = candidate.metrics
        values = [medians[one.metric] for one in space.objectives]
        notes = {**notes, "median of trials": " ".join(map(str, candidate.measured_by))}
        constraints = {_key(one): one.excess(medians[one.metric]) for one in space.slo if one.metric in medians}
        if not candidate.feasible and all(excess <= 0.0 for excess in constraints.values()):
            constraints[UNSURE] = 1.0
    is_candidate = all(excess <= 0.0 for excess in constraints.values())
    found = create_trial(
        state=TrialState.COMPLETE if is_candidate else TrialState.PRUNED,
        values=values,
        params=trial.params,
        distributions=trial.distributions,
        constraints=constraints,
        user_attrs=notes,
    )
    found.datetime_start, found.datetime_complete = trial.datetime_start, trial.datetime_complete
    return found


def _in_usual_units(metrics: Mapping[str, float]) -> dict[str, float]:
    """Numbers that can be drawn, with their units in their names."""
    found = {}
    for name, value in metrics.items():
        suffix, factor = _USUAL.get(METRICS[name].unit, ("", 1.0))
        found[name + suffix] = value * factor
    return found


def lost(outcome: Outcome) -> bool:
    """Whether it says nothing of the configuration: a reference, interrupted, or failed by the environment's fault."""
    return isinstance(outcome, Referenced | Interrupted) or (
        isinstance(outcome, Failed) and outcome.blame == "environment"
    )


def in_domain(space: SearchSpace, configuration: Configuration) -> dict[str, Value]:
    """The values Optuna can hold: the manifest as it stands may have some that the search space does not offer."""
    return {
        name: value for name, value in configuration.values.items() if contains(space.parameter(name).domain, value)
    }


def _complete(space: SearchSpace, metrics: Mapping[str, float]) -> bool:
    wanted = {objective.metric for objective in space.objectives} | {bound.metric for bound in space.slo}
    return wanted <= metrics.keys()


def _key(bound: Constraint) -> str:
    return f"{bound.metric} at least" if bound.at_least else bound.metric


def _place(choices: tuple[Value, ...], value: Value) -> int:
    return next(at for at, one in enumerate(choices) if type(one) is type(value) and one == value)


def _nearest(domain: Domain, value: Value) -> Value | None:
    """The value of the domain that is nearest on its natural scale; None: it, or the domain, has no order."""
    scale = scale_of(domain)
    number = None if scale is None else scale.number(value)
    if scale is None or number is None:
        return None
    place = scale.place(number)

    def distance(other: Value) -> float:
        there = scale.number(other)
        return math.inf if there is None else abs(scale.place(there) - place)

    return min(levels(domain), key=distance)


def _draw(trial: Trial, name: str, domain: Domain) -> Value:
    choices = ordered(domain)
    if choices is not None:
        return choices[trial.suggest_int(name, 0, len(choices) - 1)]
    if isinstance(domain, Choices):
        return cast("Value", trial.suggest_categorical(name, domain.values))
    low, high = (float(end) for end in extremes(domain))
    if isinstance(domain, IntRange):
        return trial.suggest_int(name, int(low), int(high), step=domain.step, log=domain.log)
    return _on_grid(domain, trial.suggest_float(name, low, high, step=domain.step, log=domain.log))


def _on_grid(domain: Domain, drawn: float) -> Value:
    """Optuna's arithmetic may give 0.30000000000000004 where the domain has 0.3."""
    values = grid(domain)
    return drawn if values is None else min(values, key=lambda value: abs(float(value) - drawn))
