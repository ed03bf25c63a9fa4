"""Control groups version 2: one hierarchy, whose controllers are handed down level by level.

Files: Documentation/admin-guide/cgroup-v2.rst of the Linux kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuner.backends.process.sandbox import cgroup
from tuner.backends.process.sandbox.model import Limits, Reading
from tuner.errors import BackendFailure

_CONTROLLERS = frozenset({"cpu", "memory"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup2Sandbox:
    group: Path
    cpus: tuple[int, ...]

    @property
    def directories(self) -> tuple[Path, ...]:
        return (self.group,)

    @property
    def entrances(self) -> tuple[Path, ...]:
        return (self.group / "cgroup.procs",)

    def enforced(self) -> Limits:
        return Limits(cpu_cores=self._quota(), memory_bytes=cgroup.read_int(self.group / "memory.max"))

    def members(self) -> tuple[int, ...]:
        return cgroup.members(self.group)

    def read(self) -> Reading:
        stat = cgroup.read_counters(self.group / "cpu.stat")
        usage = cgroup.read_int(self.group / "memory.current")
        inactive = cgroup.read_counters(self.group / "memory.stat").get("inactive_file", 0)
        used_us = stat.get("usage_usec")
        return Reading(
            cpu_s=used_us / 1e6 if used_us is not None else None,
            memory_bytes=max(0, usage - inactive) if usage is not None else None,
            periods=stat.get("nr_periods"),
            throttled=stat.get("nr_throttled"),
        )

    def oom_kills(self) -> int:
        return cgroup.read_counters(self.group / "memory.events").get("oom_kill", 0)

    def memory_peak_bytes(self) -> int | None:
        return cgroup.read_int(self.group / "memory.peak")

    def remove(self) -> None:
        cgroup.remove(self.group)

    def _quota(self) -> float | None:
        try:
            quota, period = (self.group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            return None
        return None if quota == "max" else int(quota) / int(period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup2:
    parent: Path
    controllers: frozenset[str]
    cpus: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"cgroup v2 ({', '.join(sorted(self.controllers))})"

    @property
    def enforces_cpu(self) -> bool:
        return "cpu" in self.controllers

    @property
    def enforces_memory(self) -> bool:
        return "memory" in self.controllers

    def directories(self, name: str) -> tuple[Path, ...]:
        return (self.parent / name,)

    def create(self, name: str, limits: Limits) -> Cgroup2Sandbox:
        sandbox = Cgroup2Sandbox(group=self.parent / name, cpus=self.cpus)
        try:
            sandbox.group.mkdir()
            if limits.cpu_cores is not None and self.enforces_cpu:
                (sandbox.group / "cpu.max").write_text(f"{cgroup.quota_us(limits.cpu_cores)} {cgroup.PERIOD_US}")
            if limits.memory_bytes is not None and self.enforces_memory:
                (sandbox.group / "memory.max").write_text(str(limits.memory_bytes))
                if (swap := sandbox.group / "memory.swap.max").exists():
                    swap.write_text("0")
        except OSError as error:
            with suppress(OSError):
                sandbox.remove()
            raise BackendFailure(f"the control group {sandbox.group} could not be made: {error}") from error
        return sandbox


def find(mountinfo: str, own_groups: str, cpus: tuple[int, ...]) -> Cgroup2 | None:
    """The nearest group above this process in which groups with limits can be made; None: there is none.

    A group that holds processes itself cannot hand its controllers down, so it is usually not our own.
    """
    for parent in _ancestors(mountinfo, own_groups):
        controllers = _handed_down(parent)
        if controllers and cgroup.usable(parent):
            return Cgroup2(parent=parent, controllers=controllers, cpus=cpus)
    return None


def _ancestors(mountinfo: str, own_groups: str) -> Iterator[Path]:
    own = next((line[3:] for line in own_groups.splitlines() if line.startswith("0::")), None)
    mount = next(
        (line.split(" ")[4] for line in mountinfo.splitlines() if line.partition(" - ")[2].startswith("cgroup2 ")), None
    )
    if own is None or mount is None:
        return
    group = Path(mount, own.lstrip("/"))
    if not group.is_dir() or ".." in group.parts:
        group = Path(mount)
    yield group
    while group != Path(mount):
        group = group.parent
        yield group


def _handed_down(group: Path) -> frozenset[str]:
    """Controllers that groups made in `group` will have; asks for those that are not handed down yet."""
    try:
        available = _CONTROLLERS & set((group / "cgroup.controllers").read_text().split())
        handed_down = set((group / "cgroup.subtree_control").read_text().split())
    except OSError:
        return frozenset()
    for controller in sorted(available - handed_down):
        with suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
            handed_down.add(controller)
    return frozenset(available & handed_down)
