"""What really runs, held against what was asked for."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.backends.kubernetes import toys
from tuner.backends.kubernetes.pods import readback
from tuner.backends.model import Difference
from tuner.manifests.model import PodSet


def found_in(change: Any) -> list[Difference]:
    manifest = toys.manifest(env={"A": "1"}, cpu="0.5")
    template = manifest["spec"]["template"]
    live = copy.deepcopy(template)
    live["metadata"]["name"] = "toy-0"
    live["spec"] |= {"nodeName": "n", "serviceAccountName": "default", "volumes": [{"name": "token"}]}
    (container,) = live["spec"]["containers"]
    container |= {"terminationMessagePath": "/dev/termination-log", "volumeMounts": [{"name": "token"}]}
    container["resources"]["limits"]["cpu"] = "500m"
    change(live["spec"], container)
    pods: PodSet = toys.deployment([manifest]).pods
    return list(readback.differences(pods, template, [live], {"kind": "Deployment", **manifest}))


def test_defaults_of_the_api_server_are_no_difference() -> None:
    assert found_in(lambda spec, container: None) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda spec, c: c["env"].append({"name": "B", "value": "2"}), "container toy: env B"),
        (lambda spec, c: c["env"][0].update(value="2"), "container toy: env A"),
        (lambda spec, c: c.update(args=["--port", "1"]), "container toy: args"),
        (lambda spec, c: c["resources"]["limits"].update(cpu="1"), "container toy: limits/cpu"),
        (lambda spec, c: c["resources"]["limits"].update(gpu="1"), "container toy: limits/gpu"),
        (lambda spec, c: c.update(image="other"), "container toy: image"),
        (lambda spec, c: spec["containers"].append({"name": "sidecar"}), "container sidecar"),
        (lambda spec, c: c.pop("readinessProbe"), "container toy: readinessProbe"),
    ],
)
def test_what_was_changed_is_found_and_by_whom(change: Any, what: str) -> None:
    found = found_in(change)
    assert found
    assert found[0].what.startswith(f"replica 0: {what}")
    assert "when the pod was admitted" in found[0].found


def live(digest: str) -> dict[str, Any]:
    status = {"name": "toy", "image": "registry.example/toy:1", "imageID": digest}
    return {
        "spec": {"containers": [{"name": "toy", "image": "example/toy:1"}]},
        "status": {"containerStatuses": [status, {"name": "injected", "imageID": "sha256:f00"}, {"name": "toy"}]},
    }


def test_the_images_that_really_run_are_told_once_with_their_digests() -> None:
    same = [live("registry.example/toy@sha256:abc"), live("sha256:abc")]
    assert readback.images(same) == ("toy: example/toy:1 is sha256:abc",)
    assert list(readback.uneven_images(same)) == []
    assert readback.images([]) == ()


def test_replicas_of_different_images_under_one_name_are_warned_of() -> None:
    (said,) = readback.uneven_images([live("sha256:abc"), live("sha256:def")])
    assert "all named example/toy:1 (sha256:abc, sha256:def)" in said
