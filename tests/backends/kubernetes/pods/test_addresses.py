"""The detours to the pods, taken for real: here the pods can be reached, so the test says that they cannot."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.backends.kubernetes import toys
from tests.conformance.backend import ready
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.pods import addresses

pytestmark = pytest.mark.cluster

NODE_PORT = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "front"},
    "spec": {"type": "NodePort", "selector": {"app": "toy"}, "ports": [{"port": 80, "targetPort": "http"}]},
}
BODY = json.dumps({"data": {"ndarray": [[1, 2, 3]]}})


@pytest.fixture
def reaching(kubeconfig: Path, namespace: str) -> Callable[[Callable[[str, int], bool]], KubernetesBackend]:
    def make(routable: Callable[[str, int], bool]) -> KubernetesBackend:
        return KubernetesBackend(toys.SPACE, namespace=namespace, kubeconfig=kubeconfig, routable=routable)

    return make


def predictions(url: str, count: int) -> list[object]:
    """Over one connection that is kept."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        return [_predict(connection) for _ in range(count)]
    finally:
        connection.close()


def _predict(connection: http.client.HTTPConnection) -> object:
    connection.request("POST", "/api/v1.0/predictions", BODY, {"Content-Type": "application/json"})
    return json.load(connection.getresponse())["data"]["ndarray"]


@pytest.mark.parametrize(
    ("reached", "way"),
    [
        (lambda address, port: port >= 30000 and addresses.routable(address, port), "a node port of Service front-"),
        (
            lambda address, port: port == 80 and addresses.routable(address, port),
            "the cluster address of Service front-",
        ),
    ],
)
def test_where_pods_are_out_of_reach_a_service_is_the_way(
    reaching: Callable[..., KubernetesBackend], reached: Any, way: str
) -> None:
    backend = reaching(reached)
    with ready(backend.deploy(toys.deployment([NODE_PORT, toys.manifest(replicas=2)]))) as running:
        (url,) = running.endpoint.urls
        assert predictions(url, 3) == [[[13]]] * 3
        running.check_alive()
        (said,) = running.not_enforced
    assert f"load goes through {way}" in said
    assert "uneven shares" in said


def test_where_nothing_is_in_reach_ports_are_forwarded(reaching: Callable[..., KubernetesBackend]) -> None:
    backend = reaching(lambda address, port: False)
    with ready(backend.deploy(toys.deployment([toys.manifest(replicas=2)]))) as running:
        urls = running.endpoint.urls
        assert len(set(urls)) == 2, "one a replica"
        assert [predictions(url, 5) for url in urls] == [[[[13]]] * 5] * 2
        running.check_alive()
        (said,) = running.not_enforced
    assert "port-forwards of the API server, which distort" in said
    with pytest.raises(ConnectionRefusedError):
        predictions(urls[0], 1)
