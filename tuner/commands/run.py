"""The composition root: from settings to objects to the loop, and from a study's folder back to what it found.

Everything here is wiring; what a part does is said in its own room.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tuner
from tuner.errors import InputError, StoreFailure
from tuner.files import read_input, write
from tuner.space.model import Budget, Configuration, Constraint, SearchSpace
from tuner.study.model import Recorder, Summary
from tuner.targets.inputs import Inputs, estimate, space_of
from tuner.trials.folder import StudyFolder
from tuner.trials.model import EarlierStudy, StudyStart
from tuner.units import format_seconds
from tuner.uri import masked

if TYPE_CHECKING:
    from tuner.manifests.model import Manifest, Rendered
    from tuner.record.mlflow import MlflowRecorder
    from tuner.trials.journal import Journal
    from tuner.trials.load_source import LoadSource, Place

Notice = Callable[[str], None]
MODEL = "auto"
"""The sampler that has a model of its own."""
DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
_SECRETS_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """What the command line adds to a search space. None: as the search space says."""

    backend: str = "process"
    name: str | None = None
    studies: Path = Path("studies")
    trials: int | None = None
    time_s: float | None = None
    cost: tuple[float, str | None] | None = None
    """A sum and its currency; None: the prices' own."""
    gain: float | None = None
    confirm: int | None = None
    seed: int = 0
    sampler: str = "auto"
    warm_start: tuple[StudyFolder, ...] = ()
    """Earlier studies that the search learns from."""
    pick: str = "knee"
    storage_url: str | None = None
    """Optuna's storage; None: SQLite in the study's folder, of a replay none on disk."""
    tracking_uri: str | None = DEFAULT_TRACKING_URI
    """MLflow's store; None: nothing is recorded there."""
    table: Path | None = None
    """What is replayed; None: it is measured."""
    load: Place | None = None
    """Where the load comes from; None: from inside the cluster where there is one and its image runs there."""
    load_image: str | None = None
    """Image of the load generator in the cluster; None: this version's."""
    load_cpus: int = 1
    """Of the load generator in the cluster, an engine process each."""
    mask: tuple[str, ...] = ()
    """Names whose values in the manifest are secret, besides those that look so."""


def run(inputs: Inputs, settings: StudySettings, console: Recorder, notice: Notice) -> tuple[StudyFolder, Summary]:
    """Start a study and run it to the end of its budget.

    Raises InputError before anything is started, EnvironmentFailure, and KeyboardInterrupt with the state kept.
    """
    from tuner.backends.model import HoldsMeasurements, InCluster
    from tuner.record.uri import absolute
    from tuner.space.digest import input_digest
    from tuner.study.store import IN_MEMORY
    from tuner.trials.load_source import load_source

    _must_have_drivers(settings)
    learned_from = _earlier(inputs, settings)
    budget = _budget(inputs.space.budget, settings, inputs)
    space = replace(inputs.space, budget=budget)
    foretold = estimate(replace(inputs, space=space))
    folder, journal = _claim(settings.studies, settings.name, space.name)
    if foretold.seconds >= 1.0:  # a replay whose table says nothing of time takes next to none
        notice(f"this takes about {format_seconds(foretold.seconds)}, unless answers are slow")
    for sentence in (*foretold.foreseen, *inputs.foreseen):
        notice(sentence)
    for study in learned_from:
        notice(f"learns from {len(study.trials)} trials of study {study.name}")
        for sentence in study.told:
            notice(f"  {study.name}: {sentence}")
    kept = IN_MEMORY if isinstance(inputs.backend, HoldsMeasurements) else folder.storage_url
    storage_url = settings.storage_url or kept
    study_id = secrets.token_hex(4)
    cluster = inputs.backend if isinstance(inputs.backend, InCluster) else None
    with (
        journal,
        load_source(
            inputs.backend,
            study=study_id,
            place=settings.load,
            image=settings.load_image or inputs.space.cluster.load_generator.image,
            cpus=settings.load_cpus,
            study_name=folder.name,
            notice=notice,
        ) as load,
    ):
        start = StudyStart(
            name=folder.name,
            study_id=study_id,
            space_file=str(space.file.resolve()),
            input_digest=input_digest(space),
            objectives=space.objectives,
            slo=space.slo,
            budget=budget,
            backend=settings.backend,
            sampler=settings.sampler,
            seed=settings.seed,
            pick=settings.pick,
            storage_url=masked(storage_url),
            tracking_uri=masked(absolute(settings.tracking_uri)) if settings.tracking_uri else None,
            tuner_version=tuner.__version__,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            machine={**inputs.backend.describe(), "python": sys.version.split()[0]},
            namespace=cluster.namespace if cluster else None,
            context=cluster.context if cluster else None,
            load=load.place,
            load_image=load.image,
            load_cpus=load.cpus,
            disturbed=inputs.space.disturbed,
            mask=settings.mask,
            warm_start=learned_from,
            table=None if settings.table is None else str(settings.table.resolve()),
        )
        if (told := _secrets_told(inputs.manifest, settings)) is not None:
            notice(told)
        write(folder.space, read_input(space.file), private=True)
        stores = _Stores(storage_url, settings.tracking_uri)
        return folder, _go(folder, journal, start, stores, load, replace(inputs, space=space), console, notice)


