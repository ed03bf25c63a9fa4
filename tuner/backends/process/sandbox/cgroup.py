"""What both versions of control groups share: reading their files, emptying and removing a group."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

PERIOD_US = 100_000
"""Scheduler period of a CPU quota, as Kubernetes sets it."""
MIN_QUOTA_US = 1_000
"""The kernel refuses less; Kubernetes rounds up to it, and so do we."""
_REMOVE_WITHIN_S = 2.0
_PREFIX = "tuner-"
_PROBE = f"{_PREFIX}probe-"


def quota_us(cores: float) -> int:
    return max(MIN_QUOTA_US, round(cores * PERIOD_US))


def read_int(path: Path) -> int | None:
    """The number in a control file; None where the file is missing or says ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def read_counters(path: Path) -> dict[str, int]:
    """A control file of ``name value`` lines; empty where it is missing."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].lstrip("-").isdigit()}


def members(group: Path) -> tuple[int, ...]:
    try:
        return tuple(int(line) for line in (group / "cgroup.procs").read_text().split())
    except OSError:
        return ()


def empty(group: Path) -> None:
    """Kill every process in the group until none is left: while we kill, members may fork."""
    end = time.monotonic() + _REMOVE_WITHIN_S
    while (inside := members(group)) and time.monotonic() < end:
        with suppress(OSError):
            (group / "cgroup.kill").write_text("1")  # version 2, Linux 5.14
        for pid in inside:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def remove(group: Path) -> None:
    """Empty the group and remove it. Raises OSError when it stays; a group that is gone already is fine."""
    empty(group)
    end = time.monotonic() + _REMOVE_WITHIN_S
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # busy while killed processes are being taken apart
            if time.monotonic() > end:
                raise
            empty(group)
            time.sleep(0.005)
        else:
            return


def usable(parent: Path) -> bool:
    """Whether groups can be made in `parent` and processes of ours may enter them: the only sure test is to do it."""
    group = parent / f"{_PROBE}{os.getpid()}-{secrets.token_hex(3)}"
    command = ["/bin/sh", "-c", 'echo $$ >"$1"', "probe", str(group / "cgroup.procs")]
    try:
        group.mkdir()
    except OSError:
        return False
    try:
        return subprocess.run(command, check=False, capture_output=True, cwd="/").returncode == 0
    finally:
        remove(group)


def remove_stale_probes(parent: Path) -> None:
    """Remove what `usable` left when its process was killed meanwhile."""
    for group in parent.glob(f"{_PROBE}*"):
        if _is_gone(group.name.removeprefix(_PROBE).partition("-")[0]):
            with suppress(OSError):
                remove(group)


def name_of(what: str) -> str:
    """Of a group of this process; see `remove_abandoned`."""
    return f"{_PREFIX}{what}.{os.getpid()}"


def remove_abandoned(parent: Path) -> tuple[Path, ...]:
    """Groups by `name_of` whose tuner is gone and in which no process is, removed: no record tells of them any more.

    One with a process in it is left: the tuner's number may be of another namespace of process ids.
    """
    removed = []
    for group in sorted(parent.glob(f"{_PREFIX}*")):
        if _is_gone(group.name.rpartition(".")[2]) and not members(group):
            with suppress(OSError):
                group.rmdir()
                removed.append(group)
    return tuple(removed)


def _is_gone(pid: str) -> bool:
    return pid.isdigit() and not Path("/proc", pid).exists()
