"""What may still come is told from what cannot; and what was waited for is no start-up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends.kubernetes.pods.test_capacity import node
from tests.backends.kubernetes.pods.test_diagnosis import event, waiting
from tuner.backends.kubernetes.pods.awaited import awaited, in_place
from tuner.backends.kubernetes.pods.startup import Startup

FULL = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims."
TAINTED = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"


def unscheduled(said: str = "", **spec: Any) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    container = {"name": "toy", "resources": {"requests": {"cpu": "1500m"}}}
    return {
        "metadata": {"name": "toy-0", "uid": "1"},
        "spec": {"containers": [container], **spec},
        "status": {"phase": "Pending", "conditions": [condition] if said else []},
    }


def labelled(**labels: str) -> dict[str, Any]:
    found = node("a")
    found["metadata"]["labels"] = labels
    return found


def tainted(key: str, effect: str = "NoSchedule") -> dict[str, Any]:
    found = node("a")
    found["spec"]["taints"] = [{"key": key, "effect": effect}]
    return found


def of_claim(reason: str, message: str) -> dict[str, Any]:
    return event(reason, message, name="data")


CLAIM = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
IN_POOL = {"nodeSelector": {"pool": "b"}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def with_affinity(operator: str, *values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "pool", "operator": operator, "values": list(values)}]}
    return unscheduled(FULL, affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}})


@pytest.mark.parametrize(
    ("pod", "events", "nodes", "what", "words"),
    [
        (unscheduled(FULL), [event("TriggeredScaleUp", "0->1")], [], "node", "a node: 0->1"),
        (unscheduled(FULL), [event("Nominated", "nodeclaim/a")], [], "node", "nodeclaim/a"),
        (unscheduled(FULL), [], [node("a")], "node", "room on 1 node(s) that could hold it: 0/1 nodes"),
        (unscheduled(TAINTED), [], [tainted("node.kubernetes.io/not-ready")], "node", "not-ready"),
        (with_affinity("In", "a", "b"), [], [labelled(pool="b")], "node", "room"),
        (unscheduled(UNBOUND, **CLAIM), [], [node("a")], "volume", "unbound immediate"),
        (
            unscheduled(**CLAIM),
            [of_claim("ExternalProvisioning", "Waiting for a volume")],
            [node("a")],
            "volume",
            "data: Waiting for a volume",
        ),
    ],
)
def test_what_may_still_come(
    pod: dict[str, Any], events: list[dict[str, Any]], nodes: list[dict[str, Any]], what: str, words: str
) -> None:
    found = awaited([pod], events, nodes)
    assert found is not None
    assert (found.what, words in found.text) == (what, True), found


@pytest.mark.parametrize(
    ("pod", "events", "nodes"),
    [
        (unscheduled(FULL), [], [node("a", cpu="1")]),
        (unscheduled(FULL), [], []),
        (unscheduled(FULL, **IN_POOL), [], [labelled(pool="a")]),
        (with_affinity("NotIn", "a"), [], [labelled(pool="a")]),
        (with_affinity("Exists"), [], [node("a")]),
        (unscheduled(FULL), [], [tainted("dedicated")]),
        (unscheduled("0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."), [], [node("a")]),
        (unscheduled(UNBOUND, **CLAIM), [of_claim("ProvisioningFailed", 'storageclass "fast" not found')], [node("a")]),
        (unscheduled(), [], [node("a")]),
    ],
)
def test_what_cannot_come_any_more(
    pod: dict[str, Any], events: list[dict[str, Any]], nodes: list[dict[str, Any]]
) -> None:
    assert awaited([pod], events, nodes) is None


def test_a_taint_that_the_pod_tolerates_keeps_no_room_from_it() -> None:
    tolerating = unscheduled(FULL, tolerations=[{"key": "dedicated", "operator": "Exists"}])
    assert awaited([tolerating], [], [tainted("dedicated")]) is not None


def test_room_must_be_there_for_all_replicas() -> None:
    two = [unscheduled(FULL), unscheduled(FULL)]
    assert awaited(two, [], [node("a")]) is None
    assert awaited(two, [], [node("a"), node("b")]) is not None


def test_an_image_on_its_way() -> None:
    pod = {**unscheduled(), "status": {"containerStatuses": [{"name": "toy", "image": "toy:1"}]}}
    pod["status"]["containerStatuses"][0].update(waiting("ContainerCreating"))
    pod["spec"]["nodeName"] = "a"
    assert in_place(pod, [])
    pulling, pulled = event("Pulling", "Pulling image"), event("Pulled", "Successfully pulled image")
    for told in (pulling, pulled):
        told["involvedObject"]["fieldPath"] = "spec.containers{toy}"
    found = awaited([pod], [pulling], [])
    assert found is not None
    assert (found.what, found.text) == ("image", "the image toy:1 on node a")
    assert in_place(pod, [pulling, pulled])


def test_what_was_waited_for_is_no_start_up() -> None:
    startup, late, early = Startup(made_at=100.0), unscheduled(FULL), unscheduled()
    early["metadata"]["uid"] = "2"
    early["spec"]["nodeName"] = "a"
    startup.saw([early, late], [], 101.0)
    early["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    startup.saw([early, late], [], 103.0)
    startup.saw([early, late], [], 130.0)
    late["spec"]["nodeName"] = "b"
    startup.saw([early, late], [], 130.5)
    late["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    startup.saw([early, late], [], 132.0)
    assert startup.took_s([early], 132.0) == 3.0, "counted from the deployment: it was never seen to wait"
    assert startup.took_s([early, late], 132.0) == 3.0
    assert startup.took_s([late], 132.0) == 2.0
    assert startup.waited_s([early, late]) == 30.0
