"""A namespace of its own on the test cluster, with the toy's image on its nodes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.backends.kubernetes.toys import IMAGE
from tests.cluster.fixture import Cluster
from tuner.backends.kubernetes import diagnosis
from tuner.backends.kubernetes.api import NAMESPACES, NODES, Api


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster, images: Callable[[str], str]) -> Path:
    assert images("toy") == IMAGE
    return cluster.kubeconfig


@pytest.fixture(scope="session")
def namespace(kubeconfig: Path) -> Iterator[str]:
    name = f"tuner-test-{secrets.token_hex(3)}"
    api = Api(namespace=name, kubeconfig=kubeconfig)
    api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete(NAMESPACES, name)


@pytest.fixture
def api(kubeconfig: Path, namespace: str) -> Api:
    return Api(namespace=namespace, kubeconfig=kubeconfig)


@pytest.fixture(autouse=True)
def nodes_are_heard_of(request: pytest.FixtureRequest) -> None:
    """A test before may have stopped the API server: for a minute afterwards nodes take no pods."""
    if request.node.get_closest_marker("cluster") is None:
        return
    api = request.getfixturevalue("api")
    end = time.monotonic() + 120
    while not _heard_of(api):
        assert time.monotonic() < end, "nodes of the cluster are not heard of"
        time.sleep(0.5)


def _heard_of(api: Api) -> bool:
    """Kubelets renew their leases every 10 s; one that just missed that may be declared lost any moment."""
    leases = api.call("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", what="the leases")
    fresh = (datetime.fromisoformat(lease["spec"]["renewTime"]) for lease in leases["items"])
    oldest = api.now() - timedelta(seconds=15)
    return all(renewed > oldest for renewed in fresh) and not diagnosis.nodes_away(api.items(NODES))
