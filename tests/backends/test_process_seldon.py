"""The real seldon-core-microservice: ports of its own for each, and gone although it is deaf to SIGTERM."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.servers.pods import deployment_of, pods_of, toy_space
from tuner.backends.process import ProcessBackend
from tuner.manifests.model import Container, ReadinessProbe
from tuner.space.model import LocalImage

MODEL = """
class Doubler:
    def predict(self, X, names=None, meta=None):
        return 2 * X
"""


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="seldon-core needs numpy < 2, which Python 3.13 has no wheel of"
)
def test_seldon_core_microservice_is_served_and_taken_down(tmp_path: Path) -> None:
    (tmp_path / "Doubler.py").write_text(MODEL)
    image = LocalImage(command=("seldon-core-microservice", "Doubler", "--service-type", "MODEL"), folder=tmp_path)
    container = Container(
        name="classifier",
        image="example/doubler:1",
        env={"GUNICORN_WORKERS": "2", "SELDON_LOG_LEVEL": "WARNING"},
        ports=(("http", 9000), ("metrics", 6000)),
        probe=ReadinessProbe(http_path="/health/status", port=9000),
        requests={"cpu": "500m", "memory": "512Mi"},
        limits={"cpu": "2", "memory": "512Mi"},
    )
    backend = ProcessBackend(toy_space(image), tmp_path / "state")
    pods = pods_of(container)
    assert backend.check(pods) == ()
    with backend.deploy(deployment_of(pods)) as running:
        running.wait_ready(100)
        assert running.differences() == ()
        request = urllib.request.Request(
            f"{running.endpoint.urls[0]}/api/v1.0/predictions",
            data=b'{"data": {"ndarray": [[1, 2]]}}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response)["data"]["ndarray"] == [[2, 4]]
        assert any("listens on" in sentence and "0.0.0.0" in sentence for sentence in running.not_enforced)
        servers = [psutil.Process(pid) for one in running._containers for pid in one.members()]
        assert len(servers) > 2
    assert not any(server.is_running() and server.status() != psutil.STATUS_ZOMBIE for server in servers)
    assert psutil.Process().children() == []
