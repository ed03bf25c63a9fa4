"""Control groups version 1: a hierarchy for each controller, each mounted on its own.

Files: Documentation/admin-guide/cgroup-v1/memory.rst and Documentation/scheduler/sched-bwc.rst of the Linux kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuner.backends.process.sandbox import cgroup
from tuner.backends.process.sandbox.model import Limits, Reading
from tuner.errors import BackendFailure

_CONTROLLERS = ("cpu", "cpuacct", "memory")
_NO_LIMIT = 1 << 60
"""A memory limit above this is the kernel's way to say there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup1Sandbox:
    """One group of the same name under each controller's parent."""

    groups: Mapping[str, Path]
    cpus: tuple[int, ...]

    @property
    def directories(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(self.groups.values()))

    @property
    def entrances(self) -> tuple[Path, ...]:
        return tuple(directory / "cgroup.procs" for directory in self.directories)

    def enforced(self) -> Limits:
        quota = self._int("cpu", "cpu.cfs_quota_us")
        period = self._int("cpu", "cpu.cfs_period_us")
        memory = self._int("memory", "memory.limit_in_bytes")
        return Limits(
            cpu_cores=quota / period if quota and period and quota > 0 else None,
            memory_bytes=memory if memory is not None and memory < _NO_LIMIT else None,
        )

    def members(self) -> tuple[int, ...]:
        return tuple(sorted({pid for directory in self.directories for pid in cgroup.members(directory)}))

    def read(self) -> Reading:
        used_ns = self._int("cpuacct", "cpuacct.usage")
        stat = cgroup.read_counters(self.groups["cpu"] / "cpu.stat") if "cpu" in self.groups else {}
        return Reading(
            cpu_s=used_ns / 1e9 if used_ns is not None else None,
            memory_bytes=self._working_set(),
            periods=stat.get("nr_periods"),
            throttled=stat.get("nr_throttled"),
        )

    def oom_kills(self) -> int:
        if "memory" not in self.groups:
            return 0
        return cgroup.read_counters(self.groups["memory"] / "memory.oom_control").get("oom_kill", 0)

    def memory_peak_bytes(self) -> int | None:
        return self._int("memory", "memory.max_usage_in_bytes")

    def remove(self) -> None:
        for directory in self.directories:
            cgroup.remove(directory)

    def _working_set(self) -> int | None:
        usage = self._int("memory", "memory.usage_in_bytes")
        if usage is None:
            return None
        stat = cgroup.read_counters(self.groups["memory"] / "memory.stat")
        return max(0, usage - stat.get("total_inactive_file", 0))

    def _int(self, controller: str, file: str) -> int | None:
        return cgroup.read_int(self.groups[controller] / file) if controller in self.groups else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup1:
    """Makes groups below the ones this process lives in."""

    parents: Mapping[str, Path]
    cpus: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"cgroup v1 ({', '.join(self.parents)})"

    @property
    def enforces_cpu(self) -> bool:
        return "cpu" in self.parents

    @property
    def enforces_memory(self) -> bool:
        return "memory" in self.parents

    def directories(self, name: str) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(parent / name for parent in self.parents.values()))

    def create(self, name: str, limits: Limits) -> Cgroup1Sandbox:
        groups = {controller: parent / name for controller, parent in self.parents.items()}
        sandbox = Cgroup1Sandbox(groups=groups, cpus=self.cpus)
        try:
            for directory in sandbox.directories:
                directory.mkdir()
            if limits.cpu_cores is not None and "cpu" in groups:
                (groups["cpu"] / "cpu.cfs_period_us").write_text(str(cgroup.PERIOD_US))
                (groups["cpu"] / "cpu.cfs_quota_us").write_text(str(cgroup.quota_us(limits.cpu_cores)))
            if limits.memory_bytes is not None and "memory" in groups:
                (groups["memory"] / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
                if (swap := groups["memory"] / "memory.memsw.limit_in_bytes").exists():
                    swap.write_text(str(limits.memory_bytes))  # memory and swap together: no swap
        except OSError as error:
            with suppress(OSError):
                sandbox.remove()
            raise BackendFailure(f"the control group {name} could not be made: {error}") from error
        return sandbox


def find(mountinfo: str, own_groups: str, cpus: tuple[int, ...]) -> Cgroup1 | None:
    """The usable controllers, given the text of /proc/self/mountinfo and /proc/self/cgroup; None: none is usable."""
    parents = {
        controller: parent
        for controller, parent in parent_groups(mountinfo, own_groups).items()
        if controller in _CONTROLLERS and cgroup.usable(parent)
    }
    return Cgroup1(parents=parents, cpus=cpus) if parents.keys() & {"cpu", "memory"} else None


def parent_groups(mountinfo: str, own_groups: str) -> dict[str, Path]:
    """By controller, the directory of the group this process lives in."""
    own: dict[str, str] = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    parents: dict[str, Path] = {}
    for root, mount, options in _mounts(mountinfo):
        for controller in set(options) & own.keys():
            inside = own[controller].removeprefix(root.rstrip("/"))
            directory = Path(mount, inside.lstrip("/"))
            # in a container the path may be the host's, which is not mounted: the mount itself is our group then
            parents[controller] = directory if directory.is_dir() else Path(mount)
    return dict(sorted(parents.items()))


def _mounts(mountinfo: str) -> Iterable[tuple[str, str, list[str]]]:
    """(root, mount point, super options) of the version 1 hierarchies; see proc_pid_mountinfo(5)."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup":
            yield before.split(" ")[3], before.split(" ")[4], options.split(",")