def resume(folder: StudyFolder, inputs: Inputs, settings: StudySettings, console: Recorder, notice: Notice) -> Summary:
    """Go on with a study that was interrupted, or give a finished one more trials. Raises as `run` does.

    Of `settings` only `trials`, `time_s`, `cost`, `gain`, `confirm` and the addresses of the stores count.
    """
    from tuner.trials.journal import Journal, read
    from tuner.trials.load_source import load_source

    _must_have_drivers(settings)
    start = read(folder.journal).start
    start = replace(start, budget=_budget(start.budget, settings, inputs))
    stores = _Stores(
        _address(settings.storage_url, _moved_along(start.storage_url, folder), "--storage"),
        _address(settings.tracking_uri, start.tracking_uri, "--tracking-uri") if start.tracking_uri else None,
    )
    space = replace(inputs.space, budget=start.budget)
    with (
        Journal.open(folder.journal) as journal,
        load_source(
            inputs.backend,
            study=start.study_id,
            place=start.load,
            image=start.load_image,
            cpus=start.load_cpus,
            study_name=start.name,
            notice=notice,
        ) as load,
    ):
        return _go(folder, journal, start, stores, load, replace(inputs, space=space), console, notice)


def summary_of(
    folder: StudyFolder, *, pick: str | None = None, where: tuple[Constraint, ...] = (), trial: int | None = None
) -> Summary:
    """What a study found so far, from its journal alone; chosen again where one of the options asks for it."""
    from tuner.study.summary import summarize
    from tuner.trials.journal import read

    return summarize(read(folder.journal), pick=pick, where=where, trial=trial)


def sync_study(folder: StudyFolder, tracking_uri: str | None) -> tuple[str, int]:
    """Write into MLflow what it misses of a study; returns the store's address and how many trials were written."""
    from tuner.record.sync import sync
    from tuner.record.uri import absolute

    summary = summary_of(folder)
    uri = absolute(_address(tracking_uri, summary.start.tracking_uri or DEFAULT_TRACKING_URI, "--tracking-uri"))
    recorder = _mlflow(uri, folder, space_of(folder, summary.start))
    return uri, sync(summary.start, summary.trials, recorder, summary)


def _must_have_drivers(settings: StudySettings) -> None:
    """Raises InputError where a database's driver is not installed: it would be missed after the first trial."""
    addresses = (("--storage", settings.storage_url), ("--tracking-uri", settings.tracking_uri))
    databases = [(option, url) for option, url in addresses if url and not url.startswith(("sqlite:", "http", "file:"))]
    if not databases:
        return
    from tuner.study.store import driver_problem

    problems = [found for option, url in databases if (found := driver_problem(url, option)) is not None]
    if problems:
        raise InputError(problems)


def _earlier(inputs: Inputs, settings: StudySettings) -> tuple[EarlierStudy, ...]:
    """The earlier studies in today's terms. Raises InputError for a sampler that cannot learn from them."""
    if not settings.warm_start:
        return ()
    from tuner.targets.earlier import earlier

    if settings.sampler != MODEL:
        message = f"the sampler {settings.sampler} does not learn from earlier studies"
        raise InputError.at("--warm-start", message, f"use --sampler {MODEL}, or name what they found in known:")
    return tuple(earlier(folder, inputs, settings.backend) for folder in dict.fromkeys(settings.warm_start))


def _secrets_told(manifest: Manifest, settings: StudySettings) -> str | None:
    """That the manifest has literal secrets, and what becomes of them; None: it has none."""
    from tuner.manifests.secret_values import secret_values

    found = secret_values(manifest.text, settings.mask)
    if not found:
        return None
    named = ", ".join(dict.fromkeys(f"{one.name} (line {one.line})" for one in found[:_SECRETS_NAMED]))
    more = f" and {len(found) - _SECRETS_NAMED} more" if len(found) > _SECRETS_NAMED else ""
    where = "masked in what MLflow gets, " if settings.tracking_uri is not None else ""
    return (
        f"{manifest.file}: literal values that look secret: {named}{more}; {where}kept in the manifests of the "
        "study's folder, which only you may read; a Secret and valueFrom keep them out of both"
    )


