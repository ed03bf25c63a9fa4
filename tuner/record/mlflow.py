"""MLflow as a recorder: a parent run a study, a child run a trial.

Idempotent: runs are found again by the tags `tuner.study_id` and `tuner.trial`, a run's status leaves RUNNING only
after all of it is written, and what is written twice is written the same, so a resumed study and `tune sync` repeat
nothing. Every method raises StoreFailure (credentials masked) when the store cannot be used; the next call starts
over with a fresh look at the store. Use it behind `tuner.record.background.Background`.
"""

from __future__ import annotations

import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import StoreFailure
from tuner.manifests.secret_values import masked as masked_text
from tuner.manifests.secret_values import secret_values
from tuner.record import rows
from tuner.record.store_file import make_whole
from tuner.record.uri import absolute, sqlite_file, sqlite_uri
from tuner.record.wording import comparison_lines
from tuner.search.model import Outlook
from tuner.space.model import SearchSpace
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Failed, Infeasible, Interrupted, Trial
from tuner.uri import masked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_LOG_LINES = 200
_TAG_CHARACTERS = 5000  # MLflow's limit is 8000
_BATCH = 100  # MLflow takes 100 params and tags and 1000 metrics a call

_VIEW = "tuner"
_NOTE = """[**Compare the trials**](#/experiments/{experiment_id}/runs?viewStateShareKey={view}), best first.

A run named *study* holds one run a trial; `tags.pareto = 'true'` leaves the Pareto front (also `feasible`, `baseline`,
`chosen`). Latencies are in milliseconds; `_low` and `_high` hold the truth with 95 % confidence; `curve/...` is latency
against the offered rate, which is the step.
"""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own defaults (120 s, 7 retries with back-off) would hold a study's end for many minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""Set before MLflow is imported, where the user has not set them."""


@dataclass(slots=True)
class _Run:
    """A trial's run in the store. `attempt` tells a trial run again after an interruption from its first run."""

    run_id: str
    complete: bool
    attempt: str
    pareto: str | None


@dataclass(slots=True)
class _Study:
    """Where one study is in the store."""

    client: MlflowClient
    experiment_id: str
    parent_id: str
    runs: dict[int, _Run] = field(default_factory=dict)


