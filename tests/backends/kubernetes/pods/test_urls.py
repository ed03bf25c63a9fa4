"""Where pods answer, by what the cluster says of them."""

from __future__ import annotations

import socket
from typing import Any

from tests.backends.kubernetes import toys
from tuner.backends.kubernetes.pods import addresses
from tuner.backends.kubernetes.pods.addresses import metrics_urls
from tuner.manifests.model import MetricsPort


def test_ports_behind_services() -> None:
    service = {"spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": 8000}]}}
    pod = toys.manifest()["spec"]["template"]
    assert addresses.target_port(service, 80, pod) == 9000
    assert addresses.target_port(service, 8000, pod) == 8000
    assert addresses.target_port(service, 9, pod) is None
    assert addresses.pod_urls([{"status": {"podIP": "10.0.0.1"}}, {"status": {"podIP": "fd00::1"}}], 80) == (
        "http://10.0.0.1:80",
        "http://[fd00::1]:80",
    )
    assert addresses.pod_urls([{"status": {"podIP": "10.0.0.1"}}, {"status": {}}], 80) == ()


def test_a_refused_connection_is_a_way_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert addresses.routable("127.0.0.1", port)
    assert addresses.routable("127.0.0.1", port)


ENGINE = MetricsPort(container="seldon-container-engine", port=8000, path="/prometheus")
MODEL = MetricsPort(container="classifier", port=6000, path="/metrics")


def pod(address: str | None) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": {"podIP": address} if address else {}}


def test_every_pod_is_asked_at_every_port() -> None:
    assert metrics_urls([pod("10.0.0.1"), pod("fd00::2")], (ENGINE, MODEL)) == (
        "http://10.0.0.1:8000/prometheus",
        "http://[fd00::2]:8000/prometheus",
        "http://10.0.0.1:6000/metrics",
        "http://[fd00::2]:6000/metrics",
    )


def test_none_is_asked_where_no_port_or_no_address_is_known() -> None:
    assert metrics_urls([pod("10.0.0.1")], ()) == ()
    assert metrics_urls([pod("10.0.0.1"), pod(None)], (MODEL,)) == ()
    assert metrics_urls([], (MODEL,)) == ()