@dataclass(frozen=True, slots=True)
class _Stores:
    """Addresses as they are used; they may hold credentials, which the journal's first line does not."""

    storage_url: str
    tracking_uri: str | None


def _address(given: str | None, recorded: str, option: str) -> str:
    """The address of a store: as given now, or as recorded if no credentials were taken out of it."""
    if given is None and "***" in recorded:
        fix = f"give the whole address with {option}"
        raise InputError.at(recorded, "its credentials were not recorded", fix)
    return given or recorded


def _moved_along(storage_url: str, folder: StudyFolder) -> str:
    """The address of Optuna's store; of the one in the study's folder, where the folder is now."""
    own = folder.storage_url.rpartition("/")[2]
    in_folder = storage_url.startswith("sqlite:///") and storage_url.endswith(f"/{folder.name}/{own}")
    return folder.storage_url if in_folder else storage_url


def page_of(folder: StudyFolder, tracking_uri: str) -> str:
    """Path, below an MLflow server's address, of the page that compares a study's trials."""
    from tuner.space.file.read import read as read_space

    start = summary_of(folder).start
    space, problems = read_space(folder.space)
    if space is None:
        raise InputError(problems)
    return _mlflow(tracking_uri, folder, space).page(start)


def _go(
    folder: StudyFolder,
    journal: Journal,
    start: StudyStart,
    stores: _Stores,
    load: LoadSource,
    inputs: Inputs,
    console: Recorder,
    notice: Notice,
) -> Summary:
    from tuner.backends.model import HoldsMeasurements
    from tuner.manifests.pods import pods as pods_of
    from tuner.manifests.render import render
    from tuner.record.background import Background, Gate
    from tuner.report.data import write as write_report
    from tuner.report.provenance import export
    from tuner.space.known import known
    from tuner.study.advisor import SamplingAdvisor
    from tuner.study.demand import demand
    from tuner.study.loop import Study
    from tuner.study.observed import observations
    from tuner.study.warm import from_earlier
    from tuner.trials.clock import RealClock, ReplayedClock
    from tuner.trials.life import TrialRunner
    from tuner.trials.lookout import Allowance
    from tuner.trials.quiet import leave_servers_alone
    from tuner.trials.traffic import ExpectedAnswers

    space, backend = inputs.space, inputs.backend
    leave_servers_alone(backend.generator_cpus())
    for removed in backend.clean():
        notice(f"left by an earlier crash, now removed: {removed}")

    clock = RealClock()
    replayed = isinstance(backend, HoldsMeasurements)
    if isinstance(backend, HoldsMeasurements):
        held = backend
        clock = ReplayedClock(lambda: held.passed_s)
        backend.take_up([trial.configuration for trial in journal.trials])

    def infeasible(rendered: Rendered) -> str | None:
        return backend.infeasible(pods_of(space, rendered))

    def unrecorded(configuration: Configuration) -> str | None:
        told = backend.infeasible(replace(inputs.pods, configuration=configuration))
        return None if told is None else "not recorded"

    if journal.torn:
        aside = f"{folder.journal.name}.torn"
        notice(f"{folder.journal}: a crash left {journal.torn} bytes of an unfinished line, now set aside in {aside}")
    gate = Gate()
    earlier = from_earlier(start if journal.start is None else journal.start)
    recorders = [console]
    if stores.tracking_uri is not None:
        mlflow = _mlflow(stores.tracking_uri, folder, space, between=gate.wait)
        recorders.append(Background(mlflow, gate, notice, study=folder.name))
    study = Study(
        start=start,
        advisor=SamplingAdvisor(
            start=replace(start, storage_url=stores.storage_url),
            space=space,
            baseline=inputs.baseline,
            render=partial(render, space, inputs.manifest),
            infeasible=infeasible,
            known=known(space, inputs.baseline),
            observed=lambda: (*observations(journal.trials, start), *earlier),
            demand=demand(space, inputs.manifest, (lambda _: None) if replayed else backend.infeasible),
            impossible=unrecorded if replayed else None,
        ),
        journal=journal,
        recorders=recorders,
        clock=clock,
        notice=notice,
        price=price(inputs),
        currency=space.prices.currency,
    )
    runner = TrialRunner(
        space=space,
        backend=backend,
        generator=load.generator,
        traffic=replace(inputs.traffic, expected=ExpectedAnswers(folder.answers)),
        folder=folder,
        study_id=start.study_id,
        clock=clock,
        quiet=gate,
        on_stage=console.stage,
        on_rate=study.fix_rate,
        rate_rps=space.workload.rate_rps or study.rate_rps,
        allowance=Allowance.of(journal.trials) if start.disturbed == "remeasure" else None,
    )

    if space.workload.rate_rps is not None and study.rate_rps is None:
        study.fix_rate(space.workload.rate_rps)
    try:
        summary = study.run(runner.run)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{stop}; `tune resume {folder.called}` goes on") from stop
    summary = _learned(journal, summary, inputs, notice)
    write_report(folder.report, summary, space)
    if summary.choice is not None:
        write(folder.best_manifest, export(folder, summary, summary.choice.candidate.trial).encode(), private=True)
    return summary


