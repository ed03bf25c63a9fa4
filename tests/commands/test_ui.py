"""The page that `tune ui` shows: of a real MLflow, and of a server that runs already."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from tests.record import examples
from tuner.commands.ui import page_of, show, store_of
from tuner.errors import EnvironmentFailure, InputError
from tuner.record.mlflow.recorder import MlflowRecorder
from tuner.trials.folder import StudyFolder


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def answering() -> Iterator[str]:
    """A server that answers everything, as MLflow's does its health check."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_of_a_store_that_is_a_server_the_servers_own_page_is_told() -> None:
    told: list[str] = []
    with answering() as address:
        assert (
            show(f"http://me:hidden@{address}/", "127.0.0.1", 5000, "/#/experiments/3", told.append, opens=False) == 0
        )
    assert told == [f"http://***@{address}/#/experiments/3"]


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFailure, match=f"port {port} cannot be listened on"):
            show(f"sqlite:///{tmp_path}/mlflow.db", "127.0.0.1", port, "", print, opens=False)


def test_a_folder_without_a_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no MLflow store is here"):
        store_of(None, f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.timeout(300)
def test_the_page_is_told_when_it_answers_and_ends_with_the_command(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    assert page_of(None, store) == ""
    recorder = MlflowRecorder(store, StudyFolder(tmp_path / "studies" / "iris"), examples.space(tmp_path))
    recorder.started(examples.start())
    page = recorder.page(examples.start())
    assert page_of(None, store) == page
    port = free_port()
    command = [sys.executable, "-c", "from tuner.cli import main; main()", "ui", "--no-open", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stderr is not None
        try:
            address = next(line for line in server.stderr if line.startswith("http://"))
            assert address.split()[0] == f"http://127.0.0.1:{port}{page}"
            found = httpx.get(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get-by-name?experiment_name=iris")
            tags = {tag["key"] for tag in found.json()["experiment"]["tags"]}
            assert "mlflow.sharedViewState.tuner" in tags
            assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        finally:
            server.send_signal(signal.SIGINT)
            server.stderr.read()
    with closing(socket.socket()) as tried:
        assert tried.connect_ex(("127.0.0.1", port)) != 0
