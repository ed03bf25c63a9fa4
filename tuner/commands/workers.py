"""Who runs the trials of a study: this process, one after the other, or processes of their own beside each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tuner.backends.model import Backend
from tuner.targets.inputs import Inputs
from tuner.trials.folder import StudyFolder

if TYPE_CHECKING:
    from tuner.commands.claim import Claim
    from tuner.study.model import Workers
    from tuner.trials.clock import Clock
    from tuner.trials.database.connection import Database
    from tuner.trials.journal import JournalContents
    from tuner.trials.life import TrialRunner
    from tuner.trials.load_source import LoadSource, Place
    from tuner.trials.model import StudyStart
    from tuner.trials.quiet import Quiet

_TRIALS = (sys.executable, "-P", "-m", "tuner.cli.trials")


@contextmanager
def source_of_load(
    backend: Backend,
    *,
    beside: bool,
    study: str,
    place: Place | None,
    image: str | None,
    cpus: int,
    study_name: str,
    notice: Callable[[str], None],
) -> Iterator[LoadSource]:
    """Where the load of a study comes from, as `load_source` has it. `beside`: its trials run in processes of their own,
    each of which then has one; here it is seen that it works. Raises as that does."""
    from tuner.trials.load_source import load_source

    with load_source(
        backend, study=study, place=place, image=image, cpus=cpus, study_name=study_name, notice=notice
    ) as load:
        if not beside:
            yield load
            return
    yield load


def load_of(
    start: StudyStart, backend: Backend, *, beside: bool, notice: Callable[[str], None]
) -> AbstractContextManager[LoadSource]:
    """Of a study that has begun, where it came from then. Raises as `load_source` does."""
    return source_of_load(
        backend,
        beside=beside,
        study=start.study_id,
        place=start.load,
        image=start.load_image,
        cpus=start.load_cpus,
        study_name=start.name,
        notice=notice,
    )


def runner(
    folder: StudyFolder,
    inputs: Inputs,
    known: JournalContents,
    load: LoadSource,
    *,
    clock: Clock,
    quiet: Quiet,
    on_stage: Callable[[int, str], None],
    on_rate: Callable[[float], None],
) -> TrialRunner:
    """What runs a study's trials in this process; `known`: all that its journal holds by now."""
    from tuner.study.summary import rate
    from tuner.trials.life import TrialRunner
    from tuner.trials.lookout import Allowance
    from tuner.trials.traffic import ExpectedAnswers

    return TrialRunner(
        space=inputs.space,
        backend=inputs.backend,
        generator=load.generator,
        traffic=replace(inputs.traffic, expected=ExpectedAnswers(folder.answers)),
        folder=folder,
        study_id=known.start.study_id,
        clock=clock,
        quiet=quiet,
        on_stage=on_stage,
        on_rate=on_rate,
        rate_rps=inputs.space.workload.rate_rps or rate(known),
        allowance=Allowance.of(known.trials) if known.start.disturbed == "remeasure" else None,
    )


@contextmanager
def workers(
    claim: Claim,
    inputs: Inputs,
    start: StudyStart,
    load: LoadSource,
    *,
    cpus: Collection[int],
    database: Database | None,
    clock: Clock,
    quiet: Quiet,
    on_stage: Callable[[int, str], None],
    on_rate: Callable[[float], None],
    notice: Callable[[str], None],
) -> Iterator[Workers]:
    """For as long as the context lasts; what they deployed is gone when it is left. `cpus`: of this machine, which
    processes beside each other share."""
    folder = claim.folder
    if start.run_by == "workers" and claim.study is not None and database is not None:
        from tuner.trials.database.orders import Offered

        offered = Offered(
            database, claim.study, folder, start.parallel, on_stage=on_stage, on_rate=on_rate, notice=notice
        )
        try:
            yield offered
        finally:
            offered.withdraw()
        return
    if start.parallel > 1:
        from tuner.trials.beside import WorkerProcesses

        words = (str(folder.root), "--cpus", ",".join(map(str, sorted(cpus))), "--number")
        commands = [(*_TRIALS, *words, str(at)) for at in range(start.parallel)]
        with WorkerProcesses(commands, on_stage=on_stage, on_rate=on_rate, notice=notice) as beside:
            yield beside
        return
    from tuner.study.model import OneByOne

    here = runner(
        folder,
        inputs,
        claim.journal.contents(),
        load,
        clock=clock,
        quiet=quiet,
        on_stage=on_stage,
        on_rate=on_rate,
    )
    yield OneByOne(here.run)
