from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.killed import Namespace, namespace
from tests.cli.tune import Tune
from tests.cluster.fixture import Cluster
from tests.cluster.programs import programs


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    return Tune(tmp_path)


@pytest.fixture
def place(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    """A namespace of the cluster that `tune` works on."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as made:
        yield made
