"""What is written when: a parent run a study, a child run a trial.

Idempotent: runs are found again by the tags `tuner.study_id` and `tuner.trial`, a run's status leaves RUNNING only
after all of it is written, and what is written twice is written the same, so a resumed study and `tune sync` repeat
nothing. Every method raises StoreFailure (credentials masked) when the store cannot be used; the next call starts
over with a fresh look at the store. Use it behind `tuner.record.background.Background`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tuner.errors import InputError, StoreFailure
from tuner.record.mlflow import notes, view
from tuner.record.mlflow import tags as tagged
from tuner.record.mlflow.artifacts import STUDY_TABLES, TRIAL_TABLES, Artifacts, as_tables
from tuner.record.mlflow.metrics import study_points, trial_points
from tuner.record.mlflow.origin import Requests, commit_of, requests_of, user
from tuner.record.mlflow.params import knob_params, study_params
from tuner.record.mlflow.registry import register
from tuner.record.mlflow.store import Writer, experiment, milliseconds, newest, opened, runs_of
from tuner.record.rows import FrontSoFar
from tuner.record.uri import absolute
from tuner.search.model import Outlook
from tuner.space.model import SearchSpace
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import read
from tuner.trials.model import Failed, Infeasible, Interrupted, Trial
from tuner.uri import masked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run


@dataclass(slots=True)
class _Run:
    """A trial's run in the store."""

    run_id: str
    complete: bool
    attempt: str
    digest: str
    verdicts: frozenset[str]
    """Which of the tags that may change it carries."""


@dataclass(slots=True)
class _Study:
    """Where one study is in the store."""

    client: MlflowClient
    writer: Writer
    experiment_id: str
    parent_id: str
    runs: dict[int, _Run] = field(default_factory=dict)


