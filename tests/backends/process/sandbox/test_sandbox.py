"""Affinity, and the control groups of both versions, read from files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.backends.process.sandbox import cgroup
from tuner.backends.process.sandbox.affinity import Affinity
from tuner.backends.process.sandbox.cgroup1 import Cgroup1, Cgroup1Sandbox, parent_groups
from tuner.backends.process.sandbox.cgroup2 import Cgroup2, Cgroup2Sandbox
from tuner.backends.process.sandbox.model import Limits, Reading


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
    assert sandbox.read() == Reading(cpu_s=1.5, memory_bytes=4_000_000, periods=40, throttled=10)
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
    assert sandbox.read() == Reading(cpu_s=None, memory_bytes=800, periods=8, throttled=2)  # no cpuacct
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
