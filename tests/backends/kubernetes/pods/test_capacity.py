"""What can never fit."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.servers.pods import pods_of, toy_container
from tuner.backends.kubernetes.pods import capacity
from tuner.units import quantity


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


def loads(number: int, cpu: str = "1", **selected: str) -> capacity.Beside:
    return capacity.Beside(
        what=f"{number} load generators", requests={"cpu": quantity(cpu)}, number=number, node_selector=selected
    )


def test_load_generators_need_room_too() -> None:
    one = pods_of(toy_container(cpu="1"))
    assert capacity.no_room(one, [node("a")], loads(1)) is None
    told = str(capacity.no_room(one, [node("a")], loads(2)))
    assert told.startswith("Insufficient cpu: 0 of 1 pods fit on 1 node(s) beside 2 load generators")
    assert capacity.no_room(one, [node("a"), node("b", cpu="1")], loads(2)) is None
    assert "0 of 1" in str(capacity.no_room(one, [node("a"), node("b")], loads(5))), "they do not fit themselves"


def test_load_generators_are_where_they_may_be() -> None:
    large, small = node("a", cpu="4"), node("b", cpu="4")
    small["metadata"]["labels"] = {"for": "load"}
    four = pods_of(toy_container(cpu="4"))
    assert capacity.no_room(four, [large, small], loads(4, **{"for": "load"})) is None
    assert "0 of 1" in str(capacity.no_room(four, [large, small], loads(5, **{"for": "load"})))


NODES = st.lists(st.builds(lambda cpus: node("n", cpu=str(cpus)), st.integers(1, 6)), min_size=1, max_size=3)


@given(NODES, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_room_beside_others_is_that_of_the_best_way_to_place_them(
    nodes: list[dict[str, Any]], cpus: int, replicas: int, others: int, their: int
) -> None:
    """Held against all ways there are."""
    free = [int(node["status"]["allocatable"]["cpu"]) for node in nodes]
    rooms = [
        sum((cpu - their * places.count(at)) // cpus for at, cpu in enumerate(free))
        for places in itertools.combinations_with_replacement(range(len(nodes)), others)
        if all(cpu >= their * places.count(at) for at, cpu in enumerate(free))
    ]
    told = capacity.no_room(pods_of(toy_container(cpu=str(cpus)), replicas=replicas), nodes, loads(others, str(their)))
    assert (told is None) == (max(rooms, default=0) >= replicas)


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
