"""Hundreds of nodes in few words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.backends.kubernetes.pods.test_capacity import node
from tuner.backends.kubernetes.pods import pools


def test_few_nodes_are_told_by_name_many_by_pool() -> None:
    few = [node("a"), node("b", cpu="4")]
    assert pools.resources(few, ["cpu"]) == "a has 2 cpu; b has 4 cpu"
    many = [node(f"n{number}", cpu=str(1 + number % 2)) for number in range(300)]
    for number, one in enumerate(many):
        one["metadata"]["labels"] = {"karpenter.sh/nodepool": f"pool-{number % 20}"}
    told = pools.resources(many, ["cpu", "memory"])
    assert told.startswith("15 node(s) of pool pool-0 have up to 1 cpu, 4 Gi memory; ")
    assert told.endswith("180 more in 12 other pools")
    assert len(told) < 1000


def test_pools_without_labels_go_by_size() -> None:
    told = pools.resources([node(f"n{number}") for number in range(300)], ["cpu"])
    assert told == "300 node(s) of nodes of 2 cpu, 4 Gi memory have up to 2 cpu"


def test_the_schedulers_words_about_300_nodes_keep_their_reasons() -> None:
    taints = ", ".join(f"1 node(s) had untolerated taint {{dedicated: team-{number}}}" for number in range(297))
    message = (
        f"0/300 nodes are available: 1 Insufficient cpu, 2 Insufficient nvidia.com/gpu, {taints}. "
        f"preemption: 0/300 nodes are available: {taints}."
    )
    told = pools.shortened(message)
    assert told == (
        "0/300 nodes are available: 297 node(s) had untolerated taint {dedicated}, 2 Insufficient nvidia.com/gpu, "
        "1 Insufficient cpu."
    )
    assert (
        pools.shortened("0/1 nodes are available: 1 Insufficient cpu.")
        == "0/1 nodes are available: 1 Insufficient cpu."
    )


@given(st.text(max_size=5000), st.text(max_size=5000))
def test_whatever_is_said_is_told_shortly(before: str, after: str) -> None:
    assert len(pools.shortened(f"{before}nodes are available: {after}")) < 1200
