"""When what the cluster says of a workload is certain."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from tests.backends.kubernetes.pods.test_capacity import node
from tests.backends.kubernetes.pods.test_diagnosis import UNSCHEDULABLE, ended, event, pod
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import ApiResource, Object
from tuner.backends.kubernetes.pods import watch
from tuner.backends.kubernetes.pods.diagnosis import WorkloadFault
from tuner.backends.kubernetes.pods.watch import Watch

THERE: dict[str, list[Object]] = {}
LEAVING = {**pod(), "metadata": {"name": "old", "uid": "2", "deletionTimestamp": "2026-01-01T00:00:00Z"}}


class Cluster:
    """A feed of what `THERE` holds of its kind."""

    away_s = 0.0

    def __init__(self, _api: object, resource: ApiResource, *_: object, **__: object) -> None:
        self.kind = resource.kind

    def objects(self) -> list[Object]:
        return THERE.get(self.kind, [])

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Nodes:
    """The API server, asked for nodes."""

    def items(self, resource: ApiResource) -> list[Object]:
        return THERE.get(resource.kind, [])


@pytest.fixture(autouse=True)
def _feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "Feed", Cluster)
    THERE.clear()


def watched(**options: Any) -> Watch:
    return Watch(cast("Api", Nodes()), pods="app=toy", name="toy", **options)


def kind(found: object) -> str:
    return found.kind if isinstance(found, WorkloadFault) else ""


def test_a_crash_is_certain_at_once_what_may_pass_after_a_while() -> None:
    THERE["Pod"] = [pod(container=ended(1))]
    assert kind(watched().certain_fault()) == "Crashed"
    THERE["Pod"] = [pod(conditions=[UNSCHEDULABLE])]
    seen = watched(may_pass_within_s=0.05, autoscaler_speaks_within_s=0.05)
    assert (kind(seen.fault()), seen.certain_fault()) == ("Unschedulable", None)
    assert kind(seen.wait(lambda: None, time.monotonic() + 30.0)) == "Unschedulable"


def test_who_makes_pods_has_time_to_try_again() -> None:
    THERE["Event"] = [event("FailedCreate", 'Error creating: Post "https://10.96.0.1/api/v1/pods": unexpected EOF')]
    THERE["Event"][0]["metadata"] = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    seen = watched(may_pass_within_s=0.0)
    assert (kind(seen.fault()), seen.certain_fault()) == ("NotMade", None)
    assert kind(watched(made_within_s=0.0).certain_fault()) == "NotMade"


def test_pods_on_their_way_out_may_make_room() -> None:
    THERE["Pod"] = [pod(conditions=[UNSCHEDULABLE]), LEAVING]
    options = {"may_pass_within_s": 0.0, "autoscaler_speaks_within_s": 0.0}
    seen = watched(**options, counts=lambda found: "deletionTimestamp" not in found["metadata"])
    assert seen.certain_fault() is None
    THERE["Pod"].remove(LEAVING)
    assert kind(seen.certain_fault()) == "Unschedulable"


def test_what_others_put_right_and_what_is_found_in_time_is_no_fault() -> None:
    THERE["Pod"] = [pod(container=ended(1))]
    assert watched(excused=lambda fault: fault.kind == "Crashed").certain_fault() is None
    assert watched().wait(lambda: "found", time.monotonic()) == "found"


def test_events_of_another_workload_or_from_before_are_not_its_own() -> None:
    mine, before, others = event("Failed", "mine"), event("Failed", "before"), event("Failed", "others", name="other")
    for one, at in ((mine, "2026-01-02T00:00:00Z"), (before, "2026-01-01T00:00:00Z"), (others, "2026-01-02T00:00:00Z")):
        one["metadata"] = {"creationTimestamp": at}
    THERE["Event"] = [before, others, mine]
    assert watched(since="2026-01-02T00:00:00Z").events() == [mine]


def unscheduled(message: str = "0/1 nodes are available: 1 Insufficient cpu.") -> Object:
    """A pod that no node has."""
    found = pod(conditions=[{**UNSCHEDULABLE, "message": message}])
    del found["spec"]["nodeName"]
    found["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "3"}
    return found


def test_what_fits_nowhere_is_certain_when_no_autoscaler_spoke_of_it() -> None:
    THERE["Pod"], THERE["Node"] = [unscheduled()], [node("a", cpu="2")]
    seen = watched(may_pass_within_s=0.0, autoscaler_speaks_within_s=30.0)
    assert seen.certain_fault() is None, "it may still speak"
    seen = watched(may_pass_within_s=0.0, autoscaler_speaks_within_s=0.0)
    assert "no autoscaler spoke of it within 0 s" in str(seen.certain_fault())


def test_an_autoscaler_that_refuses_makes_it_certain_at_once() -> None:
    THERE["Pod"], THERE["Node"] = [unscheduled()], [node("a", cpu="2")]
    THERE["Event"] = [event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")]
    seen = watched(may_pass_within_s=0.0, autoscaler_speaks_within_s=30.0)
    assert "the autoscaler adds no node: pod didn't trigger scale-up" in str(seen.certain_fault())


def test_a_node_on_its_way_is_waited_for_and_a_crash_beside_it_is_told() -> None:
    THERE["Pod"], THERE["Node"] = [unscheduled()], [node("a", cpu="2")]
    THERE["Event"] = [event("TriggeredScaleUp", "pod triggered scale-up: [{pool-a 0->1 (max: 3)}]")]
    seen = watched(may_pass_within_s=0.0, autoscaler_speaks_within_s=0.0)
    assert seen.certain_fault() is None
    assert "pool-a 0->1" in str(seen.awaited())
    crashed = pod(container=ended(1))
    crashed["metadata"] = {"name": "toy-1", "uid": "2", "creationTimestamp": "2026-01-01T00:00:01Z"}
    THERE["Pod"].append(crashed)
    assert kind(seen.certain_fault()) == "Crashed"
