"""What fits on this machine, and what is enforced of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.servers.pods import TOY, pods_of, toy_container
from tuner.backends.process.enforcement import insufficient, not_enforced
from tuner.backends.process.machine import Machine, split
from tuner.backends.process.sandbox.affinity import Affinity
from tuner.backends.process.sandbox.cgroup2 import Cgroup2

TWO = Machine(generator_cpus=(0,), server_cpus=(1,), memory_bytes=8 * 2**30, gpus=0)
ONE = Machine(generator_cpus=(0,), server_cpus=(0,), memory_bytes=8 * 2**30, gpus=0)
ENFORCING = Cgroup2(parent=Path("/sys/fs/cgroup"), controllers=frozenset({"cpu", "memory"}), cpus=(1,))


@given(st.lists(st.integers(0, 300), min_size=1, max_size=64, unique=True))
def test_cpus_are_split_in_two_disjoint_sets(cpus: list[int]) -> None:
    generator, servers = split(cpus)
    assert generator
    assert servers
    assert set(generator) | set(servers) == set(cpus)
    assert set(generator).isdisjoint(servers) or len(cpus) == 1
    assert len(generator) == (1 if len(cpus) <= 4 else 2)


def test_requests_of_all_replicas_must_fit_on_the_servers_cpus() -> None:
    assert insufficient(pods_of(toy_container(cpu="500m"), replicas=2), TWO) is None
    assert insufficient(pods_of(toy_container(cpu="1"), replicas=2), TWO) == (
        "Insufficient cpu: 2 requested, 1 available to servers on this machine (of 2; 1 kept for the load generator)"
    )
    assert "(of 1; they are the load generator's too)" in (insufficient(pods_of(toy_container(cpu="2")), ONE) or "")
    assert insufficient(pods_of(toy_container(memory="5Gi"), replicas=2), TWO) == (
        "Insufficient memory: 10 Gi requested, this machine has 8 Gi"
    )


def test_extended_resources_must_be_there() -> None:
    container = replace(toy_container(), requests={"nvidia.com/gpu": "1", "ephemeral-storage": "1Gi"})
    assert insufficient(pods_of(container), TWO) == "Insufficient nvidia.com/gpu: 1 requested, 0 on this machine"
    assert insufficient(pods_of(container), replace(TWO, gpus=1)) is None


def test_what_is_enforced_needs_no_words() -> None:
    assert list(not_enforced(pods_of(toy_container()), {"toy": TOY}, TWO, ENFORCING, None)) == []


def test_what_is_not_enforced_is_said() -> None:
    container = replace(
        toy_container(),
        limits={"cpu": "1500m", "memory": "64Mi", "nvidia.com/gpu": "1"},
        unresolved_env=("TOKEN", "KNOWN"),
    )
    image = replace(TOY, env={"KNOWN": "x"})
    said = "\n".join(not_enforced(pods_of(container, replicas=2), {"toy": image}, ONE, Affinity(cpus=(0,)), "Too much"))
    assert "Too much; it was run all the same" in said
    assert "share the only CPU" in said
    assert "add up to 3 cores, but the servers have 1 CPU here" in said
    assert "the CPU limit of 1.5 cores is not enforced" in said
    assert "each replica is pinned to 1 CPU instead" in said
    assert "the memory limit of 64 Mi is not enforced" in said
    assert "nvidia.com/gpu: 1 is not set apart" in said
    assert "TOKEN comes from a secret" in said
    assert "KNOWN" not in said
