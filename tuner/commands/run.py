"""The composition root: from settings to objects to the loop, and from a study's folder back to what it found.

Everything here is wiring; what a part does is said in its own room.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tuner
from tuner.errors import InputError, StoreFailure
from tuner.files import write
from tuner.space.model import Budget, Configuration, Constraint, SearchSpace
from tuner.study.model import Recorder, Summary
from tuner.study.names import AUTO
from tuner.targets.inputs import Inputs, StudyEstimate, estimate, space_of
from tuner.trials.folder import StudyFolder
from tuner.trials.model import EarlierStudy, StudyStart
from tuner.units import format_seconds
from tuner.uri import masked

if TYPE_CHECKING:
    from tuner.commands.claim import Claim
    from tuner.manifests.model import Manifest, Rendered
    from tuner.record.mlflow.recorder import MlflowRecorder
    from tuner.trials.database.connection import Database
    from tuner.trials.journal import Journal
    from tuner.trials.load_source import LoadSource, Place

Notice = Callable[[str], None]
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
    sampler: str = AUTO
    warm_start: tuple[StudyFolder, ...] = ()
    """Earlier studies that the search learns from."""
    pick: str = "knee"
    storage_url: str | None = None
    """Optuna's storage; None: SQLite in the study's folder, of a replay none on disk."""
    tracking_uri: str | None = DEFAULT_TRACKING_URI
    """MLflow's store; None: nothing is recorded there."""
    register: str | None = None
    """Registered model in MLflow that the choice becomes a version of; None: none."""
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
    database: Database | None = None
    """Where the study is kept, of which its folder is then a copy; None: in the folder."""
    by_itself: bool = False
    """It is started again by a machine, not by somebody who would wait."""
    workers: bool = False
    """Its trials are run by workers that join it in the database."""
    parallel: int | None = None
    """So many trials run beside each other, for which the inputs' backend has to be made; None: as many as before, or
    one."""


def run(inputs: Inputs, settings: StudySettings, console: Recorder, notice: Notice) -> tuple[StudyFolder, Summary]:
    """Start a study and run it to the end of its budget.

    Raises InputError before anything is started, EnvironmentFailure, and KeyboardInterrupt with the state kept.
    """
    from tuner.backends.model import HoldsMeasurements, InCluster
    from tuner.commands.claim import new
    from tuner.commands.workers import source_of_load
    from tuner.record.uri import absolute
    from tuner.space.digest import input_digest
    from tuner.study.store import IN_MEMORY
    from tuner.targets.kept import keep

    _must_have_drivers(settings)
    learned_from = _earlier(inputs, settings)
    budget = _budget(inputs.space.budget, settings, inputs)
    space = replace(inputs.space, budget=budget)
    foretold = estimate(replace(inputs, space=space))
    study_id, parallel = secrets.token_hex(4), settings.parallel or 1
    cluster = inputs.backend if isinstance(inputs.backend, InCluster) else None
    with ExitStack() as held:
        claim = held.enter_context(new(settings.studies, settings.name, space.name, settings.database))
        _foretell(foretold, inputs, learned_from, parallel, notice)
        load = held.enter_context(
            source_of_load(
                inputs.backend,
                beside=parallel > 1 or settings.workers,
                study=study_id,
                place=settings.load,
                image=settings.load_image or inputs.space.cluster.load_generator.image,
                cpus=settings.load_cpus,
                study_name=claim.folder.name,
                notice=notice,
            )
        )
        _must_leave_room(inputs, parallel, fitted=foretold.baseline_infeasible is None)
        folder = claim.folder
        kept = IN_MEMORY if isinstance(inputs.backend, HoldsMeasurements) else folder.storage_url
        storage_url = settings.storage_url or kept
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
            parallel=parallel,
            run_by="workers" if settings.workers else "tuner",
        )
        if (told := _secrets_told(inputs.manifest, settings)) is not None:
            notice(told)
        keep(folder, space, settings.table, _sqlite_file(start.tracking_uri))
        claim.keep()
        stores = _Stores(storage_url, settings.tracking_uri, settings.register)
        return folder, _go(claim, start, stores, load, replace(inputs, space=space), console, notice, settings.database)


def _foretell(
    foretold: StudyEstimate, inputs: Inputs, learned_from: tuple[EarlierStudy, ...], parallel: int, notice: Notice
) -> None:
    """How long it takes, what cannot be told, and what is known beforehand."""
    takes_s, beside = foretold.seconds, ""
    if parallel > 1:
        takes_s = foretold.seconds_a_trial + (takes_s - foretold.seconds_a_trial) / parallel
        beside = f" where {parallel} trials can be measured at a time,"
    if foretold.seconds >= 1.0:  # a replay whose table says nothing of time takes next to none
        notice(f"this takes about {format_seconds(takes_s)},{beside} unless answers are slow")
    for sentence in (*foretold.foreseen, *inputs.foreseen):
        notice(sentence)
    for study in learned_from:
        notice(f"learns from {len(study.trials)} trials of study {study.name}")
        for sentence in study.told:
            notice(f"  {study.name}: {sentence}")


