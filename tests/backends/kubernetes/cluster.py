"""The cluster of the tests: the one `scripts/cluster` started, or the one TUNER_TEST_KUBECONFIG names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.backends.kubernetes.image import IMAGE, build
from tests.cluster import machine
from tuner.backends.kubernetes.api import NODES, Api
from tuner.errors import EnvironmentFailure


def obstacle() -> Path | str:
    """The kubeconfig, or why there is no cluster to test on."""
    named = os.environ.get("TUNER_TEST_KUBECONFIG")
    path = Path(named) if named else machine.kubeconfig()
    if not path.exists():
        return f"no cluster: {path} is not there; start one with `scripts/cluster up`"
    try:
        Api(namespace="default", kubeconfig=path, away_at_most_s=1.0).items(NODES)
    except EnvironmentFailure as failure:
        return f"no cluster: {failure}"
    return path


def prepare(kubeconfig: Path) -> None:
    """Bring the toy's image onto the nodes; a cluster named by TUNER_TEST_KUBECONFIG has it already."""
    if os.environ.get("TUNER_TEST_KUBECONFIG"):
        return
    nodes = Api(namespace="default", kubeconfig=kubeconfig).items(NODES)
    there = [any(IMAGE in (image.get("names") or ()) for image in node["status"].get("images") or ()) for node in nodes]
    if not all(there):
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "toy.tar")
            build(archive)
            machine.load(archive)
