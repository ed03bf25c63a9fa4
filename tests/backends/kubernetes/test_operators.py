"""Workloads that an operator turns into pods: deployed, made ready by Seldon Core's own operator and KServe's own controller,
read back and taken down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.backends.kubernetes import toys
from tests.conformance.backend import READY_WITHIN_S, predict, ready
from tuner.backends.kubernetes import KubernetesBackend
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import DEPLOYMENTS, PODS, SERVICES
from tuner.errors import TrialFailure

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("seldon", "kserve")]


def seldon_deployment(replicas: int = 2, **env: str) -> dict[str, Any]:
    pod = toys.manifest(env=env)["spec"]["template"]["spec"]
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "toy"},
        "spec": {
            "predictors": [
                {
                    "name": "default",
                    "replicas": replicas,
                    "annotations": {"seldon.io/no-engine": "true"},
                    "graph": {"name": "toy", "type": "MODEL"},
                    "componentSpecs": [{"spec": pod}],
                }
            ]
        },
    }


def inference_service(**env: str) -> dict[str, Any]:
    (container,) = toys.manifest(env=env)["spec"]["template"]["spec"]["containers"]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "toy"},
        "spec": {"predictor": {"minReplicas": 1, "containers": [{**container, "name": "kserve-container"}]}},
    }


@pytest.mark.parametrize(("manifest", "replicas"), [(seldon_deployment(TOY_WORKERS="2"), 2), (inference_service(), 1)])
def test_an_operators_pods_are_found_ready_answer_and_are_gone(
    backend: KubernetesBackend, api: Api, manifest: dict[str, Any], replicas: int
) -> None:
    deployment = toys.deployment([manifest])
    assert backend.check(deployment.pods) == ()
    assert backend.check_rendered([toys.rendering("the baseline", [manifest])]) == ()
    assert "are made by its operator" in "".join(backend.foreseen)
    with ready(backend.deploy(deployment)) as running:
        assert len(set(running.endpoint.urls)) == replicas
        assert [predict(url) for url in running.endpoint.urls] == [[[13]]] * replicas
        assert running.differences() == ()
        running.check_alive()
        assert running.meter().stop().memory_peak_bytes
    assert api.items(PODS, labels=running._placed.holding.pods) == []
    assert api.items(DEPLOYMENTS, labels=running._placed.holding.pods) == []


def test_a_crash_behind_an_operator_is_told_with_its_log(backend: KubernetesBackend) -> None:
    manifest = seldon_deployment(TOY_FAIL="crash")
    with pytest.raises(TrialFailure) as raised, backend.deploy(toys.deployment([manifest])) as running:
        running.wait_ready(READY_WITHIN_S)
    assert raised.value.kind == "Crashed"
    assert "crashing at the start, as asked" in raised.value.logs


def test_production_finds_no_pod_that_an_operator_made_for_a_trial(backend: KubernetesBackend, api: Api) -> None:
    manifest = seldon_deployment(replicas=1)
    manifest["spec"]["predictors"][0]["componentSpecs"][0]["metadata"] = {"labels": {"app.kubernetes.io/name": "toy"}}
    ports = [{"port": 80, "targetPort": 9000}]
    with (
        service(api, "production", {"app.kubernetes.io/name": "toy"}, ports),
        ready(backend.deploy(replace(toys.deployment([manifest]), study_name="iris-2"))) as running,
    ):
        assert running.differences() == ()
        (pod,) = api.items(PODS, labels="tuner.dev/study-name=iris-2")
        assert pod["metadata"]["labels"]["app.kubernetes.io/name"] != "toy"
        slices = api.call("GET", SLICES.format(api.namespace), what="the slices")
        told = [one for one in slices["items"] if one["metadata"]["name"].startswith("production-")]
        assert pod["status"]["podIP"] not in str(told)


def test_a_label_that_only_the_operator_gives_is_told_at_once(backend: KubernetesBackend, api: Api) -> None:
    """What such a Service does cannot be known beforehand."""
    with service(api, "collected", {"fluentd": "true"}, [{"port": 80}]):
        with (
            pytest.raises(TrialFailure) as raised,
            backend.deploy(toys.deployment([seldon_deployment(replicas=1)])) as running,
        ):
            running.wait_ready(READY_WITHIN_S)
        assert raised.value.kind == "SelectedByOthers"
        assert "Service collected selects pod toy-" in raised.value.reason
        assert api.items(PODS, labels=running._placed.holding.pods) == []


SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"


@contextmanager
def service(api: Api, name: str, selector: dict[str, str], ports: list[dict[str, Any]]) -> Iterator[None]:
    """There before the trial: creation times are told to the second."""
    found = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    made = api.create(SERVICES, {**found, "spec": {"selector": selector, "ports": ports}})
    while api.now() < datetime.fromisoformat(made["metadata"]["creationTimestamp"]) + timedelta(seconds=1):
        time.sleep(0.1)
        api.get(SERVICES, name)
    try:
        yield
    finally:
        api.delete(SERVICES, name)


def test_what_a_definition_does_not_know_is_refused_beforehand(backend: KubernetesBackend) -> None:
    manifest = seldon_deployment()
    manifest["spec"]["predictors"][0]["replicas"] = "two"
    (problem,) = backend.check_rendered([toys.rendering("the baseline", [manifest])])
    assert "replicas" in problem.message