def resume(folder: StudyFolder, inputs: Inputs, settings: StudySettings, console: Recorder, notice: Notice) -> Summary:
    """Go on with a study that was interrupted, or give a finished one more trials. Raises as `run` does.

    Of `settings` only `trials`, `time_s`, `cost`, `gain`, `confirm`, `parallel` and the addresses of the stores count.
    """
    from tuner.commands.claim import taken_up
    from tuner.commands.workers import load_of
    from tuner.study.summary import current
    from tuner.targets.kept import changed, tracking_uri
    from tuner.trials.journal import read

    _must_have_drivers(settings)
    contents = read(folder.journal)
    start, budget = current(contents), _budget(contents.start.budget, settings, inputs)
    start = replace(start, budget=budget, parallel=settings.parallel or start.parallel)
    recorded = tracking_uri(folder, start)
    stores = _Stores(
        _address(settings.storage_url, _moved_along(start, folder), "--storage"),
        _address(settings.tracking_uri, recorded, "--tracking-uri") if recorded else None,
    )
    for original in changed(folder, start):
        notice(f"{original} changed since study {start.name} began, which goes on with its copy in {folder.inputs}")
    space, fitted = replace(inputs.space, budget=start.budget), inputs.backend.infeasible(inputs.pods) is None
    with (
        taken_up(folder, settings.database, patient=settings.by_itself) as claim,
        load_of(start, inputs.backend, beside=start.parallel > 1 or start.run_by == "workers", notice=notice) as load,
    ):
        _must_leave_room(inputs, start.parallel, fitted=fitted)
        return _go(claim, start, stores, load, replace(inputs, space=space), console, notice, settings.database)


def _must_leave_room(inputs: Inputs, parallel: int, *, fitted: bool) -> None:
    """Raises InputError where the load generators, of which it is known by now what they take, are why the manifest as it
    stands does not fit any more."""
    why = inputs.backend.infeasible(inputs.pods) if fitted else None
    if why is not None:
        fewer = "" if parallel == 1 else f"fewer trials at a time than {parallel}, of which each has one, or "
        raise InputError.at(
            "--load-cpus" if parallel == 1 else "--parallel",
            f"there is no room for the manifest as it stands: {why}",
            f"choose {fewer}smaller load generators (--load-cpus), or send from here (--load here)",
        )


def begun(space_file: Path, name: str | None, studies: Path) -> StudyFolder | None:
    """The study of this name, or of the search space's own, where it has begun; None: it has not.

    Raises InputError where it began with another search space, for then its trials would not be those asked for.
    """
    from tuner.space.digest import input_digest
    from tuner.space.file.read import read as read_space
    from tuner.trials.folder import checked_name
    from tuner.trials.journal import read

    space, problems = read_space(space_file)
    if space is None or problems:
        raise InputError(problems)
    folder = StudyFolder(studies / (space.name if name is None else checked_name(name)))
    if not folder.journal.is_file():
        return None
    try:
        start = read(folder.journal).start
    except InputError:  # it was killed before its first line
        return None
    if start.input_digest != input_digest(space):
        fix = f"give it another --name, or `tune resume {folder.called}` to go on with what it began with"
        raise InputError.at(
            space_file, f"study {folder.name} was begun with another search space, manifest or request", fix
        )
    return folder


def summary_of(
    folder: StudyFolder, *, pick: str | None = None, where: tuple[Constraint, ...] = (), trial: int | None = None
) -> Summary:
    """What a study found so far, from its journal alone; chosen again where one of the options asks for it."""
    from tuner.study.summary import summarize
    from tuner.trials.journal import read

    return summarize(read(folder.journal), pick=pick, where=where, trial=trial)


def sync_study(
    folder: StudyFolder, tracking_uri: str | None, register: str | None = None
) -> tuple[str, int, str | None]:
    """Write into MLflow what it misses of a study, and make its choice a version of the registered model `register`.

    Returns the store's address, how many trials were written, and the version. Raises StoreFailure.
    """
    from tuner.record.sync import sync
    from tuner.record.uri import absolute
    from tuner.targets import kept

    summary = summary_of(folder)
    recorded = kept.tracking_uri(folder, summary.start) or DEFAULT_TRACKING_URI
    uri = absolute(_address(tracking_uri, recorded, "--tracking-uri"))
    recorder = _mlflow(uri, folder, space_of(folder, summary.start))
    written = sync(summary.start, summary.trials, recorder, summary)
    return uri, written, None if register is None else recorder.register(summary, register)


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

    if settings.sampler != AUTO:
        message = f"the sampler {settings.sampler} does not learn from earlier studies"
        raise InputError.at("--warm-start", message, f"use --sampler {AUTO}, or name what they found in known:")
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
    register: str | None = None


