"""A run's name and tags. Pure. A tag that would say ``false`` is left out: what is not tagged is not so."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from tuner.record.wording import outcome_text
from tuner.study.model import StudyStart, Summary
from tuner.trials.model import Trial

STUDY_ID, TRIAL, ATTEMPT = "tuner.study_id", "tuner.trial", "tuner.attempt"
"""By which runs are found again; `ATTEMPT` tells a trial run again after an interruption from its first run."""
DIGEST, PARETO, CHOSEN = "digest", "pareto", "chosen"


def run_name(trial: Trial, first: int | None) -> str:
    """What no column says: ``12``, ``0 baseline``, ``16 restart of 6``. `first`: number of the first trial of the same
    manifest."""
    what = {
        "baseline": "baseline",
        "search": "",
        "confirm": "restart",
        "again": "measured again",
        "reference": "reference",
    }[trial.purpose]
    of = f"{what} of {first}" if trial.purpose in ("confirm", "again") and first not in (None, trial.number) else what
    return f"{trial.number} {of}".rstrip()


def outcome_name(trial: Trial) -> str:
    """One word: ``measured``, ``stopped``, ``infeasible``, ``failed`` or ``interrupted``."""
    return type(trial.outcome).__name__.lower()


def trial_tags(trial: Trial) -> dict[str, str]:
    """Those that do not change any more. Without those that are empty."""
    tags = {
        "feasible": _flag(trial.feasible),
        "baseline": _flag(trial.purpose == "baseline"),
        "purpose": trial.purpose,
        "outcome": outcome_name(trial),
        "slo": trial.state or "",
        "reason": "" if trial.feasible else outcome_text(trial),
        DIGEST: trial.manifest_digest,
    }
    measurement = trial.measurement
    if measurement is not None:
        tags["currency"] = measurement.currency
        tags["throughput_note"] = measurement.throughput_note
        tags["lower_bounds"] = ", ".join(name for name, one in measurement.estimates().items() if one.is_least)
        tags["warnings"] = "; ".join(measurement.warnings)
        tags["not_enforced"] = "; ".join(measurement.not_enforced)
        tags["admitted"] = "; ".join(measurement.admitted)
        tags["images"] = "; ".join(measurement.images)
        tags["load_from"] = measurement.load_from
    return {name: value for name, value in tags.items() if value}


def verdict_tags(summary: Summary) -> dict[int, frozenset[str]]:
    """By trial, which of ``pareto`` and ``chosen`` it carries: a configuration's first run does, its restarts never."""
    front = {member.trial for member in summary.front.members}
    chosen = summary.choice.candidate.trial if summary.choice else None
    return {
        trial.number: frozenset(
            tag
            for tag, carried in ((PARETO, trial.number in front), (CHOSEN, trial.number == chosen))
            if carried and trial.purpose not in ("confirm", "again")
        )
        for trial in summary.trials
    }


def source_tags(start: StudyStart, user: str, commit: str) -> dict[str, str]:
    """Who ran the study, with what command, of which commit; each may be empty, and is left out then."""
    tags = {
        "mlflow.user": user,
        "mlflow.source.name": command(start, whole=False),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
    }
    return {name: value for name, value in tags.items() if value}


def command(start: StudyStart, *, whole: bool = True) -> str:
    """That makes such a study again. Less than `whole`: files by their names, for MLflow cuts off what stands before the
    last slash."""
    file = Path(start.space_file)
    shown = start.space_file if whole else file.parent.name if file.name == "space.yaml" else file.name
    said: Mapping[str, str | None] = {
        "--backend": None if start.backend == "process" else start.backend,
        "--table": start.table if whole or start.table is None else Path(start.table).name,
        "--namespace": start.namespace,
        "--context": start.context if whole else None,
        "--trials": None if start.budget.trials is None else str(start.budget.trials),
        "--sampler": None if start.sampler == "auto" else start.sampler,
        "--seed": None if start.seed == 0 else str(start.seed),
        "--pick": None if start.pick == "knee" else start.pick,
    }
    options = [shlex.quote(text) for option, value in said.items() if value for text in (option, value)]
    return " ".join(["tune run", shlex.quote(shown), *options])


def first_of(digest: str, digests: Iterable[tuple[int, str]]) -> int | None:
    """Number of the first trial of a manifest, of those that are known."""
    return min((number for number, other in digests if other == digest), default=None)


def _flag(value: bool) -> str:
    return "true" if value else ""
