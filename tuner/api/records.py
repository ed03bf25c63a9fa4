"""A finished trial as plain data, for a table of one's own."""

from __future__ import annotations

from typing import Literal, TypedDict

from tuner.space.values import Value
from tuner.study.model import Summary
from tuner.trials.model import Purpose, Trial, measured


class Record(TypedDict):
    """One finished trial: one start of one configuration. JSON has room for all of it, and ``pandas.json_normalize``
    makes a table of several, with columns such as ``configuration.workers`` and ``metrics.throughput``."""

    trial: int
    """Counts from 0, the baseline."""
    purpose: Purpose
    outcome: str
    """``measured``, ``stopped``, ``referenced``, ``infeasible``, ``failed`` or ``interrupted``."""
    reason: str
    """Of what was not measured to the end, in words; else empty."""
    slo: Literal["met", "broken", "undecided"] | None
    """None: it was not measured."""
    pareto: bool
    """Its configuration is on the Pareto front."""
    chosen: bool
    """Its configuration is the study's choice."""
    configuration: dict[str, Value]
    metrics: dict[str, float]
    """In SI units (seconds, requests/s, bytes, cores, ratios from 0 to 1); what was not measured is absent."""
    low: dict[str, float]
    """Lower ends of the 95 % intervals, of metrics that have one."""
    high: dict[str, float]
    at_least: list[str]
    """Metrics whose value is a lower bound."""
    manifest: str
    """Digest of the deployed manifest: equal ones are restarts of the same deployment."""
    started_at: str
    """ISO 8601, UTC."""
    duration_s: float


def records(summary: Summary) -> list[Record]:
    """All finished trials of a study, in the order of their numbers."""
    by_number = {trial.number: trial.manifest_digest for trial in summary.trials}
    front = {by_number[member.trial] for member in summary.front.members}
    chosen = None if summary.choice is None else by_number[summary.choice.candidate.trial]
    return [
        _record(trial, pareto=trial.manifest_digest in front, chosen=trial.manifest_digest == chosen)
        for trial in summary.trials
    ]


def _record(trial: Trial, *, pareto: bool, chosen: bool) -> Record:
    measurement = measured(trial)
    found = {} if measurement is None else measurement.estimates()
    return Record(
        trial=trial.number,
        purpose=trial.purpose,
        outcome=type(trial.outcome).__name__.lower(),
        reason=getattr(trial.outcome, "reason", ""),
        slo=trial.state,
        pareto=pareto,
        chosen=chosen,
        configuration=dict(trial.configuration.values),
        metrics={name: one.value for name, one in found.items()},
        low={name: one.low for name, one in found.items() if one.low is not None},
        high={name: one.high for name, one in found.items() if one.high is not None},
        at_least=[name for name, one in found.items() if one.is_least],
        manifest=trial.manifest_digest,
        started_at=trial.started_at.isoformat(),
        duration_s=trial.duration_s,
    )
