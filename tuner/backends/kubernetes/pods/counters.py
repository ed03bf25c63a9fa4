"""Counters of a container's control group, read inside the container itself: exact, and of this very moment.

The kubelet's own figures are up to 15 s old (its housekeeping interval), longer than a measured window.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from tuner.backends.kubernetes.client.api import Api

_ROOT = "/sys/fs/cgroup"
_FILES = (
    f"{_ROOT}/cpu.stat",
    f"{_ROOT}/memory.current",
    f"{_ROOT}/memory.stat",
    f"{_ROOT}/memory.events",
    f"{_ROOT}/cpuacct/cpuacct.usage",
    f"{_ROOT}/cpu/cpu.stat",
    f"{_ROOT}/memory/memory.usage_in_bytes",
    f"{_ROOT}/memory/memory.stat",
    f"{_ROOT}/memory/memory.oom_control",
)
COMMAND = ["head", "-v", "-n", "60", *_FILES]
_HEADING = re.compile(r"^==> (.+) <==$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """None: the file that holds it is not there."""

    at_s: float
    """Monotonic clock, when they were read."""
    cpu_s: float | None = None
    """CPU time since the container's start."""
    memory_bytes: int | None = None
    """Working set: memory in use less the file cache that nobody touched lately."""
    periods: int | None = None
    throttled: int | None = None
    """Scheduler periods, and those in which the quota ran out."""
    oom_kills: int | None = None
    of_the_past: bool = False
    """They are of a moment before they were read, by the clock of whoever told them."""


def read(api: Api, pod: str, container: str) -> Counters:
    """Raises Refused where nothing can be run in the container (no `head` in it), NotAllowed without the right to."""
    before = time.monotonic()
    said = api.execute(pod, container, COMMAND, any_status=True)
    return parse(said, (before + time.monotonic()) / 2)


def parse(text: str, at_s: float) -> Counters:
    """What `head -v` printed of the files that are there; version 2 of control groups, or version 1."""
    files: dict[str, dict[str, int]] = {}
    heading = ""
    for line in text.splitlines():
        match = _HEADING.match(line)
        if match:
            heading = match[1]
            continue
        name, _, number = line.rpartition(" ")
        if heading and number.isdigit():
            files.setdefault(heading, {})[name] = int(number)
    cpu = {**files.get(f"{_ROOT}/cpu/cpu.stat", {}), **files.get(f"{_ROOT}/cpu.stat", {})}
    memory = {**files.get(f"{_ROOT}/memory/memory.stat", {}), **files.get(f"{_ROOT}/memory.stat", {})}
    used_ns = files.get(f"{_ROOT}/cpuacct/cpuacct.usage", {}).get("")
    in_use = files.get(f"{_ROOT}/memory.current", files.get(f"{_ROOT}/memory/memory.usage_in_bytes", {})).get("")
    idle = memory.get("total_inactive_file", memory.get("inactive_file", 0))
    events = {**files.get(f"{_ROOT}/memory/memory.oom_control", {}), **files.get(f"{_ROOT}/memory.events", {})}
    cpu_s = cpu["usage_usec"] / 1e6 if "usage_usec" in cpu else used_ns / 1e9 if used_ns is not None else None
    return Counters(
        at_s=at_s,
        cpu_s=cpu_s,
        memory_bytes=max(0, in_use - idle) if in_use is not None else None,
        periods=cpu.get("nr_periods"),
        throttled=cpu.get("nr_throttled"),
        oom_kills=events.get("oom_kill"),
    )
