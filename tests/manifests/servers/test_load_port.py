"""Which port of a manifest the load goes to."""

from __future__ import annotations

import pytest

from tests.manifests.spaces import DEPLOYMENT, SELDON, rendered, space
from tuner.errors import InputError
from tuner.manifests.model import PodSet
from tuner.manifests.pods import pods
from tuner.workload.model import WorkloadSpec

UNKNOWN = DEPLOYMENT.replace("GUNICORN_WORKERS", "COPIES")
DIRECT = SELDON.replace("replicas: 1", 'replicas: 1\n      annotations: {seldon.io/no-engine: "true"}')
"""Its operator tells the model where to listen."""
WITH_GRPC = DEPLOYMENT.replace("name: metrics", "name: grpc")


def found(text: str, protocol: str, port: str | int | None = None) -> PodSet:
    workload = WorkloadSpec(protocol=protocol, requests=(), port=port)
    return pods(space(workload=workload), rendered(text))


def test_http_goes_to_the_http_port() -> None:
    assert found(WITH_GRPC, "seldon").load is None
    assert found(WITH_GRPC, "seldon").load_port == 9000


@pytest.mark.parametrize(
    ("text", "protocol", "port", "expected"),
    [
        (WITH_GRPC, "seldon-grpc", None, 6000),
        (WITH_GRPC.replace("name: grpc", "name: h2c"), "grpc", None, 6000),
        (WITH_GRPC, "seldon-grpc", 5001, 5001),
        (DEPLOYMENT, "seldon-grpc", "metrics", 6000),
        (DEPLOYMENT, "http", "metrics", 6000),
        (DEPLOYMENT, "seldon-grpc", None, 5000),
        (
            DEPLOYMENT.replace(
                "        - name: GUNICORN_WORKERS",
                "        - {name: PREDICTIVE_UNIT_GRPC_SERVICE_PORT, value: '5005'}\n        - name: GUNICORN_WORKERS",
            ),
            "seldon-grpc",
            None,
            5005,
        ),
        (SELDON, "seldon-grpc", 5001, 5001),
        (DIRECT, "seldon-grpc", None, 9500),
        (
            DIRECT.replace("env:", "ports: [{name: grpc, containerPort: 7000}]\n                env:"),
            "grpc",
            None,
            7000,
        ),
    ],
)
def test_grpc_goes_to_its_own(text: str, protocol: str, port: str | int | None, expected: int) -> None:
    of = found(text, protocol, port)
    assert (of.load_port, of.port) == (expected, 9000)


@pytest.mark.parametrize(
    ("text", "protocol", "port", "words"),
    [
        (UNKNOWN, "v2-grpc", None, "no port named grpc; name it so"),
        (UNKNOWN, "grpc", None, "no port named grpc; name it so"),
        (DEPLOYMENT, "grpc", "rpc", r"no port named 'rpc'; it has metrics \(6000\), http \(9000\)"),
        (SELDON, "seldon-grpc", None, "an orchestrator stands before the model.*port: 5001"),
    ],
)
def test_a_port_that_cannot_be_told(text: str, protocol: str, port: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        found(text, protocol, port)
