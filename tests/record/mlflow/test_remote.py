"""A remote server with PostgreSQL behind it, which wants a token, and is restarted in the middle of a study."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.record.mlflow.stores import Store, free_port, mlflow_server, postgres, postgres_programs
from tuner.errors import StoreFailure
from tuner.record.sync import sync

TOKEN = "a-token-of-mine"


@contextmanager
def guarded(server: str) -> Iterator[str]:
    """In front of a server: whoever has not the token is turned away."""

    class Guard(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, b"no token", "text/plain")
                return
            headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            try:
                told = httpx.request(self.command, server + self.path, content=content, headers=headers, timeout=120)
            except httpx.TransportError:
                self._answer(503, b"restarting", "text/plain")
                return
            self._answer(told.status_code, told.content, told.headers.get("Content-Type", "application/json"))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - the names are http.server's

        def _answer(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as guard:
        guard.daemon_threads = True
        threading.Thread(target=guard.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{guard.server_port}"
        finally:
            guard.shutdown()


@pytest.mark.timeout(900)
def test_a_server_that_wants_a_token_and_is_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed here (Debian: postgresql)")
    if not any(map(find_spec, ("psycopg", "psycopg2"))):
        pytest.skip("the extra postgres is not installed (scripts/mlflow has it)")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    (tmp_path / "space.yaml").write_text("name: iris\n")
    port = free_port()
    with postgres(programs) as database, guarded(f"http://127.0.0.1:{port}") as uri:
        study = Store(tmp_path, uri).study()
        recorder = study.recorder()
        with mlflow_server(tmp_path, database, port):
            with pytest.raises(StoreFailure, match="401"):
                study.recorder().started(study.summary.start)
            monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
            recorder.started(study.summary.start)
            recorder.write_missing(study.summary.trials[:3])
        with pytest.raises(StoreFailure, match=uri):
            recorder.finished(study.summary.trials[3])
        with mlflow_server(tmp_path, database, port):
            recorder.closed(study.summary)
            assert sorted(study.trials()) == list(range(9))
            assert study.parent().info.status == "FINISHED"
            assert study.artifact(study.trials()[1], "manifest.yaml") == "# trial 1\n"
            assert recorder.register(study.summary, "iris") == "1"
            assert sync(study.summary.start, study.summary.trials, study.recorder(), study.summary) == 0
        study.store = Store(tmp_path, database)  # and with no server in between
        assert sorted(study.trials()) == list(range(9))
