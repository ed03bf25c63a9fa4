"""What admission made of a pod: a knob that is another, or something more that counts."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.backends.kubernetes import toys
from tuner.backends.kubernetes.pods import admitted, readback
from tuner.errors import Where
from tuner.space.model import Choices, Parameter

MANIFEST = toys.manifest(env={"A": "1"}, pod={"nodeSelector": {"pool": "x"}})
TEMPLATE = MANIFEST["spec"]["template"]
PODS = toys.deployment([MANIFEST]).pods


def knobs(*targets: str, container: str | None = None) -> tuple[admitted.Knob, ...]:
    parameter = Parameter(
        name="p", domain=Choices(values=(1,)), targets=targets, where=Where(file="s"), container=container
    )
    return admitted.knobs(replace(toys.SPACE, parameters=(parameter,)), TEMPLATE)


def pod(change: Any) -> dict[str, Any]:
    live: dict[str, Any] = copy.deepcopy(TEMPLATE)
    change(live, live["spec"]["containers"][0])
    return live


def judged(change: Any, *targets: str) -> list[tuple[str, bool]]:
    found = readback.changes(PODS, TEMPLATE, pod(change))
    return [(one.what, admitted.changes_a_knob(one, knobs(*targets))) for one in found]


@pytest.mark.parametrize(
    ("change", "target", "what", "is_knob"),
    [
        (lambda p, c: c["env"][0].update(value="2"), "env/A", "container toy: env A", True),
        (lambda p, c: c["env"][0].update(value="2"), "env/B", "container toy: env A", False),
        (lambda p, c: c["env"].append({"name": "A", "value": "3"}), "env/A", "container toy: env A", True),
        (lambda p, c: c["env"].append({"name": "B", "value": "3"}), "env/B", "container toy: env B", False),
        (lambda p, c: c["args"].append("--x"), "args/--port", "container toy: args", False),
        (lambda p, c: c.update(args=["--port", "1"]), "args/--port", "container toy: args", True),
        (lambda p, c: c.update(args=["--port=1"]), "args/--port", "container toy: args", True),
        (lambda p, c: c.update(command=["wrap"]), "args/--port", "container toy: command", False),
        (lambda p, c: c["resources"]["limits"].update(cpu="1"), "limits/cpu", "container toy: limits/cpu", True),
        (lambda p, c: c["resources"]["limits"].update(cpu="1"), "requests/cpu", "container toy: limits/cpu", False),
        (lambda p, c: c.update(image="mirror/toy:1"), "env/A", "container toy: image", False),
        (
            lambda p, c: c.update(image="mirror/toy:1"),
            "path:/spec/template/spec/containers/0/image",
            "container toy: image",
            True,
        ),
        (
            lambda p, c: p["spec"].update(nodeSelector={"pool": "y"}),
            "path:/spec/template/spec/nodeSelector/pool",
            "nodeSelector/pool",
            True,
        ),
        (lambda p, c: p["spec"]["nodeSelector"].update(zone="a"), "env/A", "nodeSelector/zone", False),
        (lambda p, c: c.update(name="other"), "env/A", "container toy", True),
    ],
)
def test_only_what_was_asked_for_as_a_knob_is_one(change: Any, target: str, what: str, is_knob: bool) -> None:
    assert (what, is_knob) in judged(change, target)


def test_an_annotation_of_the_pod_may_be_a_knob() -> None:
    template = copy.deepcopy(TEMPLATE)
    template["metadata"]["annotations"] = {"k": "1"}
    live = copy.deepcopy(template)
    live["metadata"]["annotations"] = {"k": "2", "more": "x"}
    (found,) = readback.changes(PODS, template, live)
    assert found.what == "annotations/k"
    assert admitted.changes_a_knob(found, knobs("pod-annotations/k"))


def test_a_knob_of_another_container_is_another() -> None:
    (found,) = readback.changes(PODS, TEMPLATE, pod(lambda p, c: c["env"][0].update(value="2")))
    assert not admitted.changes_a_knob(found, knobs("env/A", container="proxy"))
    assert admitted.changes_a_knob(found, knobs("env/A", container="toy"))


def test_side_cars_and_defaults_count_in_what_is_paid_for() -> None:
    def inject(live: dict[str, Any], container: dict[str, Any]) -> None:
        container["resources"]["limits"]["memory"] = "1Gi"
        live["spec"]["containers"].append({"name": "mesh", "resources": {"limits": {"cpu": "100m"}}})
        live["spec"]["initContainers"] = [
            {"name": "vault", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
            {"name": "once", "resources": {"requests": {"cpu": "4"}}},
        ]

    found = admitted.as_admitted(PODS, pod(inject))
    assert found.containers[0].limits["memory"] == "1Gi"
    assert {one.name: one.requests.get("cpu") for one in found.added} == {"mesh": "100m", "vault": "50m"}
    assert [one["name"] for one in admitted.running_containers(pod(inject))] == ["toy", "mesh", "vault"]


def test_what_was_done_is_said_in_words() -> None:
    def inject(live: dict[str, Any], container: dict[str, Any]) -> None:
        container["env"] += [{"name": "WHO", "value": "me"}, {"name": "KEY", "valueFrom": {"fieldRef": {}}}]
        container["resources"]["limits"]["disk"] = "1Gi"
        container["image"] = "mirror/toy:1"
        live["spec"]["containers"].append({"name": "mesh"})

    said = {admitted.sentence(one) for one in readback.changes(PODS, TEMPLATE, pod(inject))}
    assert "container mesh was added" in said
    assert "container toy: env WHO was added" in said
    assert "container toy: limits/disk of 1Gi was added" in said
    assert "container toy: image is mirror/toy:1, asked for example/toy:1" in said
