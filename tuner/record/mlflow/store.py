"""MLflow itself: the store at an address, a study's runs in it, and writing into a run within its limits."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tuner.errors import StoreFailure
from tuner.record.mlflow.metrics import Point
from tuner.record.mlflow.params import safe
from tuner.record.mlflow.tags import STUDY_ID
from tuner.record.mlflow.view import TAG
from tuner.record.store_file import make_whole
from tuner.record.uri import sqlite_file, sqlite_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_TAG_CHARACTERS = 5000  # MLflow's limit is 8000
_BATCH = 100  # MLflow takes 100 params and tags and 1000 metrics a call

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own defaults (120 s, 7 retries with back-off) would hold a study's end for many minutes.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""Set before MLflow is imported, where the user has not set them."""


def opened(tracking_uri: str) -> MlflowClient:
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

    def client(uri: str) -> MlflowClient:
        with _silence():
            return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    if (database := sqlite_file(tracking_uri)) is not None:
        make_whole(database, lambda file: client(sqlite_uri(file)))
    return client(tracking_uri)


@contextmanager
def _silence() -> Iterator[None]:
    """While a store makes its tables: what does that puts handlers of its own on the root logger, in some versions."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def experiment(client: MlflowClient, tracking_uri: str, name: str) -> Experiment:
    """That of a name, which is made where it is not there. Raises StoreFailure: it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            made = client.create_experiment(name, artifact_location=_artifact_folder(tracking_uri, name))
            return client.get_experiment(made)
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise StoreFailure(
            f"experiment {name!r} was deleted; run `mlflow experiments restore -x {found.experiment_id}`"
            " or give the study another name"
        )
    return found


def newest(tracking_uri: str) -> str | None:
    """The id of the experiment of the study that was begun or written to last; None: the store holds none."""
    found = opened(tracking_uri).search_experiments(max_results=200, order_by=["last_update_time DESC"])
    return next((str(one.experiment_id) for one in found if TAG in one.tags), None)


def runs_of(client: MlflowClient, experiment_id: str, study_id: str) -> list[Run]:
    """All runs of a study, oldest first."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`{STUDY_ID}` = '{study_id}'",
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            return found


class Writer:
    """Into runs, in as few calls as MLflow's limits allow; `between` is called before each."""

    def __init__(self, client: MlflowClient, between: Callable[[], object]) -> None:
        self._client = client
        self._between = between

    def log(
        self,
        run_id: str,
        *,
        points: Iterable[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Equal time and values: written twice, kept once."""
        from mlflow.entities import Metric, Param, RunTag

        stamp = milliseconds(at) if at else 0
        metrics = [Metric(p.name, p.value, stamp, p.step) for p in points if math.isfinite(p.value)]
        wanted = [Param(name, value) for name, value in (params or {}).items()]
        named = [RunTag(name, value[:_TAG_CHARACTERS]) for name, value in (tags or {}).items() if value]
        texts: list[Any] = [*wanted, *named]
        for part in batched(metrics, 10 * _BATCH - _BATCH):
            self._between()
            head, texts = texts[:_BATCH], texts[_BATCH:]
            self._client.log_batch(run_id, part, *_apart(head), synchronous=True)
        for rest in batched(texts, _BATCH):
            self._between()
            self._client.log_batch(run_id, (), *_apart(rest), synchronous=True)

    def untag(self, run_id: str, names: Iterable[str]) -> None:
        for name in names:
            self._between()
            self._client.delete_tag(run_id, name)

    def files(self, run_id: str, texts: Mapping[str, str]) -> None:
        server = self._artifact_server(run_id) if texts else None
        for name, text in texts.items():
            self._between()
            if server is None:
                self._client.log_text(run_id, text, name)
            else:
                _upload(server, name, text)

    def _artifact_server(self, run_id: str) -> ArtifactRepository | None:
        """Of a run whose artifacts its server takes in itself: the client of many a version looks for that server in its
        default store. None: they lie elsewhere."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        server = str(self._client.tracking_uri)
        if not server.startswith("http"):
            return None
        place = str(self._client.get_run(run_id).info.artifact_uri)
        return get_artifact_repository(place, tracking_uri=server) if place.startswith("mlflow-artifacts:") else None

    def requests(self, run_id: str, name: str, digest: str, sources: Mapping[str, int]) -> None:
        """What was sent, as the run's dataset: file names, and the bytes of each."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag

        if not sources:
            return
        self._between()
        dataset = Dataset(
            name=name,
            digest=digest,
            source_type="local",
            source=json.dumps({"files": list(sources)}),
            profile=json.dumps({"files": len(sources), "bytes": sum(sources.values())}),
        )
        self._client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "requests")])])

    def end(self, run_id: str, status: str, at: datetime) -> None:
        self._between()
        self._client.set_terminated(run_id, status=status, end_time=milliseconds(at))


def _upload(server: ArtifactRepository, name: str, text: str) -> None:
    folder, _, last = name.rpartition("/")
    with TemporaryDirectory(prefix="tuner-mlflow-") as temporary:
        file = Path(temporary) / last
        file.write_text(text, encoding="utf-8")
        upload: Callable[[str, str | None], object] = server.log_artifact
        upload(str(file), folder or None)


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _artifact_folder(tracking_uri: str, name: str) -> str | None:
    """With SQLite, artifacts lie beside the database, where `mlflow ui` on this machine shows them; else the
    store decides."""
    database: Path | None = sqlite_file(tracking_uri)
    return (database.parent / "mlartifacts" / safe(name)).as_uri() if database else None


def _apart(texts: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Params and tags, told apart."""
    from mlflow.entities import Param

    texts = tuple(texts)
    return [t for t in texts if isinstance(t, Param)], [t for t in texts if not isinstance(t, Param)]
