from __future__ import annotations

from pathlib import Path

import pytest

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON, rendered, space
from tuner.manifests.model import MetricsPort
from tuner.manifests.pods import pods


def told(text: str) -> tuple[MetricsPort, ...]:
    return pods(space(), rendered(text)).metrics


def port(number: int, path: str, container: str = "classifier") -> MetricsPort:
    return MetricsPort(container=container, port=number, path=path)


ANNOTATED = "      labels: {app: iris}\n      annotations: {PREFIX/port: 'PORT', PREFIX/path: PATH}\n"


def annotated(prefix: str, number: str, path: str) -> str:
    notes = ANNOTATED.replace("PREFIX", prefix).replace("PORT", number).replace("PATH", path)
    return DEPLOYMENT.replace("      labels: {app: iris}\n", notes, 1).replace("name: metrics", "name: other")


def test_a_port_by_its_name() -> None:
    assert told(DEPLOYMENT) == (port(6000, "/metrics"),)
    assert told(DEPLOYMENT.replace("name: metrics", "name: other")) == ()


@pytest.mark.parametrize("prefix", ["prometheus.io", "prometheus.kserve.io"])
def test_a_pods_annotations(prefix: str) -> None:
    assert told(annotated(prefix, "6000", "/own")) == (port(6000, "/own"),)
    assert told(annotated(prefix, "8082", "own")) == (port(8082, "/own"),)
    assert told(annotated(prefix, "http", "/own")) == ()


def test_an_annotation_and_a_name_that_mean_one_port_are_one() -> None:
    text = annotated("prometheus.io", "6000", "/own").replace("name: other", "name: metrics")
    assert told(text) == (port(6000, "/own"),)


def test_seldons_microservice_is_told_by_its_environment() -> None:
    env = (
        "        - {name: PREDICTIVE_UNIT_METRICS_SERVICE_PORT, value: '6005'}\n"
        "        - {name: PREDICTIVE_UNIT_METRICS_ENDPOINT, value: /stats}\n        - name: GUNICORN_WORKERS"
    )
    text = DEPLOYMENT.replace("        - name: GUNICORN_WORKERS", env).replace("name: metrics", "name: other")
    assert told(text) == (port(6005, "/stats"),)


def test_mlserver_and_triton_have_a_port_for_them() -> None:
    plain = DEPLOYMENT.replace("name: metrics", "name: other")
    assert told(plain.replace("image: iris:1", "image: seldonio/mlserver:1.7.1")) == (port(8082, "/metrics"),)
    assert told(plain.replace("image: iris:1", "image: registry.example.com/nvidia/tritonserver:25.01-py3")) == (
        port(8002, "/metrics"),
    )
    moved = plain.replace(
        "        - name: GUNICORN_WORKERS", "        - {name: MLSERVER_METRICS_PORT, value: '9095'}\n        - name: A"
    )
    assert told(moved) == (port(9095, "/metrics"),)


def test_seldons_operator_gives_the_ports_itself() -> None:
    assert told(SELDON) == (port(8000, "/prometheus", "seldon-container-engine"), port(6000, "/prometheus"))


def test_a_runtime_of_kserve_is_known_by_its_name() -> None:
    assert told(INFERENCE) == (port(8082, "/metrics", "kserve-container"),)


def test_nothing_is_guessed_of_others() -> None:
    assert told(INFERENCE.replace("kserve-mlserver", "our-own")) == ()


def test_the_shipped_search_space_says_where() -> None:
    from tuner.targets.inputs import read_inputs

    root = Path(__file__).parents[3] / "search_spaces" / "iris"
    assert read_inputs(root, "process").pods.metrics == (port(6000, "/metrics"),)
