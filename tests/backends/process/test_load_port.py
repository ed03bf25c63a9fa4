"""A server is ready when what is probed answers and the port that the load goes to accepts connections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.grpc_servers import wait_until
from tests.servers.pods import deployment_of, pods_of, toy_container, toy_space
from tuner.backends.process import ProcessBackend
from tuner.backends.process.container.probe import probe
from tuner.errors import TrialFailure


def test_nobody_listens_where_the_load_goes(tmp_path: Path) -> None:
    backend = ProcessBackend(toy_space(overcommit=True), tmp_path / "state")
    with backend.deploy(deployment_of(replace(pods_of(toy_container()), load=5000))) as running:
        probed = running._containers[0].launch.ports[9000]
        wait_until(lambda: probe(probed, "/health/status") is None)
        here = int(running.endpoint.urls[0].rpartition(":")[2])
        with pytest.raises(TrialFailure, match=rf"not on {here}, which stands here for port 5000.*workload.port"):
            running.wait_ready(0.2)
