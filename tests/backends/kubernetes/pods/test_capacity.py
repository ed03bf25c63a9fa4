"""What can never fit."""

from __future__ import annotations

from typing import Any

from tests.servers.pods import pods_of, toy_container
from tuner.backends.kubernetes.pods import capacity


def node(name: str, cpu: str = "2", memory: str = "4Gi", **others: str) -> dict[str, Any]:
    allocatable = {"cpu": cpu, "memory": memory, "pods": "110", **others}
    return {"metadata": {"name": name}, "spec": {}, "status": {"allocatable": allocatable}}


def test_pods_must_fit_node_by_node_not_in_sum() -> None:
    three = pods_of(toy_container(cpu="1500m"), replicas=2)
    assert capacity.no_room(three, [node("a"), node("b")]) is None
    told = capacity.no_room(three, [node("a"), node("b", cpu="1")])
    assert told is not None
    assert told.startswith("Insufficient cpu: 1 of 2 pods fit on 2 node(s)")
    assert "each requests 1.5 cpu, the largest node has 2" in told


def test_a_cordoned_node_holds_nothing() -> None:
    cordoned = node("a")
    cordoned["spec"]["unschedulable"] = True
    assert "no node" in str(capacity.no_room(pods_of(toy_container()), [cordoned]))


def test_quotas_and_limit_ranges_that_can_never_be_met() -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "1", "pods": "5", "count/secrets": "0"}}}
    assert capacity.refused(pods_of(toy_container(cpu="500m"), replicas=2), [quota], []) is None
    assert "exceeds quota q" in str(capacity.refused(pods_of(toy_container(cpu="500m"), replicas=3), [quota], []))
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "min": {"memory": "128Mi"}}]}}
    assert "less than the 128Mi required" in str(capacity.refused(pods_of(toy_container()), [], [limits]))
