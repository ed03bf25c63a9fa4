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


def test_what_may_still_come_is_not_refused_beforehand() -> None:
    large = pods_of(toy_container(cpu="16"))
    cordoned = node("a", cpu="32")
    cordoned["spec"]["unschedulable"] = True
    assert capacity.no_room(large, [cordoned]) is None, "it may come back"
    of_a_pool, of_a_provider = node("b"), node("c")
    of_a_pool["metadata"]["labels"] = {"cloud.google.com/gke-nodepool": "small"}
    of_a_provider["spec"]["providerID"] = "aws:///eu-central-1a/i-0123"
    assert capacity.no_room(large, [of_a_pool]) is None, "a larger pool may be at zero"
    assert capacity.no_room(large, [of_a_provider]) is None
    assert "Insufficient cpu" in str(capacity.no_room(large, [node("d")]))
    assert "none" in str(capacity.no_room(large, []))


def test_quotas_and_limit_ranges_that_can_never_be_met() -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "1", "pods": "5", "count/secrets": "0"}}}
    assert capacity.refused(pods_of(toy_container(cpu="500m"), replicas=2), [quota], []) is None
    assert "exceeds quota q" in str(capacity.refused(pods_of(toy_container(cpu="500m"), replicas=3), [quota], []))
    limits = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "min": {"memory": "128Mi"}}]}}
    assert "less than the 128Mi required" in str(capacity.refused(pods_of(toy_container()), [], [limits]))
