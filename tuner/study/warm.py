"""What earlier studies say of today's search space: their trials, told in today's parameters and metrics.

A parameter that is new today had the value of the manifest then; of one that is gone, only those trials count that had
the value the manifest has today. A metric counts only where it means the same: the same load, the same SLO where it is
defined by that, the same prices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.search.model import Observation
from tuner.space.active import active
from tuner.space.domain import contains, own
from tuner.space.metrics import METRICS
from tuner.space.model import Configuration, SearchSpace
from tuner.space.values import Value, same
from tuner.trials.model import EarlierStudy, EarlierTrial, StudyStart
from tuner.units import format_rate
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import Trace

_WITHOUT_LOAD = frozenset({"startup"})
"""Mean the same however the server is loaded."""
_SAME_RATE = 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a study's numbers depend on besides the configuration."""

    space: SearchSpace
    rate_rps: float | None
    """The common rate; None: not fixed yet."""
    backend: str
    machine: Mapping[str, str]
    manifest: str
    """The text of the manifest as it stands."""


def earlier_study(
    start: StudyStart,
    observations: Sequence[Observation],
    *,
    then: Terms,
    now: Terms,
    new: Configuration,
    gone: Configuration,
) -> EarlierStudy:
    """The study that began with `start`, and what it observed, in today's terms.

    `new`: the values of today's parameters in the manifest then; `gone`: those of the parameters then in the manifest
    today.
    """
    told: list[str] = []
    usable = _usable_metrics(then, now, told)
    names = {parameter.name for parameter in now.space.parameters}
    known = {parameter.name for parameter in then.space.parameters}
    for name in sorted(names - known):
        value = new.values.get(name)
        told.append(f"{name} is new: it was {'not set' if value is None else value} in the manifest then")
    trials, otherwise, outside = [], 0, set[str]()
    for one in observations:
        if one.source or one.pending:
            continue
        if any(not _alike(one.configuration.values.get(name), gone.values.get(name)) for name in known - names):
            otherwise += 1
            continue
        configuration = _today(now.space, one.configuration, new)
        metrics = {metric: value for metric, value in one.metrics.items() if metric in usable}
        if one.lived and not metrics:
            continue
        outside |= _outside(now.space, configuration)
        trials.append(
            EarlierTrial(
                configuration=configuration,
                metrics=metrics,
                beyond=tuple(sorted(one.beyond & metrics.keys())),
                lived=bool(one.lived),
                failure=one.failure,
                at_s=one.at_s,
                speed=one.speed,
            )
        )
    told += [
        f"{name} is no longer tuned: trials count where it was {gone.values.get(name, 'not set')}, as today"
        for name in sorted(known - names)
    ]
    if otherwise:
        told.append(f"{otherwise} of {len(observations)} trials are left out for that")
    if outside:
        told.append(f"values of {', '.join(sorted(outside))} that are not offered today are learned from all the same")
    return EarlierStudy(name=start.name, study_id=start.study_id, told=tuple(told), trials=tuple(trials))


def from_earlier(start: StudyStart) -> tuple[Observation, ...]:
    """What the earlier studies of a study's first line observed."""
    return tuple(
        Observation(
            configuration=trial.configuration,
            metrics=trial.metrics,
            beyond=frozenset(trial.beyond),
            lived=trial.lived,
            failure=trial.failure,
            at_s=trial.at_s,
            speed=trial.speed,
            source=f"{study.name} {study.study_id}",
        )
        for study in start.warm_start
        for trial in study.trials
    )


def _today(space: SearchSpace, configuration: Configuration, new: Configuration) -> Configuration:
    """In today's spelling of the values, where it has one."""
    values: dict[str, Value] = {}
    for parameter in space.parameters:
        name = parameter.name
        value = configuration.values.get(name, new.values.get(name))
        if value is not None:
            spelt = own(parameter.domain, value)
            values[name] = value if spelt is None else spelt
    return Configuration(values=active(space.parameters, values))


def _outside(space: SearchSpace, configuration: Configuration) -> set[str]:
    return {name for name, value in configuration.values.items() if not contains(space.parameter(name).domain, value)}


def _alike(one: Value | None, other: Value | None) -> bool:
    return one is other if one is None or other is None else same(one, other)


def _usable_metrics(then: Terms, now: Terms, told: list[str]) -> frozenset[str]:
    """The metrics that mean the same; why others do not is added to `told`."""
    usable = set(METRICS)
    if (differs := _asked_otherwise(then, now)) is not None:
        told.append(f"{differs}: only start-up times, and what did not start, are learned from")
        usable &= _WITHOUT_LOAD
    rate = now.rate_rps
    if rate is None and then.rate_rps is not None:
        told.append(f"today's common rate is not fixed yet, and was {format_rate(then.rate_rps)} then")
    elif rate is not None and then.rate_rps is not None and not _close(rate, then.rate_rps):
        was, is_now = format_rate(then.rate_rps), format_rate(rate)
        told.append(f"the common rate was {was}, and is {is_now}: what was measured at it is not used")
        usable &= _WITHOUT_LOAD | {"throughput", "cost"}
    if set(then.space.slo) != set(now.space.slo):
        told.append("the SLO was another: throughput, the highest rate that meets it, is not used")
        usable.discard("throughput")
    if then.space.prices != now.space.prices:
        told.append("prices were others: cost is not used")
        usable.discard("cost")
    before = {"backend": then.backend, **then.machine}
    today = {"backend": now.backend, **now.machine}
    for what in sorted(before.keys() & today.keys()):
        if before[what] != today[what]:
            was, is_now = before[what], today[what]
            told.append(f"{what} was {was}, and is {is_now}: what contradicts today's trials counts less")
    if then.manifest != now.manifest:
        told.append("the manifest was another: what contradicts today's trials counts less")
    return frozenset(usable)


def _close(one: float, other: float) -> bool:
    return max(one, other) <= _SAME_RATE * min(one, other)


def _asked_otherwise(then: Terms, now: Terms) -> str | None:
    """In what the load differs; None: in nothing."""
    before, today = _load(then), _load(now)
    differing = [name for name in before if before[name] != today[name]]
    if not differing:
        return None
    return f"the load was another ({', '.join(differing)})"


def _load(terms: Terms) -> Mapping[str, object]:
    load: WorkloadSpec = terms.space.workload
    names = ("protocol", "arrival", "cv", "think_s", "path", "method", "model")
    sources = [(_content(one.path), one.weight, one.template) for one in load.requests]
    shape = (
        (_content(load.shape.path), replace(load.shape, path=Path())) if isinstance(load.shape, Trace) else load.shape
    )
    return {**{name: getattr(load, name) for name in names}, "shape": shape, "requests": sources}


def _content(path: Path) -> str:
    """A digest of a request's body; of one that is gone, its name, which nothing equals but the same."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return path.name