def _address(given: str | None, recorded: str, option: str) -> str:
    """The address of a store: as given now, or as recorded if no credentials were taken out of it."""
    if given is None and "***" in recorded:
        fix = f"give the whole address with {option}"
        raise InputError.at(recorded, "its credentials were not recorded", fix)
    return given or recorded


def _moved_along(start: StudyStart, folder: StudyFolder) -> str:
    """The address of Optuna's store; of the one in the study's folder, where the folder is now."""
    own = folder.storage_url.rpartition("/")[2]
    in_folder = start.storage_url.startswith("sqlite:///") and start.storage_url.endswith(f"/{start.name}/{own}")
    return folder.storage_url if in_folder else start.storage_url


def _sqlite_file(uri: str | None) -> Path | None:
    """The file of an SQLite store."""
    return Path(uri.removeprefix("sqlite:///")) if uri is not None and uri.startswith("sqlite:///") else None


def _go(
    claim: Claim,
    start: StudyStart,
    stores: _Stores,
    load: LoadSource,
    inputs: Inputs,
    console: Recorder,
    notice: Notice,
    database: Database | None,
) -> Summary:
    from tuner.backends.model import HoldsMeasurements
    from tuner.commands.workers import workers
    from tuner.manifests.pods import pods as pods_of
    from tuner.manifests.render import render
    from tuner.record.background import Background, Gate
    from tuner.record.share_file import VARIABLE, ShareFile
    from tuner.report.data import write as write_report
    from tuner.report.provenance import export
    from tuner.report.study.page import write as write_page
    from tuner.space.known import known
    from tuner.study.advisor import SamplingAdvisor
    from tuner.study.demand import demand
    from tuner.study.loop import Study
    from tuner.study.observed import observations
    from tuner.study.warm import from_earlier
    from tuner.targets.guessed import answered
    from tuner.trials.clock import RealClock, ReplayedClock
    from tuner.trials.quiet import leave_servers_alone

    folder, journal = claim.folder, claim.journal
    space, backend = inputs.space, inputs.backend
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
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
    if VARIABLE in os.environ:
        recorders.append(ShareFile(Path(os.environ[VARIABLE]), space))
    if stores.tracking_uri is not None:
        mlflow = _mlflow(stores.tracking_uri, folder, space, gate.wait, stores.register)
        recorders.append(Background(mlflow, gate, notice, study=folder.name))
    advisor = SamplingAdvisor(
        start=replace(start, storage_url=stores.storage_url),
        space=space,
        baseline=inputs.baseline,
        render=partial(render, space, inputs.manifest),
        infeasible=infeasible,
        known=known(space, inputs.baseline),
        observed=lambda: (*observations((*journal.trials, *study.early), start), *earlier),
        demand=demand(space, inputs.manifest, (lambda _: None) if replayed else backend.infeasible),
        impossible=unrecorded if replayed else None,
    )

    def conclude(summary: Summary) -> Summary:
        if not replayed and any(trial.measurement is not None for trial in summary.trials):
            answered(space)
        summary = _learned(journal, summary, inputs, notice)
        if summary.choice is not None:
            write(folder.best_manifest, export(folder, summary, summary.choice.candidate.trial).encode(), private=True)
        write_report(folder.report, summary, space)
        write_page(folder.page, folder, summary, space)
        claim.keep()
        if claim.study is not None:
            claim.study.end()
        try:
            advisor.conclude(summary)
        except StoreFailure as failure:  # the study has ended; its store is a copy
            notice(str(failure))
        return summary

    study = Study(
        start=start,
        advisor=advisor,
        journal=journal,
        recorders=recorders,
        clock=clock,
        notice=notice,
        price=price(inputs),
        currency=space.prices.currency,
        conclude=conclude,
    )
    if space.workload.rate_rps is not None and study.rate_rps is None:
        study.fix_rate(space.workload.rate_rps)
    try:
        with workers(
            claim,
            inputs,
            study.start,
            load,
            cpus=cpus,
            database=database,
            clock=clock,
            quiet=gate,
            on_stage=console.stage,
            on_rate=study.fix_rate,
            notice=notice,
        ) as at_work:
            return study.run(at_work)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{stop}; `tune resume {folder.called}` goes on") from stop


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
    tracking_uri: str,
    folder: StudyFolder,
    space: SearchSpace,
    between: Callable[[], object] = lambda: None,
    registered: str | None = None,
) -> MlflowRecorder:
    from tuner.record.mlflow.recorder import MlflowRecorder

    return MlflowRecorder(tracking_uri, folder, space, between=between, registered=registered)


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
