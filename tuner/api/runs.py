"""Studies run from a program."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from tuner.api.records import Record
from tuner.api.space import Space
from tuner.api.study import Pick, Study
from tuner.search.model import Outlook
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Trial

_log = logging.getLogger("tuner")

OnTrial = Callable[[Record], object]
OnStage = Callable[[int, str], object]


def run(
    space: Space,
    *,
    name: str | None = None,
    studies: str | Path = "studies",
    trials: int | None = None,
    time_s: float | None = None,
    gain: float | None = None,
    confirm: int | None = None,
    sampler: str = "auto",
    seed: int = 0,
    pick: Pick = "knee",
    warm_start: Sequence[Study] = (),
    tracking_uri: str | None = None,
    on_trial: OnTrial | None = None,
    on_stage: OnStage | None = None,
) -> Study:
    """Run a study to the end of its budget, as `tune run` does; what is None is as the search space says.

    `name` None: the space's, with a number where it is taken. `tracking_uri`: MLflow's store, such as
    ``sqlite:///mlflow.db``; None: nothing is recorded there, and `tune sync` can do it later. `on_trial` hears each
    trial that finished, `on_stage` its number and what is being done with it; one that raises is called no more, and
    the study goes on. What the command prints as notices goes to the logger ``tuner``.

    Raises InputError before anything is started, EnvironmentFailure where the machine, the cluster or a store fails,
    and KeyboardInterrupt, with what was deployed taken down and the state kept: `resume` goes on.
    """
    from tuner.commands.run import StudySettings
    from tuner.commands.run import run as run_study

    settings = StudySettings(
        backend=space.backend,
        name=name,
        studies=Path(studies),
        trials=trials,
        time_s=time_s,
        gain=gain,
        confirm=confirm,
        seed=seed,
        sampler=sampler,
        warm_start=tuple(one._paths for one in warm_start),
        pick=pick,
        tracking_uri=tracking_uri,
        table=space.table,
    )
    told = Told(Path(studies), on_trial, on_stage)
    folder, _ = run_study(space._inputs(seed), settings, told, _log.info)
    return Study(folder.root)


def resume(
    study: Study,
    *,
    trials: int | None = None,
    time_s: float | None = None,
    gain: float | None = None,
    confirm: int | None = None,
    on_trial: OnTrial | None = None,
    on_stage: OnStage | None = None,
) -> Study:
    """Go on with a study that was interrupted, or give a finished one more of its budget; nothing that was finished runs
    again. Raises as `run` does."""
    from tuner.commands.run import StudySettings
    from tuner.commands.run import resume as resume_study
    from tuner.targets.inputs import inputs_of

    folder = study._paths
    settings = StudySettings(trials=trials, time_s=time_s, gain=gain, confirm=confirm, tracking_uri=None)
    told = Told(study.folder.parent, on_trial, on_stage)
    resume_study(folder, inputs_of(folder), settings, told, _log.info)
    return study


class Told:
    """Hands what a study tells its recorders to the caller's functions."""

    def __init__(self, studies: Path, on_trial: OnTrial | None, on_stage: OnStage | None) -> None:
        self._studies = studies
        self._on_trial = on_trial
        self._on_stage = on_stage
        self._study = Study(studies)

    def started(self, start: StudyStart) -> None:
        self._study = Study(self._studies / start.name)

    def proposed(self, proposal: Proposal) -> None:
        pass

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        pass

    def stage(self, number: int, stage: str) -> None:
        if self._on_stage is not None:
            self._on_stage(number, stage)

    def finished(self, trial: Trial) -> None:
        if self._on_trial is not None:
            self._on_trial(self._study.records()[trial.number])

    def closed(self, summary: Summary) -> None:
        pass