class MlflowRecorder:
    """Writes to the MLflow store at `tracking_uri`; relative SQLite paths are taken from the working folder.

    `between` is called between two writes: a place to wait while a measurement runs. `registered`: name of the
    registered model that the choice becomes a version of when the study has ended; None: none.
    """

    def __init__(
        self,
        tracking_uri: str,
        folder: StudyFolder,
        space: SearchSpace,
        *,
        between: Callable[[], object] = lambda: None,
        registered: str | None = None,
    ) -> None:
        self._uri = absolute(tracking_uri)
        self._folder = folder
        self._space = space
        self._between = between
        self._registered = registered
        self._start: StudyStart | None = None
        self._found: _Study | None = None
        self._seen: dict[int, Trial] = {}
        self._front = FrontSoFar()
        self._requests: Requests = requests_of(space)
        self._commit = commit_of(space.file.parent)

    def started(self, start: StudyStart) -> None:
        self._start = start
        self._take_up()
        with self._store() as study:
            study.client.update_run(study.parent_id, status="RUNNING")

    def page(self, start: StudyStart) -> str:
        """Path, below an MLflow server's address, of the page that compares the trials of a study."""
        self._start = start
        with self._store() as study:
            return view.path(study.experiment_id)

    def proposed(self, proposal: Proposal) -> None:
        """Nothing: a run is written when its trial is in the journal."""

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        """Nothing: what is to come is for the console."""

    def stage(self, number: int, stage: str) -> None:
        """Nothing: stages are for the console."""

    def finished(self, trial: Trial) -> None:
        self.write_missing((trial,))

    def write_missing(self, trials: Sequence[Trial]) -> int:
        """Write those of `trials` that the store does not hold in full; returns how many that were."""
        self._seen.update((trial.number, trial) for trial in trials)
        with self._store() as study:
            missing = [trial for trial in trials if not _holds(study, trial)]
            for trial in missing:
                self._write_trial(study, trial)
            if missing:
                self._tag_front_so_far(study)
        return len(missing)

    def closed(self, summary: Summary) -> None:
        self._start = summary.start
        self.write_missing(summary.trials)
        with self._store() as study:
            for number, verdicts in tagged.verdict_tags(summary).items():
                self._carry(study, study.runs[number], verdicts)
            self._write_summary(study, summary)
        if self._registered is not None and summary.choice is not None:
            self.register(summary, self._registered)

    def register(self, summary: Summary, name: str) -> str:
        """Make the chosen configuration, which has its run, a version of the registered model `name`; returns the
        version. The same as before, where that trial of this study is one already.

        Raises StoreFailure, also where nothing was chosen.
        """
        if summary.choice is None:
            raise StoreFailure(f"nothing to register as {name!r}: study {summary.start.name} chose no configuration")
        number = summary.choice.candidate.trial
        artifacts = self._artifacts(summary.start)
        with self._store() as study:
            run_id = study.runs[number].run_id
            study.writer.files(run_id, {"chosen/manifest.yaml": artifacts.manifest(summary)})
            note = artifacts.hidden(notes.summary_note(summary, self._folder.called))
            tags = {tagged.STUDY_ID: summary.start.study_id, tagged.TRIAL: str(number), "study": summary.start.name}
            return register(study.client, name, run_id, "chosen", tags, note)

    @contextmanager
    def _store(self) -> Iterator[_Study]:
        """The study's place in the store. A failure forgets it: whether the last write arrived is not known."""
        try:
            if self._found is None:
                self._found = self._attach()
            yield self._found
        except Exception as error:
            self._found = None
            raise StoreFailure(f"MLflow at {masked(self._uri)}: {masked(_first_line(error))}") from None

    def _attach(self) -> _Study:
        if self._start is None:
            raise StoreFailure("the study was not started")
        client = opened(self._uri)
        writer = Writer(client, self._between)
        self._between()
        found_experiment = experiment(client, self._uri, self._start.name)
        experiment_id = str(found_experiment.experiment_id)
        self._between()
        found = runs_of(client, experiment_id, self._start.study_id)
        parents = [run for run in found if tagged.TRIAL not in run.data.tags]
        if parents:
            parent_id = parents[0].info.run_id
        else:
            parent_id = self._create_parent(client, writer, experiment_id, self._start)
        self._show(client, found_experiment, parent_id, self._start)
        study = _Study(client, writer, experiment_id, parent_id)
        for run in found:
            if tagged.TRIAL in run.data.tags:
                _keep_one(study, run)
        return study

    def _create_parent(self, client: MlflowClient, writer: Writer, experiment_id: str, start: StudyStart) -> str:
        tags = {tagged.STUDY_ID: start.study_id, "study": self._folder.name}
        tags |= {"command": tagged.command(start), notes.NOTE: notes.running_note(self._folder.called)}
        tags |= tagged.source_tags(start, user(), self._commit)
        began = milliseconds(datetime.fromisoformat(start.started_at))
        run = client.create_run(experiment_id, start_time=began, tags=tags, run_name=f"study {self._folder.name}")
        run_id = str(run.info.run_id)
        writer.log(run_id, params=study_params(start, self._space))
        writer.requests(run_id, *self._requests)
        return run_id

    def _show(self, client: MlflowClient, found: Experiment, parent_id: str, start: StudyStart) -> None:
        """What the page of the experiment shows at first; a note that is there is left as it is, for users write one."""
        shown = {
            # pages for runs, not those for language models
            "mlflow.experimentKind": "custom_model_development",
            notes.NOTE: found.tags.get(notes.NOTE) or notes.study_note(view.path(found.experiment_id)),
            view.TAG: view.trials_view(start, self._space, parent_id),
        }
        for key, value in shown.items():
            if found.tags.get(key) != value:
                self._between()
                client.set_experiment_tag(found.experiment_id, key, value)

    def _write_trial(self, study: _Study, trial: Trial) -> None:
        start = self._begun()
        first = self._first(study, trial)
        name = tagged.run_name(trial, first)
        baseline = self._seen.get(0)
        run_id = self._run_for(study, trial, name)
        artifacts = self._artifacts(start)
        told = tagged.trial_tags(trial)
        told[notes.NOTE] = notes.trial_note(trial, start, baseline, first, self._folder.called)
        tags = {tag: artifacts.hidden(value) for tag, value in told.items()}  # a server may have said what is secret
        if trial.measurement is not None:
            tags["mlflow.loggedArtifacts"] = as_tables(TRIAL_TABLES)
        study.writer.log(
            run_id,
            points=trial_points(trial, start, baseline),
            params=knob_params(trial.configuration, self._space.parameters),
            tags=tags,
            at=trial.started_at,
        )
        if trial.measurement is not None:
            study.writer.requests(run_id, *self._requests)
        study.writer.files(run_id, artifacts.of_trial(trial, name, start, baseline))
        study.writer.end(run_id, _status(trial), _ended(trial))
        study.runs[trial.number].complete = True

    def _run_for(self, study: _Study, trial: Trial, name: str) -> str:
        """The trial's own run: the one begun before, or a new one."""
        known = study.runs.get(trial.number)
        attempt = trial.started_at.isoformat()
        if known is not None and known.attempt == attempt:
            return known.run_id
        if known is not None:
            study.client.delete_run(known.run_id)
        start = self._begun()
        tags = {
            tagged.STUDY_ID: start.study_id,
            tagged.TRIAL: str(trial.number),
            tagged.ATTEMPT: attempt,
            "mlflow.parentRunId": study.parent_id,
            **tagged.source_tags(start, user(), self._commit),
        }
        run = study.client.create_run(
            study.experiment_id, start_time=milliseconds(trial.started_at), tags=tags, run_name=name
        )
        study.runs[trial.number] = _Run(
            run.info.run_id, complete=False, attempt=attempt, digest=trial.manifest_digest, verdicts=frozenset()
        )
        return str(run.info.run_id)

    def _first(self, study: _Study, trial: Trial) -> int | None:
        """Number of the first trial of the same manifest, of those the store or this process knows."""
        known = {number: run.digest for number, run in study.runs.items()}
        known |= {number: one.manifest_digest for number, one in self._seen.items()}
        return tagged.first_of(trial.manifest_digest, known.items())

    def _tag_front_so_far(self, study: _Study) -> None:
        """While the study runs: which feasible trials no other one beats; `closed` has the last word."""
        self._front.add(self._seen.values(), self._begun().objectives)
        best = self._front.numbers
        for number, run in study.runs.items():
            if number in self._seen and self._seen[number].purpose in ("baseline", "search"):
                on_front = frozenset({tagged.PARETO}) if number in best else frozenset()
                self._carry(study, run, on_front | run.verdicts - {tagged.PARETO})

    def _carry(self, study: _Study, run: _Run, verdicts: frozenset[str]) -> None:
        """Have a run carry just these of the tags that may change."""
        study.writer.untag(run.run_id, sorted(run.verdicts - verdicts))
        study.writer.log(run.run_id, tags=dict.fromkeys(sorted(verdicts - run.verdicts), "true"))
        run.verdicts = verdicts

    def _write_summary(self, study: _Study, summary: Summary) -> None:
        client, parent, artifacts = study.client, study.parent_id, self._artifacts(summary.start)
        tags = {
            notes.NOTE: artifacts.hidden(notes.summary_note(summary, self._folder.called)),
            "mlflow.loggedArtifacts": as_tables(STUDY_TABLES),
            "ended_because": summary.ended_because,
        }
        if summary.choice is not None:
            tags["chosen_trial"] = str(summary.choice.candidate.trial)
            tags["chosen_reason"] = f"{summary.choice.pick}: {summary.choice.reason}"
        known = client.get_run(parent).data.params
        params = {} if summary.rate_rps is None else {"rate_rps": f"{summary.rate_rps:g}"}
        ended = max(map(_ended, summary.trials), default=datetime.fromisoformat(summary.start.started_at))
        study.writer.log(
            parent,
            points=study_points(summary),
            params={name: value for name, value in params.items() if name not in known},
            tags=tags,
            at=ended,
        )
        study.writer.files(parent, artifacts.of_study(summary))
        measured = any(trial.measurement is not None for trial in summary.trials)
        study.writer.end(parent, "FINISHED" if measured else "FAILED", ended)

    def _take_up(self) -> None:
        """The trials of a study that goes on: what comes is told against its baseline, and its front."""
        try:
            trials = read(self._folder.journal).trials
        except (InputError, StoreFailure):  # it is in no journal yet, or not in this folder
            return
        self._seen |= {trial.number: trial for trial in trials if trial.number not in self._seen}

    def _artifacts(self, start: StudyStart) -> Artifacts:
        return Artifacts(self._folder, self._space, start.mask)

    def _begun(self) -> StudyStart:
        if self._start is None:
            raise StoreFailure("the study was not started")
        return self._start


