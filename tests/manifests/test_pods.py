"""Which container of a manifest serves, and on which port."""

from __future__ import annotations

import pytest

from tests.manifests.spaces import rendered, space
from tuner.errors import InputError
from tuner.manifests.model import PodSet
from tuner.manifests.pods import pods
from tuner.workload.model import ProtocolName, WorkloadSpec

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - CONTAINER
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [PORTS]
"""


def found(*containers: str, service: str = "", protocol: ProtocolName = "http", container: str | None = None) -> PodSet:
    text = DEPLOYMENT.replace("CONTAINER", "\n      - ".join(containers))
    text += SERVICE.replace("PORTS", service) if service else ""
    return pods(space(workload=WorkloadSpec(protocol=protocol, requests=()), container=container), rendered(text))


VLLM = "{name: rank, image: 'vllm/vllm-openai:v0.11.0', args: [--model=example/small, --port=8000]}"
TF = "{name: rank, image: 'tensorflow/serving:2.19.0', args: [--port=8500, --rest_api_port=8501], PORTS}"
PROXY = "{name: istio-proxy, image: 'istio/proxyv2:1.22.0', ports: [{name: http-envoy-prom, containerPort: 15090}]}"


def test_no_container_port_is_asked_for() -> None:
    assert found(VLLM, service="{port: 80, targetPort: 8000}").port == 8000
    assert found(VLLM).port == 8000
    assert found(VLLM.replace(", --port=8000", "")).port == 8000


def test_http_goes_before_grpc() -> None:
    serving = TF.replace("PORTS", "ports: [{containerPort: 8500}, {containerPort: 8501}]")
    assert (found(serving).port, found(serving).load_port) == (8501, 8501)
    assert (found(serving, protocol="grpc").port, found(serving, protocol="grpc").load_port) == (8501, 8500)


def test_a_server_of_grpc_alone() -> None:
    one = found("{name: rank, image: 'rank:1', ports: [{name: grpc, containerPort: 9002}]}", protocol="grpc")
    assert (one.port, one.load_port) == (9002, 9002)


def test_what_the_service_sends_to_serves() -> None:
    server = "{name: rank, image: 'rank:1', ports: [{containerPort: 8080}]}"
    for order in ((PROXY, server), (server, PROXY)):
        one = found(*order, service="{port: 80, targetPort: 8080}")
        assert (one.serving, one.port) == ("rank", 8080)


def test_a_known_server_serves_rather_than_what_stands_beside_it() -> None:
    one = found(PROXY.replace("istio-proxy", "other").replace("istio/proxyv2", "example/other"), VLLM)
    assert (one.serving, one.port) == ("rank", 8000)


def test_the_container_that_the_space_names_serves() -> None:
    other = "{name: other, image: 'other:1', ports: [{name: http, containerPort: 9000}]}"
    assert found(VLLM, other, container="other").serving == "other"
    assert found(VLLM, other, container="rank").serving == "rank"


@pytest.mark.parametrize("selector", ["{app: other}", "{}", "{app: shop, tier: web}"])
def test_a_service_of_other_pods_says_nothing(selector: str) -> None:
    text = DEPLOYMENT.replace("CONTAINER", "{name: rank, image: 'rank:1', ports: [{containerPort: 8080}]}")
    text += SERVICE.replace("{app: shop}", selector).replace("PORTS", "{port: 7000}")
    assert pods(space(), rendered(text)).port == 8080


def test_an_inference_pool_counts_as_a_service() -> None:
    text = DEPLOYMENT.replace("CONTAINER", "{name: rank, image: 'rank:1'}") + (
        "---\napiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: {name: shop}\n"
        "spec: {selector: {matchLabels: {app: shop}}, targetPorts: [{number: 7000}]}\n"
    )
    assert pods(space(), rendered(text)).port == 7000


CONFIG_MAP = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {PORT: "8085", MODEL_ID: example/small}
"""


@pytest.mark.parametrize(
    ("env", "port"),
    [
        ("envFrom: [{configMapRef: {name: settings}}]", 8085),
        ("env: [{name: PORT, valueFrom: {configMapKeyRef: {name: settings, key: PORT}}}]", 8085),
        ("envFrom: [{configMapRef: {name: settings}}], env: [{name: PORT, value: '8086'}]", 8086),
        ("envFrom: [{configMapRef: {name: settings}, prefix: X_}]", 80),
        ("envFrom: [{configMapRef: {name: gone}}, {secretRef: {name: s}}, 1]", 80),
        ("env: [{name: PORT, valueFrom: {configMapKeyRef: {name: settings, key: gone}}}]", 80),
    ],
)
def test_config_maps_of_the_manifest_tell_the_port(env: str, port: int) -> None:
    tgi = f"{{name: rank, image: 'text-generation-inference:3', {env}}}"
    text = DEPLOYMENT.replace("CONTAINER", tgi) + CONFIG_MAP
    assert pods(space(), rendered(text)).port == port


def test_nothing_tells() -> None:
    with pytest.raises(InputError, match="nothing tells on which port container rank answers; name it"):
        found("{name: rank, image: 'rank:1'}")