class MlflowRecorder:
    """Writes to the MLflow store at `tracking_uri`; relative SQLite paths are taken from the working folder.

    `between` is called between two writes: a place to wait while a measurement runs.
    """

    def __init__(
        self,
        tracking_uri: str,
        folder: StudyFolder,
        space: SearchSpace,
        *,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        self._uri = absolute(tracking_uri)
        self._folder = folder
        self._space = space
        self._between = between
        self._start: StudyStart | None = None
        self._found: _Study | None = None
        self._seen: dict[int, Trial] = {}
        self._front = rows.FrontSoFar()

    def started(self, start: StudyStart) -> None:
        self._start = start
        with self._store() as study:
            study.client.update_run(study.parent_id, status="RUNNING")

    def page(self, start: StudyStart) -> str:
        """Path, below an MLflow server's address, of the page that compares the trials of a study."""
        self._start = start
        with self._store() as study:
            return f"/#/experiments/{study.experiment_id}/runs?viewStateShareKey={_VIEW}"

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
            for number, tags in rows.verdict_tags(summary).items():
                self._log(study.client, study.runs[number].run_id, tags=tags)
                study.runs[number].pareto = tags["pareto"]
            self._write_summary(study, summary)

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
        client = _client(self._uri)
        self._between()
        experiment_id = self._experiment(client, self._start.name)
        self._between()
        found = _runs_of(client, experiment_id, self._start.study_id)
        parents = [run for run in found if "tuner.trial" not in run.data.tags]
        parent_id = parents[0].info.run_id if parents else self._create_parent(client, experiment_id, self._start)
        study = _Study(client, experiment_id, parent_id)
        for run in found:
            if "tuner.trial" in run.data.tags:
                _keep_one(study, run)
        return study

    def _experiment(self, client: MlflowClient, name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            try:
                folder = _artifact_folder(self._uri, name)
                return str(client.create_experiment(name, artifact_location=folder))
            except MlflowException:  # another process was faster
                experiment = client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise StoreFailure(
                f"experiment {name!r} was deleted; run `mlflow experiments restore -x {experiment.experiment_id}`"
                " or give the study another name"
            )
        return str(experiment.experiment_id)

    def _create_parent(self, client: MlflowClient, experiment_id: str, start: StudyStart) -> str:
        tags = {"tuner.study_id": start.study_id, "study": self._folder.name}
        began = _milliseconds(datetime.fromisoformat(start.started_at))
        run = client.create_run(experiment_id, start_time=began, tags=tags, run_name=f"study {self._folder.name}")
        self._log(client, run.info.run_id, params=rows.study_params(start, self._space))
        shown = {
            "mlflow.experimentKind": "custom_model_development",  # pages for runs, not those for language models
            "mlflow.note.content": _NOTE.format(experiment_id=experiment_id, view=_VIEW),
            f"mlflow.sharedViewState.{_VIEW}": json.dumps(rows.trials_view(start, self._space)),
        }
        for key, value in shown.items():
            self._between()
            client.set_experiment_tag(experiment_id, key, value)
        return str(run.info.run_id)

    def _write_trial(self, study: _Study, trial: Trial) -> None:
        run_id = self._run_for(study, trial)
        measurement = trial.measurement
        tags = rows.trial_tags(trial)
        artifacts = {"manifest.yaml": _text(self._folder.manifest(trial.number)), "server.log": self._log_tail(trial)}
        if measurement is not None:
            artifacts["latency.json"] = json.dumps(rows.curve_table(measurement))
            tags["mlflow.loggedArtifacts"] = _shown_as_tables("latency.json")
        self._log(
            study.client,
            run_id,
            points=rows.trial_points(trial),
            params=rows.trial_params(trial),
            tags=tags,
            at=trial.started_at,
        )
        self._log_texts(study.client, run_id, artifacts)
        self._between()
        study.client.set_terminated(run_id, status=_status(trial), end_time=_milliseconds(_ended(trial)))
        study.runs[trial.number].complete = True

    def _run_for(self, study: _Study, trial: Trial) -> str:
        """The trial's own run: the one begun before, or a new one."""
        known = study.runs.get(trial.number)
        attempt = trial.started_at.isoformat()
        if known is not None and known.attempt == attempt:
            return known.run_id
        if known is not None:
            study.client.delete_run(known.run_id)
        tags = {
            "tuner.study_id": self._start.study_id if self._start else "",
            "tuner.trial": str(trial.number),
            "tuner.attempt": attempt,
            "mlflow.parentRunId": study.parent_id,
        }
        run = study.client.create_run(
            study.experiment_id,
            start_time=_milliseconds(trial.started_at),
            tags=tags,
            run_name=rows.trial_name(trial),
        )
        study.runs[trial.number] = _Run(run.info.run_id, complete=False, attempt=attempt, pareto=None)
        return str(run.info.run_id)

    def _tag_front_so_far(self, study: _Study) -> None:
        """While the study runs: which feasible trials no other one beats; `closed` has the last word."""
        if self._start is None:
            return
        self._front.add(self._seen.values(), self._start.objectives)
        best = self._front.numbers
        for number, run in study.runs.items():
            pareto = "true" if number in best else "false"
            if number in self._seen and run.pareto != pareto:
                self._log(study.client, run.run_id, tags={"pareto": pareto})
                run.pareto = pareto

    def _write_summary(self, study: _Study, summary: Summary) -> None:
        client, parent = study.client, study.parent_id
        tables = {"front.json": rows.front_table(summary), "comparison.json": rows.comparison_table(summary)}
        artifacts = {name: json.dumps(table) for name, table in tables.items()}
        artifacts["search_space.yaml"] = _text(self._space.file)
        tags = {
            "mlflow.note.content": "\n".join(f"- {line}" for line in comparison_lines(summary)),
            "mlflow.loggedArtifacts": _shown_as_tables(*tables),
            "ended_because": summary.ended_because,
        }
        if summary.choice is not None:
            number = summary.choice.candidate.trial
            tags["chosen_trial"] = str(number)
            tags["chosen_reason"] = f"{summary.choice.pick}: {summary.choice.reason}"
            artifacts["chosen.yaml"] = _text(self._folder.best_manifest) or _text(self._folder.manifest(number))
        known = client.get_run(parent).data.params
        params = {} if summary.rate_rps is None else {"rate_rps": f"{summary.rate_rps:g}"}
        ended = max(map(_ended, summary.trials), default=datetime.fromisoformat(summary.start.started_at))
        self._log(
            client,
            parent,
            points=rows.study_points(summary),
            params={name: value for name, value in params.items() if name not in known},
            tags=tags,
            at=ended,
        )
        self._log_texts(client, parent, artifacts)
        client.set_terminated(parent, status="FINISHED", end_time=_milliseconds(ended))

    def _log(
        self,
        client: MlflowClient,
        run_id: str,
        *,
        points: Iterable[rows.Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Everything in as few calls as MLflow's limits allow. Equal time and values: written twice, kept once."""
        from mlflow.entities import Metric, Param, RunTag

        stamp = _milliseconds(at) if at else 0
        metrics = [Metric(p.name, p.value, stamp, p.step) for p in points if math.isfinite(p.value)]
        wanted = [Param(name, value) for name, value in (params or {}).items()]
        named = [RunTag(name, value[:_TAG_CHARACTERS]) for name, value in (tags or {}).items() if value]
        texts: list[Any] = [*wanted, *named]
        for part in batched(metrics, 10 * _BATCH - _BATCH):
            self._between()
            head, texts = texts[:_BATCH], texts[_BATCH:]
            client.log_batch(run_id, part, *_apart(head), synchronous=True)
        for rest in batched(texts, _BATCH):
            self._between()
            client.log_batch(run_id, (), *_apart(rest), synchronous=True)

    def _log_texts(self, client: MlflowClient, run_id: str, texts: Mapping[str, str]) -> None:
        """Without the literal secrets of the manifest, which others than its readers may see there."""
        names = self._start.mask if self._start is not None else ()
        manifest = _text(self._space.manifest)
        values = [one.value for one in secret_values(manifest, names)]
        for name, text in texts.items():
            if text:
                self._between()
                client.log_text(run_id, masked_text(text, names, values), name)

    def _log_tail(self, trial: Trial) -> str:
        text = _text(self._folder.log(trial.number))
        if not text and isinstance(trial.outcome, Failed):
            text = trial.outcome.logs
        return "".join(text.splitlines(keepends=True)[-_LOG_LINES:])


def _client(tracking_uri: str) -> MlflowClient:
    """Imports MLflow (seconds), silently, and opens the store. Nothing global of MLflow is set."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # What MLflow's own use of its libraries warns of is nothing a user of the tuner can change.
    warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic)(\.|$)")
    import mlflow

    # Errors reach the user as our StoreFailure; MLflow's own log lines would tear the live table apart. A NullHandler
    # still lets them through to handlers the user's program put on the root logger.
    for name in ("mlflow", "alembic", "sqlalchemy.engine", "huey", "urllib3"):
        logging.getLogger(name).handlers = [logging.NullHandler()]

    def opened(uri: str) -> MlflowClient:
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    if (database := sqlite_file(tracking_uri)) is not None:
        make_whole(database, lambda file: opened(sqlite_uri(file)))
    return opened(tracking_uri)


def _artifact_folder(tracking_uri: str, experiment: str) -> str | None:
    """With SQLite, artifacts lie beside the database, where `mlflow ui` on this machine shows them; else the
    store decides."""
    database = sqlite_file(tracking_uri)
    return (database.parent / "mlartifacts" / rows.safe(experiment)).as_uri() if database else None


def _runs_of(client: MlflowClient, experiment_id: str, study_id: str) -> list[Run]:
    """All runs of a study, oldest first."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`tuner.study_id` = '{study_id}'",
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            return found


def _keep_one(study: _Study, run: Run) -> None:
    """Take up a trial's run. A second one of the same trial was made when an answer was lost: it goes."""
    number = int(run.data.tags["tuner.trial"])
    mine = _Run(
        run_id=run.info.run_id,
        complete=run.info.status != "RUNNING",
        attempt=run.data.tags.get("tuner.attempt", ""),
        pareto=run.data.tags.get("pareto"),
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


def _apart(texts: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Params and tags, told apart."""
    from mlflow.entities import Param

    texts = tuple(texts)
    return [t for t in texts if isinstance(t, Param)], [t for t in texts if not isinstance(t, Param)]


def _shown_as_tables(*names: str) -> str:
    return json.dumps([{"path": name, "type": "table"} for name in names])


def _text(path: Path) -> str:
    """The file's text; empty where there is none, for not every trial leaves every file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _ended(trial: Trial) -> datetime:
    return trial.started_at + timedelta(seconds=trial.duration_s)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
