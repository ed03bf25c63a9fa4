"""Where pods tell their metrics; arithmetic on objects, no cluster is needed."""

from __future__ import annotations

from typing import Any

from tuner.backends.kubernetes.pods.addresses import metrics_urls
from tuner.manifests.model import MetricsPort

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
