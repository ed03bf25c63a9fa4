"""The baseline, tried once: a real server in this process, asked by a real generator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.cli.tune import TOY
from tests.simulated import USAGE, SimulatedRunning
from tuner.backends.model import Deployment, Endpoint
from tuner.commands.check import Attempt, attempt, document
from tuner.errors import TrialFailure
from tuner.manifests.model import PodSet
from tuner.targets.inputs import read_inputs

RIGHT = json.dumps({"data": {"names": ["t:0"], "ndarray": [[7.0]]}}).encode()


class Served(SimulatedRunning):
    def __init__(self, url: str) -> None:
        super().__init__(USAGE)
        self.endpoint = Endpoint(urls=(url,))

    def logs(self, tail: int) -> str:
        return "toy: listening"


class Here:
    """A backend of one server, which answers so."""

    name = "here"

    def __init__(self, status: int, body: bytes, *, starts: bool = True) -> None:
        self._status, self._body, self._starts = status, body, starts
        self.up = False

    @contextmanager
    def deploy(self, deployment: Deployment) -> Iterator[Served]:
        if not self._starts:
            raise TrialFailure(stage="ready", kind="Crashed", reason="it exited with status 1", logs="no model")
        status, body = self._status, self._body

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            self.up = True
            try:
                yield Served(f"http://127.0.0.1:{server.server_port}")
            finally:
                server.shutdown()
                self.up = False

    def infeasible(self, pods: PodSet) -> str | None:
        return None

    def generator_cpus(self) -> tuple[int, ...]:
        return ()

    def clean(self) -> tuple[str, ...]:
        return ()


def tried(backend: Here) -> Attempt:
    inputs = replace(read_inputs(TOY, "process"), backend=backend)  # type: ignore[arg-type]
    found = attempt(inputs, "process", lambda _: None, lambda _: None)
    assert not backend.up, "it is taken down"
    return found


def test_what_is_answered_is_told() -> None:
    found = tried(Here(200, RIGHT))
    assert found.works
    (answer,) = found.answers
    assert (answer.status, answer.body, answer.wrong) == (200, RIGHT, None)
    assert answer.request.startswith("POST http://127.0.0.1:")
    assert answer.file.endswith("request.json")
    assert document(found)["works"] is True
    assert document(found)["failure"] is None


@pytest.mark.parametrize(("status", "body"), [(422, b'{"detail": "no field x"}'), (200, b"not JSON")])
def test_a_wrong_answer_is_told_with_its_status_and_body(status: int, body: bytes) -> None:
    found = tried(Here(status, body))
    assert not found.works
    assert found.failure is not None
    assert (found.failure.stage, found.failure.kind) == ("verify", "WrongAnswer")
    assert f"status {status}, the answer begins {body.decode()!r}" in found.failure.reason
    assert found.advice.startswith("change the request or the path")
    assert found.failure.logs == "toy: listening"


def test_a_server_that_does_not_start_is_told_with_what_it_said() -> None:
    found = tried(Here(200, RIGHT, starts=False))
    assert found.failure is not None
    assert found.failure.logs == "no model"
    assert found.advice.startswith("make the manifest start as it stands")
    assert json.dumps(document(found))
