from __future__ import annotations

from typing import Any

import pytest

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON, choice, integer, manifest, space
from tuner.manifests.baseline import baseline
from tuner.manifests.check import check
from tuner.manifests.kinds import KINDS, Place, Service, kind_of
from tuner.manifests.kinds.model import at
from tuner.manifests.pods import pods
from tuner.manifests.reader import objects_of
from tuner.manifests.render import render
from tuner.space.model import Configuration, Parameter, Value

STATEFUL = DEPLOYMENT.replace("kind: Deployment", "kind: StatefulSet").replace(
    "spec:\n", "spec:\n  serviceName: iris\n", 1
)
TEXTS = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFUL, "SeldonDeployment": SELDON, "InferenceService": INFERENCE}


def first(text: str) -> Any:
    return objects_of(text)[0]


def lines(text: str, *parameters: Parameter, **values: Value) -> list[str]:
    """The lines that differ from the base."""
    assert check(space(*parameters), manifest(text)) == ()
    out = render(space(*parameters), manifest(text), Configuration(values=values))
    assert out.objects == objects_of(out.text)
    assert dict(baseline(space(*parameters), manifest(out.text)).values) == values
    return [line.strip() for line in out.text.splitlines() if line not in text.splitlines()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_keeps_the_seams_promises(kind: Any) -> None:
    obj = first(TEXTS[kind.kind])
    assert kind_of(obj) is kind
    places = kind.containers(obj)
    assert places
    assert all(isinstance(at(obj, place.path), dict) or place.injected for place in places)
    assert [at(obj, path) for path in kind.replicas(obj)] == [1]
    assert kind.faults(obj) == ()
    assert kind.autoscaler(obj) is None
    assert kind.pod_annotations(obj, places[0].path)[-1] == "annotations"
    assert isinstance(kind.waiting(obj), str)
    assert kind.service(obj, objects_of(TEXTS[kind.kind])) is not None


@pytest.mark.parametrize("kind", TEXTS)
def test_the_same_knobs_work_on_every_kind(kind: str) -> None:
    knobs = (
        integer("workers", "env/WORKERS"),
        integer("flag", "args/--flag"),
        integer("replicas", "replicas"),
        choice("cpu", ("1", "2"), "limits/cpu", "requests/cpu"),
        choice("note", ("on", "off"), "annotations/a.b/c", "pod-annotations/a.b/c"),
    )
    found = lines(TEXTS[kind], *knobs, workers=3, flag=2, replicas=2, cpu="2", note="on")
    assert sum("2" in line for line in found) >= 3
    assert '- "--flag=2"' in found or '"--flag=2"' in " ".join(found)


def test_other_objects_are_no_workload() -> None:
    assert kind_of({"apiVersion": "extensions/v1beta1", "kind": "Deployment"}) is None
    assert kind_of({"apiVersion": "v1", "kind": "Service"}) is None
    assert kind_of({}) is None


READY = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "observedGeneration": 3}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (READY, None),
        ({}, "the new specification was not seen yet"),
        ({**READY, "observedGeneration": 2}, "the new specification was not seen yet"),
        ({**READY, "updatedReplicas": 1}, "1 of 2 replicas updated"),
        ({**READY, "readyReplicas": 1}, "1 of 2 replicas ready"),
        ({**READY, "replicas": 3}, "1 old replicas are still there"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_readiness_of_a_rollout(kind: str, status: dict[str, int], expected: str | None) -> None:
    live = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"generation": 3},
        "spec": {"replicas": 2},
        "status": status,
    }
    found = kind_of(live)
    assert found is not None
    assert found.waiting(live) == expected


def test_readiness_of_custom_resources() -> None:
    seldon, inference = first(SELDON), first(INFERENCE)
    kind = kind_of(seldon)
    assert kind is not None
    assert kind.waiting({**seldon, "status": {"state": "Creating", "description": "1 of 2"}}) == "Creating: 1 of 2"
    assert kind.waiting({**seldon, "status": {"state": "Available"}}) is None
    kind = kind_of(inference)
    assert kind is not None
    condition = {"type": "Ready", "status": "False", "reason": "NoModel", "message": "not loaded"}
    assert kind.waiting({**inference, "status": {"conditions": [condition]}}) == "NoModel: not loaded"
    assert kind.waiting({**inference, "status": {"conditions": [{**condition, "status": "True"}]}}) is None


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        ("Deployment", Service(name="iris", port=80)),
        ("SeldonDeployment", Service(name="iris-default", port=8000)),
        ("InferenceService", Service(name="iris-predictor", port=80)),
    ],
)
def test_the_service_in_front(kind: str, service: Service) -> None:
    found = kind_of(first(TEXTS[kind]))
    assert found is not None
    assert found.service(first(TEXTS[kind]), objects_of(TEXTS[kind])) == service
    if kind == "Deployment":
        assert found.service(first(DEPLOYMENT), objects_of(DEPLOYMENT)[:1]) is None


def test_seldons_orchestrator_is_tuned_by_its_containers_name() -> None:
    knob = integer("x", "env/SELDON_ENABLE_ROUTING", container="seldon-container-engine")
    assert lines(SELDON, knob, x=1) == ["svcOrchSpec:", "env:", '- name: "SELDON_ENABLE_ROUTING"', 'value: "1"']
    bare = SELDON.replace("  name: iris\n", '  name: iris\n  annotations: {seldon.io/no-engine: "true"}\n')
    (problem,) = check(space(knob), manifest(bare))
    assert "has no container 'seldon-container-engine'" in problem.message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("      replicas: 1\n", "      replicas: 1\n", "      replicas: 3"),
        ("      replicas: 1\n", "", "      replicas: 3"),
        ("        - spec:\n", "        - replicas: 2\n          spec:\n", "        - replicas: 3"),
        ("      replicas: 1\n", "\n  replicas: 5\n", "  replicas: 3"),
    ],
)
def test_the_place_of_seldons_replicas_is_the_one_that_counts(old: str, new: str, expected: str) -> None:
    text = SELDON.replace(old, new)
    if new.startswith("\n"):
        text = SELDON.replace(old, "").replace("spec:\n  predictors", "spec:\n  replicas: 5\n  predictors")
    out = render(space(integer("x", "replicas")), manifest(text), Configuration(values={"x": 3}))
    assert [line for line in out.text.splitlines() if line not in text.splitlines()] == [expected]
    assert pods(space(), out).replicas == 3


def test_kserves_most_replicas_follow_where_they_are_set() -> None:
    text = INFERENCE.replace("minReplicas: 1", "minReplicas: 1\n    maxReplicas: 1")
    assert lines(text, integer("x", "replicas"), x=2) == ["minReplicas: 2", "maxReplicas: 2"]
    assert lines(INFERENCE, integer("x", "replicas"), x=2) == ["minReplicas: 2"]


def test_kserves_containers() -> None:
    kind = kind_of(first(INFERENCE))
    assert kind is not None
    assert kind.containers(first(INFERENCE)) == (Place(name="kserve-container", path=("spec", "predictor", "model")),)
    old = {"spec": {"predictor": {"sklearn": {"storageUri": "x"}, "containers": [{"name": "side"}]}}}
    assert [place.name for place in kind.containers(old)] == ["kserve-container", "side"]
    assert pods(space(), render(space(), manifest(INFERENCE), Configuration(values={}))).port == 8080
