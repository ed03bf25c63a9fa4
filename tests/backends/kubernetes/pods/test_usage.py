"""Counters as containers' control groups tell them, and the usage between two readings."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.backends.kubernetes.pods import counters
from tuner.backends.kubernetes.pods.counters import Counters
from tuner.backends.kubernetes.pods.usage import Snapshot, usage

V1 = """==> /sys/fs/cgroup/cpuacct/cpuacct.usage <==
1500000000

==> /sys/fs/cgroup/cpu/cpu.stat <==
nr_periods 10
nr_throttled 4
throttled_time 99

==> /sys/fs/cgroup/memory/memory.usage_in_bytes <==
1000

==> /sys/fs/cgroup/memory/memory.stat <==
inactive_file 1
total_inactive_file 300

==> /sys/fs/cgroup/memory/memory.oom_control <==
oom_kill_disable 0
under_oom 0
oom_kill 2
head: cannot open '/sys/fs/cgroup/cpu.stat' for reading: No such file or directory
"""


V2 = """==> /sys/fs/cgroup/cpu.stat <==
usage_usec 1500000
user_usec 1
nr_periods 10
nr_throttled 4
==> /sys/fs/cgroup/memory.current <==
1000
==> /sys/fs/cgroup/memory.stat <==
inactive_file 300
==> /sys/fs/cgroup/memory.events <==
oom 3
oom_kill 2
"""


@pytest.mark.parametrize("text", [V1, V2])
def test_both_versions_of_control_groups_are_read(text: str) -> None:
    found = counters.parse(text, 1.0)
    assert found == Counters(at_s=1.0, cpu_s=1.5, memory_bytes=700, periods=10, throttled=4, oom_kills=2)


def test_what_is_not_there_is_none() -> None:
    assert counters.parse("head: cannot open anything\n", 1.0) == Counters(at_s=1.0)


def reading(at_s: float, *cpu_s: float | None, **others: Any) -> Snapshot:
    found = {
        (f"p{i}", "c"): Counters(at_s=at_s, cpu_s=value, memory_bytes=100 + i, **others)
        for i, value in enumerate(cpu_s)
    }
    return Snapshot(counters=found, at_s=at_s)


def test_usage_is_the_sum_over_the_replicas() -> None:
    found = usage(
        reading(10.0, 1.0, 2.0, periods=0, throttled=0),
        reading(12.0, 2.0, 4.0, periods=10, throttled=5),
        exact=True,
        restarts=1,
    )
    assert (found.cpu_cores, found.memory_peak_bytes, found.throttled_ratio, found.restarts) == (1.5, 201, 0.5, 1)


def test_a_replica_that_could_not_be_read_leaves_no_sum() -> None:
    assert usage(reading(0.0, 1.0, None), reading(2.0, 2.0, None), exact=True, restarts=0).cpu_cores is None


def test_counters_that_do_not_cover_the_window_are_not_used() -> None:
    before, after = reading(0.0, 1.0), Snapshot(counters=reading(15.0, 2.0).counters, at_s=5.0)
    assert usage(before, after, exact=False, restarts=0).cpu_cores is None
    assert usage(reading(0.0, 1.0), reading(5.0, 2.0), exact=False, restarts=0).cpu_cores == pytest.approx(0.2)
