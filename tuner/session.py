"""The composition root: from settings to objects to the loop, and from a study's folder back to what it found.

Everything here is wiring; what a part does is said in its own room.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import tuner
from tuner.errors import InputError, Problem, Where
from tuner.inputs import Inputs, read_inputs
from tuner.record.model import Recorder
from tuner.space.model import Budget
from tuner.study.model import StudyStart, Summary
from tuner.trials.folder import StudyFolder

Notice = Callable[[str], None]
DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line adds to a search space. None: as the search space says."""

    backend: str = "process"
    name: str | None = None
    studies: Path = Path("studies")
    trials: int | None = None
    time_s: float | None = None
    confirm: int | None = None
    seed: int = 0
    sampler: str = "tpe"
    pick: str = "knee"
    storage_url: str | None = None
    """Optuna's storage; None: SQLite in the study's folder."""
    tracking_uri: str | None = DEFAULT_TRACKING_URI
    """MLflow's store; None: nothing is recorded there."""


def run(inputs: Inputs, settings: Settings, console: Recorder, notice: Notice) -> tuple[StudyFolder, Summary]:
    """Start a study and run it to the end of its budget.

    Raises InputError before anything is started, EnvironmentFailure, and KeyboardInterrupt with the state kept.
    """
    from tuner.space.digest import input_digest

    budget = _budget(inputs.space.budget, settings.trials, settings.time_s, settings.confirm)
    space = replace(inputs.space, budget=budget)
    folder = _new_folder(settings.studies, settings.name, space.name)
    start = StudyStart(
        name=folder.name,
        study_id=secrets.token_hex(4),
        space_file=str(space.file.resolve()),
        input_digest=input_digest(space),
        objectives=space.objectives,
        slo=space.slo,
        budget=budget,
        backend=settings.backend,
        sampler=settings.sampler,
        seed=settings.seed,
        pick=settings.pick,
        storage_url=settings.storage_url or folder.storage_url,
        tracking_uri=settings.tracking_uri,
        tuner_version=tuner.__version__,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine={**inputs.backend.describe(), "python": sys.version.split()[0]},
    )
    return folder, _go(folder, start, replace(inputs, space=space), console, notice)


def inputs_of(folder: StudyFolder) -> Inputs:
    """The inputs a study was started with. Raises InputError where they changed since: its trials would not compare."""
    from tuner.space.digest import input_digest
    from tuner.trials.journal import read

    start = read(folder.journal).start
    inputs = read_inputs(Path(start.space_file), start.backend)
    if input_digest(inputs.space) != start.input_digest:
        changed = f"the search space, its manifest or a request changed since study {start.name} began"
        fix = "start a new study with `tune run`, or bring the files back as they were"
        raise InputError([Problem(where=Where(file=start.space_file), message=changed, fix=fix)])
    return inputs


def resume(
    folder: StudyFolder, inputs: Inputs, *, trials: int | None, time_s: float | None, console: Recorder, notice: Notice
) -> Summary:
    """Go on with a study that was interrupted, or give a finished one more trials. Raises as `run` does."""
    from tuner.trials.journal import read

    start = read(folder.journal).start
    start = replace(start, budget=_budget(start.budget, trials, time_s, None))
    return _go(folder, start, replace(inputs, space=replace(inputs.space, budget=start.budget)), console, notice)


def _go(folder: StudyFolder, start: StudyStart, inputs: Inputs, console: Recorder, notice: Notice) -> Summary:
    raise NotImplementedError


def _budget(budget: Budget, trials: int | None, time_s: float | None, confirm: int | None) -> Budget:
    return Budget(
        trials=trials if trials is not None else budget.trials,
        time_s=time_s if time_s is not None else budget.time_s,
        confirm=confirm if confirm is not None else budget.confirm,
    )


def _new_folder(studies: Path, name: str | None, default: str) -> StudyFolder:
    """A folder no study has yet: the name asked for, or the space's with the next free number."""
    if name is not None:
        if (studies / name).exists():
            fix = f"go on with `tune resume {name}`, or choose another name"
            raise InputError(
                [Problem(where=Where(file=str(studies / name)), message="a study is there already", fix=fix)]
            )
        return StudyFolder(studies / name)
    number = 1
    while (studies / (default if number == 1 else f"{default}-{number}")).exists():
        number += 1
    return StudyFolder(studies / (default if number == 1 else f"{default}-{number}"))