def newest_page(tracking_uri: str) -> str:
    """Path of the page of the study that a store was written to last for; empty: it holds none. Raises StoreFailure."""
    try:
        found = newest(absolute(tracking_uri))
    except Exception as error:
        raise StoreFailure(f"MLflow at {masked(tracking_uri)}: {masked(_first_line(error))}") from None
    return view.path(found) if found is not None else ""


def _keep_one(study: _Study, run: Run) -> None:
    """Take up a trial's run. A second one of the same trial was made when an answer was lost: it goes."""
    tags = run.data.tags
    number = int(tags[tagged.TRIAL])
    mine = _Run(
        run_id=run.info.run_id,
        complete=run.info.status != "RUNNING",
        attempt=tags.get(tagged.ATTEMPT, ""),
        digest=tags.get(tagged.DIGEST, ""),
        verdicts=frozenset(name for name in (tagged.PARETO, tagged.CHOSEN) if name in tags),
    )
    known = study.runs.get(number)
    if known is None:
        study.runs[number] = mine
        return
    keep, drop = (mine, known) if mine.complete and not known.complete else (known, mine)
    study.runs[number] = keep
    study.client.delete_run(drop.run_id)


def _holds(study: _Study, trial: Trial) -> bool:
    run = study.runs.get(trial.number)
    return run is not None and run.complete and run.attempt == trial.started_at.isoformat()


def _status(trial: Trial) -> str:
    match trial.outcome:
        case Failed() | Infeasible():
            return "FAILED"
        case Interrupted():
            return "KILLED"
        case _:
            return "FINISHED"


def _ended(trial: Trial) -> datetime:
    return trial.started_at + timedelta(seconds=trial.duration_s)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
