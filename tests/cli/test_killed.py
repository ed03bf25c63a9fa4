from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.killed import Here, kill_and_resume, namespace
from tests.cluster.fixture import Cluster
from tests.cluster.programs import programs


@pytest.mark.timeout(300)
def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, Here(), kills=4, seed=3, trials=3)


@pytest.mark.timeout(900)
def test_killed_on_a_cluster_and_resumed(
    tmp_path: Path, cluster: Cluster, images: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    images("toy")  # type: ignore[operator]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as place:
        kill_and_resume(tmp_path, place, kills=2, seed=5, trials=2)
