"""A study of a server that speaks TLS and wants a token, with templates and checks: all of it as a user has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.study import journal
from tests.cli.tune import Tune
from tests.load.authority import Authority
from tuner.errors import TrialFailure
from tuner.targets.model import TargetOptions
from tuner.targets.named import system
from tuner.trials.model import Measured

TOKEN = "s3cr3t-t0ken-0f-a-t3st"
SERVER = """
import json, os, ssl, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer(200, {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wanted = "Bearer " + open(os.environ["TOKEN_FILE"]).read()
        self.answer(*((200, {"id": asked["id"], "model": "m"}) if self.headers["Authorization"] == wanted else (401, {})))

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Server-Timing", "model;dur=0.5")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: secured}
spec:
  replicas: 1
  selector: {matchLabels: {app: secured}}
  template:
    metadata: {labels: {app: secured}}
    spec:
      containers:
        - name: server
          image: example/secured:1
          args: ["--port", "8443"]
          env:
            - {name: WORKERS, value: "1"}
          ports: [{name: https, containerPort: 8443}]
          readinessProbe: {httpGet: {path: /, port: https, scheme: HTTPS}, periodSeconds: 1}
          resources: {requests: {cpu: 500m, memory: 128Mi}, limits: {cpu: 500m, memory: 128Mi}}
"""
SPACE = """
name: secured
manifest: deployment.yaml
parameters: {{workers: {{int: [1, 2], set: env/WORKERS}}}}
workload:
  protocol: http
  request: {{file: body.json, template: true}}
  path: /predict
  rate: 60/s
  warm_up: 100ms
  duration: 1s
  step: 300ms
  connections: 8
  tls: {{ca: ca.pem, server_name: model.example}}
  auth: {{bearer: {{env: {variable}}}}}
  check: {{json: [{{path: $.model, equals: {model}}}, {{path: $.id}}], schema: schema.json}}
slo: {{latency_p90: 500ms}}
objectives: {{latency_p50: minimize}}
budget: {{trials: 2, confirm: 0}}
local:
  command: [python, server.py]
  env: {{TOKEN_FILE: {folder}/token, CERTIFICATE: {certificate}, KEY: {key}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pki").mkdir()
    authority = Authority(tmp_path / "pki")
    authority.sign("DNS:model.example")
    folder = tmp_path / "secured"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(authority.certificate.read_bytes())
    (folder / "token").write_text(TOKEN)
    (folder / "server.py").write_text(SERVER)
    (folder / "deployment.yaml").write_text(MANIFEST)
    (folder / "body.json").write_text('{"id": "{{uuid}}"}')
    (folder / "schema.json").write_text('{"properties": {"id": {"type": "string", "minLength": 36}}}')
    write(folder)
    return folder


def write(folder: Path, *, variable: str = "SECURED_TOKEN", model: str = "m") -> None:
    (certificate,) = (folder.parent / "pki").glob("DNS*.pem")
    key = certificate.with_suffix(".key")
    text = SPACE.format(folder=folder, certificate=certificate, key=key, variable=variable, model=model)
    (folder / "space.yaml").write_text(text)


def test_a_study_over_tls_with_a_token_that_stands_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECURED_TOKEN", TOKEN)
    tune = Tune(folder.parent)
    finished = tune("run", folder, "--seed", "1")
    assert finished.status == 0, finished.err
    assert [type(trial.outcome) for trial in journal(folder.parent, "secured").trials] == [Measured, Measured]
    holding = [
        str(path.relative_to(folder.parent))
        for path in folder.parent.rglob("*")
        if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert holding == ["secured/token"]
    assert TOKEN not in finished.out + finished.err


def test_without_the_variable_nothing_is_started(folder: Path) -> None:
    assert "SECURED_TOKEN" not in os.environ
    refused = Tune(folder.parent)("run", folder)
    assert refused.status == 2
    line = 1 + (folder / "space.yaml").read_text().splitlines().index("  auth: {bearer: {env: SECURED_TOKEN}}")
    assert f"space.yaml:{line}: the environment variable SECURED_TOKEN" in refused.err
    assert not (folder.parent / "studies").exists()


@pytest.mark.parametrize(
    ("variable", "model", "words"), [("WRONG_TOKEN", "m", "status 401"), ("SECURED_TOKEN", "other", '"m", not "other"')]
)
def test_a_trial_says_why_its_answers_are_wrong(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, model: str, words: str
) -> None:
    monkeypatch.setenv("SECURED_TOKEN", TOKEN)
    monkeypatch.setenv("WRONG_TOKEN", "wr0ng-t0ken")
    write(folder, variable=variable, model=model)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder.parent / "state"))
    before = os.sched_getaffinity(0)
    try:
        with pytest.raises(TrialFailure) as failed, system(str(folder), options=TargetOptions()).serve(print):
            pass
    finally:
        os.sched_setaffinity(0, before)  # what is deployed leaves the servers' CPUs alone; the other tests need not
    assert failed.value.kind == "WrongAnswer"
    assert words in failed.value.reason
    assert "t0ken" not in failed.value.reason
