"""What the cluster's own words are taken for."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.backends.kubernetes.pods import diagnosis


def pod(
    *, container: dict[str, Any] | None = None, conditions: list[dict[str, Any]] | None = None, **status: Any
) -> dict[str, Any]:
    statuses = {"containerStatuses": [{"name": "toy", "image": "toy:1", **container}]} if container else {}
    return {
        "metadata": {"name": "toy-0", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "n", "containers": [{"name": "toy", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"conditions": conditions or [], **statuses, **status},
    }


def event(reason: str, message: str, name: str = "toy-0", at: str = "2026-01-01T00:00:01Z") -> dict[str, Any]:
    return {"reason": reason, "message": message, "involvedObject": {"name": name}, "lastTimestamp": at}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, reason: str = "Error", restarts: int = 0) -> dict[str, Any]:
    times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:03Z"}
    state = {"terminated": {"exitCode": code, "reason": reason, **times}}
    if restarts:
        return {"restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": state}
    return {"restartCount": 0, "state": state}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1: Insufficient cpu.",
}
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API"}
TAINTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "not tolerated"}


@pytest.mark.parametrize(
    ("found", "events", "kind", "words"),
    [
        (pod(conditions=[UNSCHEDULABLE]), [], "Unschedulable", "Insufficient cpu"),
        (
            pod(container=waiting("ImagePullBackOff", "Back-off")),
            [event("Failed", 'image "x": gone')],
            "ErrImagePull",
            "gone",
        ),
        (pod(container=waiting("ErrImagePull", "x: not found")), [], "ErrImagePull", "not found"),
        (
            pod(container=waiting("CreateContainerConfigError", "no config map")),
            [],
            "CreateContainerConfigError",
            "no config map",
        ),
        (pod(container=ended(1)), [], "Crashed", "exited with status 1 within 3 s"),
        (pod(container=ended(139)), [], "Crashed", "SIGSEGV"),
        (pod(container=ended(137, "OOMKilled")), [], "OOMKilled", "its limit of 64 Mi"),
        (pod(container=ended(0, "Completed")), [], "Crashed", "status 0"),
        (pod(reason="Evicted", message="low on memory"), [], "Evicted", "low on memory"),
        (pod(conditions=[DISRUPTED]), [], "Removed", "EvictionByEvictionAPI"),
        (pod(conditions=[TAINTED]), [], "NodeLost", "not tolerated"),
        (pod(), [event("NodeNotReady", "Node is not ready")], "NodeLost", "node n is lost"),
        (pod(), [event("TaintManagerEviction", "Marking for deletion Pod n/p")], "NodeLost", "node n is lost"),
    ],
)
def test_a_pods_fault(found: dict[str, Any], events: list[dict[str, Any]], kind: str, words: str) -> None:
    fault = diagnosis.fault([found], events, None)
    assert fault is not None
    assert fault.kind == kind
    assert words in fault.reason
    assert fault.reason.startswith("replica 0")


def test_a_node_that_is_well_again_is_not_lost() -> None:
    assert diagnosis.fault([pod()], [event("TaintManagerEviction", "Cancelling deletion of Pod n/p")], None) is None


@pytest.mark.parametrize(
    "container", [waiting("ContainerCreating"), waiting("ErrImagePull", "i/o timeout"), {"state": {"running": {}}}]
)
def test_what_may_still_come_right_is_no_fault(container: dict[str, Any]) -> None:
    assert diagnosis.fault([pod(container=container)], [], None) is None


def test_a_restarted_containers_log_is_the_previous_one() -> None:
    fault = diagnosis.fault([pod(container=ended(1, restarts=2))], [], None)
    assert fault is not None
    assert (fault.kind, fault.container, fault.previous) == ("Crashed", "toy", True)


@pytest.mark.parametrize(
    ("message", "kind"),
    [('pods "x" is forbidden: exceeded quota: q', "QuotaExceeded"), ("maximum cpu usage", "AdmissionRefused")],
)
def test_pods_that_are_refused(message: str, kind: str) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    deployment = {"kind": "Deployment", "status": {"conditions": [condition]}}
    fault = diagnosis.fault([], [], deployment)
    assert fault is not None
    assert (fault.kind, message in fault.reason) == (kind, True)
    stateful = diagnosis.fault([], [event("FailedCreate", message)], {"kind": "StatefulSet"})
    assert stateful is not None
    assert stateful.kind == kind


AWAY = [
    'Error creating: Post "https://10.216.0.1:6443/api/v1/namespaces/kills/pods": unexpected EOF',
    'Error creating: Post "https://10.96.0.1:443/api/v1/namespaces/n/pods": dial tcp 10.96.0.1:443: connect: refused',
    "Error creating: etcdserver: leader changed",
    "Error creating: Timeout: request did not complete within requested timeout - context deadline exceeded",
    "Error creating: the server was unable to return a response in the time allotted, but may still be processing it",
    "Error creating: the server is currently unable to handle the request (post pods)",
    'Error creating: Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply '
    "your changes to the latest version and try again",
    'Error creating: Internal error occurred: failed calling webhook "x.io": failed to call webhook: Post '
    '"https://x.n.svc:443/mutate?timeout=10s": no endpoints available for service "x"',
]
"""Nobody judged the pods: the API server, its store or a webhook was away or late, or two wrote at once."""


@pytest.mark.parametrize("message", AWAY)
def test_pods_that_nobody_could_be_asked_for_are_not_refused(message: str) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    fault = diagnosis.fault([], [], {"kind": "Deployment", "status": {"conditions": [condition]}})
    assert fault is not None
    assert (fault.kind, fault.may_pass, message in fault.reason) == ("NotMade", True, True)
    told = [event("FailedCreate", message)]
    stateful = diagnosis.fault([], told, {"kind": "StatefulSet"})
    assert stateful is not None
    assert stateful.kind == "NotMade"
    assert diagnosis.fault([pod()], told, {"kind": "StatefulSet"}) is None, "they were made since"


@pytest.mark.parametrize(
    "message",
    [
        'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        'admission webhook "x.io" denied the request: Get "https://opa.n.svc/v1/data": no such policy',
        'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than cpu limit',
    ],
)
def test_pods_that_are_judged_are_refused(message: str) -> None:
    fault = diagnosis.fault([], [event("FailedCreate", f"Error creating: {message}")], {"kind": "StatefulSet"})
    assert fault is not None
    assert (fault.kind, fault.may_pass) == ("AdmissionRefused", False)


def test_a_stuck_rollout() -> None:
    condition = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}
    fault = diagnosis.fault([], [], {"kind": "Deployment", "status": {"conditions": [condition]}})
    assert fault is not None
    assert fault.kind == "RolloutStuck"


def test_the_last_words_are_the_last_probes() -> None:
    events = [
        event("Unhealthy", "statuscode: 500", at="2026-01-01T00:00:05Z"),
        event("Unhealthy", "statuscode: 503", at="2026-01-01T00:00:09Z"),
        event("Started", "Started container", at="2026-01-01T00:00:10Z"),
    ]
    assert diagnosis.last_words([pod()], events, 1) == "statuscode: 503"
    assert diagnosis.last_words([], [], 2) == "0 of 2 pods exist"


@pytest.mark.parametrize(
    ("api_version", "kind", "status", "words"),
    [
        ("machinelearning.seldon.io/v1", "SeldonDeployment", {"state": "Failed", "description": "no pu"}, "no pu"),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            {"modelStatus": {"transitionStatus": "InvalidSpec", "lastFailureInfo": {"message": "no runtime"}}},
            "no runtime",
        ),
    ],
)
def test_an_operator_that_gave_up(api_version: str, kind: str, status: dict[str, Any], words: str) -> None:
    workload = {"apiVersion": api_version, "kind": kind, "status": status}
    fault = diagnosis.fault([], [], workload)
    assert fault is not None
    assert (fault.kind, fault.may_pass) == ("OperatorFailed", True)
    assert fault.reason == f"the operator of {kind} gave up: {words}"
    assert diagnosis.fault([], [], {**workload, "status": {"state": "Creating"}}) is None


def test_nodes_that_are_away_are_told_by_their_taints() -> None:
    """So they are after the API server was away for longer than they may be silent."""
    taints = {"lost": "node.kubernetes.io/unreachable", "slow": "node.kubernetes.io/not-ready", "kept": "dedicated"}
    nodes: list[dict[str, Any]] = [
        {"metadata": {"name": name}, "spec": {"taints": [{"key": key}]}} for name, key in taints.items()
    ]
    assert diagnosis.nodes_away([*nodes, {"metadata": {"name": "well"}, "spec": {}}]) == ["lost", "slow"]


def test_a_volume_of_what_is_not_there_is_told_as_long_as_nothing_began() -> None:
    told = [event("FailedMount", 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found')]
    waits = pod(container=waiting("ContainerCreating"))
    found = diagnosis.fault([waits], told, None)
    assert found is not None
    assert (found.kind, found.may_pass) == ("MissingObject", True)
    assert found.reason.startswith('replica 0 cannot start: configmap "settings" not found')
    begun = pod(container={"state": {"running": {}}})
    assert diagnosis.fault([begun], told, None) is None
    slow = [event("FailedMount", "MountVolume.SetUp failed: failed to sync configmap cache: timed out")]
    assert diagnosis.fault([waits], slow, None) is None


def test_a_failing_init_container_is_named_and_its_log_is_the_one_to_read() -> None:
    failing = pod(container=waiting("PodInitializing"))
    failing["spec"]["initContainers"] = [{"name": "fetch"}]
    failing["status"]["initContainerStatuses"] = [{"name": "fetch", "image": "fetch:1", **ended(3, restarts=1)}]
    found = diagnosis.fault([failing], [], None)
    assert found is not None
    assert found.reason.startswith("replica 0, init container fetch exited with status 3")
    assert (found.kind, found.container, found.previous) == ("Crashed", "fetch", True)
    failing["status"]["initContainerStatuses"] = [{"name": "fetch", **ended(0)}]
    assert diagnosis.fault([failing], [], None) is None
    failing["status"]["initContainerStatuses"] = [{"name": "fetch", "state": {"running": {"startedAt": "now"}}}]
    assert diagnosis.last_words([failing], [], 1) == "init container fetch of toy-0 still runs"
