"""Which mechanism limits processes on this machine: the best that works."""

from __future__ import annotations

from pathlib import Path

from tuner.backends.process.sandbox import cgroup1, cgroup2
from tuner.backends.process.sandbox.affinity import Affinity
from tuner.backends.process.sandbox.model import Limiter


def find_limiter(cpus: tuple[int, ...]) -> Limiter:
    """The best mechanism that works here: control groups for CPU and memory, for one of them, or affinity alone.

    Version 2 is found unusable where its controllers are bound to version 1, and the other way round.
    """
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text()
        own_groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return Affinity(cpus=cpus)
    found = (cgroup2.find(mountinfo, own_groups, cpus), cgroup1.find(mountinfo, own_groups, cpus))
    usable: list[Limiter] = [limiter for limiter in found if limiter is not None]
    usable.sort(key=lambda limiter: limiter.enforces_cpu + limiter.enforces_memory)
    return usable[-1] if usable else Affinity(cpus=cpus)
