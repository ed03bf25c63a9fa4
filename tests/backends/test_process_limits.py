"""What fits, what is enforced, and the control groups of both versions, read from files as the kernel writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.pods import TOY, pods_of, toy_container
from tuner.backends.process.enforcement import insufficient, not_enforced
from tuner.backends.process.machine import Machine, split
from tuner.backends.process.sandbox import cgroup
from tuner.backends.process.sandbox.affinity import Affinity
from tuner.backends.process.sandbox.cgroup1 import Cgroup1, Cgroup1Sandbox, parent_groups
from tuner.backends.process.sandbox.cgroup2 import Cgroup2, Cgroup2Sandbox
from tuner.backends.process.sandbox.model import Limits

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


def test_affinity_gives_whole_cpus_in_turn() -> None:
    affinity = Affinity(cpus=(1, 2, 3))
    given = [affinity.create("x", Limits(cpu_cores=1.5)).cpus for _ in range(3)]
    assert given == [(1, 2), (1, 3), (2, 3)]
    assert affinity.create("x", Limits()).cpus == (1, 2, 3)


@given(st.floats(0.0001, 512))
def test_a_quota_is_what_kubernetes_would_set(cores: float) -> None:
    assert cgroup.quota_us(cores) == max(1000, round(cores * 100_000))


MOUNTINFO_1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / {root}/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/abc {root}/memory rw,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 / {root}/systemd rw,relatime - cgroup cgroup rw,name=systemd
"""


def test_version_1_groups_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    (tmp_path / "cpu,cpuacct" / "user").mkdir(parents=True)
    (tmp_path / "memory" / "mine").mkdir(parents=True)
    own = "4:memory:/docker/abc/mine\n2:cpu,cpuacct:/user\n1:name=systemd:/\n0::/\n"
    assert parent_groups(MOUNTINFO_1.format(root=tmp_path), own) == {
        "cpu": tmp_path / "cpu,cpuacct" / "user",
        "cpuacct": tmp_path / "cpu,cpuacct" / "user",
        "memory": tmp_path / "memory" / "mine",
        "name=systemd": tmp_path / "systemd",
    }
    # a path of the host that is not mounted here: the mount itself is our group
    assert parent_groups(MOUNTINFO_1.format(root=tmp_path), "4:memory:/elsewhere/x\n")["memory"] == tmp_path / "memory"


def files(folder: Path, **contents: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_version_2_sandbox_reads_what_the_kernel_writes(tmp_path: Path) -> None:
    group = files(
        tmp_path,
        cpu__max="50000 100000\n",
        cpu__stat="usage_usec 1500000\nuser_usec 1\nnr_periods 40\nnr_throttled 10\n",
        memory__max="67108864\n",
        memory__current="5000000\n",
        memory__stat="anon 1\ninactive_file 1000000\n",
        memory__events="low 0\noom 2\noom_kill 1\n",
        memory__peak="6000000\n",
        cgroup__procs="12\n34\n",
    )
    sandbox = Cgroup2Sandbox(group=group, cpus=(1,))
    assert sandbox.enforced() == Limits(cpu_cores=0.5, memory_bytes=67108864)
    reading = sandbox.read()
    assert (reading.cpu_s, reading.memory_bytes) == (1.5, 4_000_000)
    assert (reading.periods, reading.throttled) == (40, 10)
    assert (sandbox.oom_kills(), sandbox.memory_peak_bytes(), sandbox.members()) == (1, 6_000_000, (12, 34))
    files(tmp_path, cpu__max="max 100000\n", memory__max="max\n")
    assert sandbox.enforced() == Limits()


def test_version_2_limits_are_written_without_swap(tmp_path: Path) -> None:
    limiter = Cgroup2(parent=tmp_path, controllers=frozenset({"cpu", "memory"}), cpus=(1,))
    limiter.create("a", Limits(cpu_cores=0.25, memory_bytes=1 << 20))
    assert (tmp_path / "a" / "cpu.max").read_text() == "25000 100000"
    assert (tmp_path / "a" / "memory.max").read_text() == "1048576"
    assert limiter.directories("a") == (tmp_path / "a",)


def test_version_1_sandbox_reads_what_the_kernel_writes(tmp_path: Path) -> None:
    cpu = files(
        tmp_path / "cpu",
        cpu__cfs_quota_us="25000\n",
        cpu__cfs_period_us="100000\n",
        cpu__stat="nr_periods 8\nnr_throttled 2\nthrottled_time 5\n",
        cgroup__procs="7\n",
    )
    memory = files(
        tmp_path / "memory",
        memory__limit_in_bytes="9223372036854771712\n",
        memory__usage_in_bytes="900\n",
        memory__stat="inactive_file 1\ntotal_inactive_file 100\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        memory__max_usage_in_bytes="1000\n",
        cgroup__procs="7\n",
    )
    sandbox = Cgroup1Sandbox(groups={"cpu": cpu, "memory": memory}, cpus=(1,))
    assert sandbox.enforced() == Limits(cpu_cores=0.25)
    reading = sandbox.read()
    assert reading.cpu_s is None  # no cpuacct
    assert (reading.memory_bytes, reading.periods, reading.throttled) == (800, 8, 2)
    assert (sandbox.oom_kills(), sandbox.memory_peak_bytes(), sandbox.members()) == (3, 1000, (7,))


@pytest.mark.parametrize(
    ("controllers", "cpu", "memory"),
    [({"cpu"}, True, False), ({"memory"}, False, True), ({"cpu", "memory"}, True, True)],
)
def test_a_limiter_says_what_it_enforces(controllers: set[str], cpu: bool, memory: bool) -> None:
    one = Cgroup1(parents=dict.fromkeys(controllers, Path("/x")), cpus=(0,))
    two = Cgroup2(parent=Path("/x"), controllers=frozenset(controllers), cpus=(0,))
    for limiter in (one, two):
        assert (limiter.enforces_cpu, limiter.enforces_memory) == (cpu, memory)
        assert "cgroup v" in limiter.name
