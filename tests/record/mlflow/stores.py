"""Stores and studies for the tests: what MLflow itself reads back, a real server, a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.record import examples
from tuner.record.mlflow.recorder import MlflowRecorder
from tuner.space.model import SearchSpace
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Measured


class Store:
    """A store with a study folder, and what MLflow itself reads back from it."""

    def __init__(self, root: Path, uri: str) -> None:
        self.root, self.uri = root, uri
        self._studies = 0

    def study(self) -> Study:
        self._studies += 1
        return Study(self, f"iris-{self._studies}")

    def begun(self) -> tuple[Study, MlflowRecorder]:
        """A study, and a recorder that was told of its start."""
        study = self.study()
        recorder = study.recorder()
        recorder.started(study.summary.start)
        return study, recorder


class Study:
    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.summary: Summary = examples.summary(study_id=f"id-{name}", name=name)
        self.folder = StudyFolder(store.root / "studies" / name)
        self.space: SearchSpace = examples.space(store.root)
        self.folder.root.mkdir(parents=True)
        (self.folder.root / "report.html").write_text("<p>the report</p>")
        for trial in self.summary.trials:
            if not isinstance(trial.outcome, Measured) and trial.number != 4:
                continue
            self.folder.trial(trial.number).mkdir(parents=True)
            self.folder.manifest(trial.number).write_text(f"# trial {trial.number}\n")
            if trial.number != 4:
                self.folder.log(trial.number).write_text("".join(f"line {n}\n" for n in range(500)))

    def recorder(self) -> MlflowRecorder:
        return MlflowRecorder(self.store.uri, self.folder, self.space)

    def record(self) -> None:
        recorder = self.recorder()
        recorder.started(self.summary.start)
        for trial in self.summary.trials:
            recorder.finished(trial)
        recorder.closed(self.summary)

    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.store.uri, registry_uri=self.store.uri)

    def runs(self) -> list[Any]:
        client = self.client()
        experiment = client.get_experiment_by_name(self.name)
        return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))

    def parent(self) -> Any:
        (parent,) = (run for run in self.runs() if "tuner.trial" not in run.data.tags)
        return parent

    def trials(self) -> dict[int, Any]:
        children = [run for run in self.runs() if "tuner.trial" in run.data.tags]
        by_number = {int(run.data.tags["tuner.trial"]): run for run in children}
        assert len(by_number) == len(children), "a trial has two runs"
        return by_number

    def artifact(self, run: Any, name: str) -> str:
        from mlflow.artifacts import download_artifacts

        at = f"{run.info.artifact_uri}/{name}"
        path = download_artifacts(artifact_uri=at, dst_path=str(self.store.root), tracking_uri=self.store.uri)
        text = Path(path).read_text()
        Path(path).unlink()
        return text


@contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server, server.getsockname()[1]


def free_port() -> int:
    with listening() as (_, port):
        return port


@contextmanager
def mlflow_server(folder: Path, backend: str, port: int) -> Iterator[str]:
    """A real one, on loopback; `backend` is the address of its store."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", backend, "--artifacts-destination", str(folder / "art")]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=env, start_new_session=True
        )
    try:
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(transport=transport) as client:
            while server.poll() is None:
                try:
                    if client.get(f"http://127.0.0.1:{port}/health", timeout=5).is_success:
                        break
                except httpx.TransportError:
                    threading.Event().wait(0.2)
        assert server.poll() is None, (folder / "server.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def postgres_programs() -> Path | None:
    """The folder that `initdb` and `postgres` are in; None: this machine has none."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = Path(on_path).resolve() if on_path else found[-1] if found else None
    return program.parent if program is not None and (program.parent / "postgres").exists() else None


class Postgres:
    """A fresh database, on loopback. It refuses to be run by root: then it is the system's postgres, or nobody."""

    def __init__(self, programs: Path, folder: Path, *, also_at: str | None = None) -> None:
        """`folder`: where another user may come to, unlike pytest's own. `also_at`: an address of the test cluster's
        network, for its pods.
        """
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self.port = free_port()
        self._other: dict[str, Any] = {}
        self._quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": "/"}
        self._data.mkdir()
        if os.geteuid() == 0:
            known = {one.pw_name: one.pw_uid for one in pwd.getpwall()}
            user = next(name for name in ("postgres", "nobody") if name in known)
            for one in (self._data, folder):
                os.chown(one, known[user], -1)
            self._other = {"user": user, "extra_groups": ()}
        make = [programs / "initdb", "--auth=trust", "--username=tuner", "--no-sync", self._data]
        subprocess.run(make, check=True, **self._quiet, **self._other)
        self._addresses = ["127.0.0.1"]
        if also_at is not None:
            self._addresses.append(also_at)
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.0.0.0/8 trust\n")

    def start(self) -> None:
        """Returns when it takes connections: after a crash that is later than it listens."""
        options = ["-D", self._data, "-p", str(self.port), "-k", self._folder]
        options += ["-c", f"listen_addresses={','.join(self._addresses)}", "-c", "fsync=off"]
        self._server = subprocess.Popen(
            [self._programs / "postgres", *options], stderr=subprocess.DEVNULL, **self._quiet, **self._other
        )
        ready = [self._programs / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        while self._server.poll() is None and subprocess.run(ready, check=False).returncode != 0:
            threading.Event().wait(0.1)
        assert self._server.poll() is None, "postgres does not start"

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """By SIGQUIT as by a crash: it then recovers from its log when it is started."""
        self._server.send_signal(sign)
        self._server.wait(30)


@contextmanager
def running(programs: Path, *, also_at: str | None = None) -> Iterator[Postgres]:
    """One in a folder of its own, gone afterwards."""
    with TemporaryDirectory(prefix="tuner-postgres-") as folder:
        server = Postgres(programs, Path(folder), also_at=also_at)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """The address of a fresh database, for SQLAlchemy."""
    with running(programs) as server:
        # the first versions of MLflow 3 compare texts with numbers, which psycopg 3 does not let them
        driver = "psycopg2" if find_spec("psycopg2") else "psycopg"
        yield f"postgresql+{driver}://tuner@127.0.0.1:{server.port}/postgres"