def _learned(journal: Journal, summary: Summary, inputs: Inputs, notice: Notice) -> Summary:
    """What the trials taught is worked out once, when they are all there, and written down."""
    from tuner.commands.knowledge import taught
    from tuner.study.demand import demand
    from tuner.study.events import KNOWLEDGE

    try:
        found = taught(journal.contents(), inputs.space, summary, demand(inputs.space, inputs.manifest))
    except (ArithmeticError, LookupError, ValueError) as error:  # the study is worth no less without
        notice(f"which knobs mattered could not be worked out ({type(error).__name__}: {error})")
        return summary
    journal.append(KNOWLEDGE, {**found, "trials": len(summary.trials)})
    return replace(summary, knowledge=found)


def _mlflow(
    tracking_uri: str, folder: StudyFolder, space: SearchSpace, between: Callable[[], object] = lambda: None
) -> MlflowRecorder:
    from tuner.record.mlflow import MlflowRecorder

    return MlflowRecorder(tracking_uri, folder, space, between=between)


def _budget(budget: Budget, settings: StudySettings, inputs: Inputs) -> Budget:
    """Raises InputError where a bound on the money could not hold."""
    said: dict[str, Any] = {name: getattr(settings, name) for name in ("trials", "time_s", "gain", "confirm")}
    if settings.cost is not None:
        said["cost"], currency = settings.cost
        own = inputs.space.prices.currency
        if currency not in (None, own):
            fix = f"write it in {own}, or set prices.currency in the search space"
            raise InputError.at("--cost", f"{currency} is not the currency of the prices ({own})", fix)
    budget = replace(budget, **{name: value for name, value in said.items() if value is not None})
    if budget.cost is not None and price(inputs)(inputs.baseline) == 0.0:
        fix = "set the containers' resources.requests, and prices above 0; or bound the trials or the time"
        raise InputError.at(inputs.space.file, "budget: cost bounds nothing, for the manifest requests nothing", fix)
    return budget


def price(inputs: Inputs) -> Callable[[Configuration], float]:
    """What an hour of what a configuration requests is charged, in the currency of the space's prices."""
    from tuner.study.demand import demand

    asks = demand(inputs.space, inputs.manifest)
    known: dict[str, float] = {}

    def of(configuration: Configuration) -> float:
        if configuration.digest not in known:
            known[configuration.digest] = asks(configuration).cost_per_hour
        return known[configuration.digest]

    return of


def _claim(studies: Path, name: str | None, default: str) -> tuple[StudyFolder, Journal]:
    """A folder in which no study has begun, and its journal, which no other process can have: of the name asked for,
    or of the space's with the next free number. Raises InputError, StoreFailure."""
    from tuner.trials.folder import checked_name

    if name is not None:
        folder = StudyFolder(studies / checked_name(name))
        journal = _unbegun(folder)
        if journal is None:
            fix = f"go on with `tune resume {name}`, or choose another name"
            raise InputError.at(folder.root, "a study is there already", fix)
        return folder, journal
    names = (default if number == 1 else f"{default}-{number}" for number in count(1))
    for folder in (StudyFolder(studies / free) for free in names):
        try:
            journal = _unbegun(folder)
        except (InputError, StoreFailure):  # another process has just taken it; or it is damaged, and not ours to mend
            if not folder.journal.exists():
                raise
            continue
        if journal is not None:
            return folder, journal
    raise AssertionError  # numbers do not end


def _unbegun(folder: StudyFolder) -> Journal | None:
    """The journal of a folder, where none is in it or one that was killed before its first line; None: a study, or
    something else, is there."""
    from tuner.trials.journal import Journal

    if (
        not folder.journal.exists()
        and folder.root.exists()
        and not folder.space.exists()
        and any(folder.root.iterdir())
    ):
        return None
    journal = Journal.open(folder.journal)
    if journal.start is None:
        return journal
    journal.close()
    return None
