"""What `tune record` does: journals in, a table out that a replay reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import tuner
from tuner.backends.replay.columns import write
from tuner.backends.replay.model import Start
from tuner.errors import InputError
from tuner.measure.model import Measurement
from tuner.space.model import SearchSpace
from tuner.targets.inputs import space_of
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import JournalContents, read
from tuner.trials.model import Failed, Infeasible, Measured, Stopped, StudyStart, Trial
from tuner.units import format_rate

_SAME_RATE = 1.01
"""Common rates that differ by less compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    text: str
    """The table."""
    rows: int
    configurations: int
    said: tuple[str, ...]
    """What must be known of it, in sentences."""


def record(folders: Sequence[StudyFolder]) -> Recording:
    """One table of the trials of several studies of one space; restarts are rows, failures too.

    Trials that say nothing of their configuration (interrupted, or failed by the environment's fault) are left out.
    Raises InputError for studies whose parameters differ.
    """
    studies = [(folder, read(folder.journal)) for folder in folders]
    names = _parameters([(folder, space_of(folder, contents.start)) for folder, contents in studies])
    starts: list[Start] = []
    lost = 0
    for folder, contents in studies:
        found = [start for trial in contents.trials if (start := _start(folder.name, trial)) is not None]
        lost += len(contents.trials) - len(found)
        starts.extend(found)
    said = []
    if lost:
        said.append(
            "1 trial says nothing of its configuration and is left out"
            if lost == 1
            else f"{lost} trials say nothing of their configuration and are left out"
        )
    rates = sorted({start.rate_rps for start in starts if start.rate_rps})
    if rates and rates[-1] > _SAME_RATE * rates[0]:
        between = f"{format_rate(rates[0])} and {format_rate(rates[-1])}"
        said.append(f"the common rates lie between {between}: latencies of different rates do not compare")
    return Recording(
        text=write(starts, names, _provenance([contents for _, contents in studies])),
        rows=len(starts),
        configurations=len({start.configuration.digest for start in starts}),
        said=tuple(said),
    )


def _parameters(spaces: Sequence[tuple[StudyFolder, SearchSpace]]) -> tuple[str, ...]:
    first, space = spaces[0]
    names = tuple(parameter.name for parameter in space.parameters)
    for folder, other in spaces[1:]:
        others = {parameter.name for parameter in other.parameters}
        if others != set(names):
            differing = ", ".join(sorted(others ^ set(names)))
            message = f"its parameters are not those of {first.name}: {differing}"
            raise InputError.at(folder.journal, message, "record them into two tables")
    return names


def _provenance(studies: Sequence[JournalContents]) -> dict[str, str]:
    starts = [contents.start for contents in studies]
    return {
        "source": f"tune record of {', '.join(start.name for start in starts)}, tuner {tuner.__version__}",
        "machine": _all(", ".join(f"{name}: {text}" for name, text in start.machine.items()) for start in starts),
        "backend": _all(start.backend for start in starts),
        "slo": _all(_slo(start) for start in starts),
    }


def _slo(start: StudyStart) -> str:
    return ", ".join(f"{bound.metric} {'>=' if bound.at_least else '<='} {bound.bound:g}" for bound in start.slo)


def _all(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _start(study: str, trial: Trial) -> Start | None:
    """None: it says nothing of its configuration."""
    start = Start(
        configuration=trial.configuration,
        study=study,
        trial=trial.number,
        started_at=trial.started_at.isoformat(timespec="milliseconds"),
        duration_s=round(trial.duration_s, 3),
    )
    match trial.outcome:
        case Measured(measurement=measurement):
            return _measured(start, measurement)
        case Stopped(measurement=measurement, reason=reason):
            return replace(_measured(start, measurement), ending="stopped", reason=reason)
        case Failed(blame="configuration", kind=kind, stage=stage, reason=reason):
            return replace(start, ending="failed", kind=kind, stage=stage, reason=reason)
        case Infeasible(reason=reason):
            return replace(start, ending="infeasible", reason=reason)
    return None


def _measured(start: Start, measurement: Measurement) -> Start:
    at_rate = measurement.at_rate
    return replace(
        start,
        metrics=measurement.estimates(),
        beyond_s=at_rate.beyond_s,
        rate_rps=at_rate.offered_rps or None,
        speed=measurement.speed,
    )
