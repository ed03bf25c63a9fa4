"""The perceptron behind a real MLServer, alone and in batches; where MLServer is installed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.repository.checkout import ROOT
from tests.servers.mlserver import BIN, needs_mlserver
from tests.servers.pods import deployment_of
from tuner.load.control.exchange import exchange
from tuner.load.control.smoke import smoke
from tuner.load.protocols import protocol
from tuner.targets.inputs import read_inputs
from tuner.workload.answers import same_answer


@needs_mlserver
def test_the_perceptron_answers_as_many_as_are_asked_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "search_spaces" / "mlserver", tmp_path / "mlserver")
    manifest = tmp_path / "mlserver" / "deployment.yaml"
    text = manifest.read_text()
    for before, after in (
        (
            'MAX_BATCH_SIZE # requests joined into one prediction, at most\n              value: "1"',
            'MAX_BATCH_SIZE\n              value: "8"',
        ),
        (
            'MAX_BATCH_TIME # seconds that a batch waits to fill\n              value: "0"',
            'MAX_BATCH_TIME\n              value: "0.05"',
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    manifest.write_text(text)
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    inputs = read_inputs(tmp_path / "mlserver", "process")
    v2 = protocol("v2", {"model": "perceptron"})
    request = v2.encode((tmp_path / "mlserver" / "request.json").read_bytes())
    with inputs.backend.deploy(deployment_of(inputs.pods)) as running, ThreadPoolExecutor(20) as pool:
        running.wait_ready(100)
        (url,) = running.endpoint.urls
        alone = smoke(url, request, v2, 30.0, exchange)
        together = [pool.submit(smoke, url, request, v2, 30.0, exchange) for _ in range(20)]
        assert all(same_answer(alone, one.result()) for one in together)
