"""Processes of this machine, told apart across reuse of their ids: by start time, and by session."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A process for good: no other ever has both the same id and the same start, in clock ticks since boot."""

    pid: int
    start_ticks: int

    def alive(self) -> bool:
        """Whether it runs still; one that has ended and waits for its parent does not."""
        fields = _stat(self.pid)
        return fields is not None and int(fields[19]) == self.start_ticks and fields[0] not in ("Z", "X")


def identify(pid: int) -> ProcessId | None:
    """None: there is no such process."""
    fields = _stat(pid)
    return ProcessId(pid=pid, start_ticks=int(fields[19])) if fields is not None else None


def boot_id() -> str:
    """Differs between two starts of the machine: start times compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def session_members(leader: int) -> tuple[int, ...]:
    """Processes of the session that `leader` began. Its number stays reserved while the session has members."""
    found = []
    for pid in psutil.pids():
        fields = _stat(pid)
        if fields is not None and int(fields[3]) == leader and fields[0] not in ("Z", "X"):
            found.append(pid)
    return tuple(found)


def tree(pid: int) -> tuple[int, ...]:
    """The process and all its descendants, as far as they did not leave it."""
    try:
        process = psutil.Process(pid)
        return (pid, *(child.pid for child in process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return ()


def kill_all(pids: Iterable[int], within_s: float = 1.0) -> None:
    """SIGKILL to each, and wait until they have ended."""
    known = [identity for pid in set(pids) if (identity := identify(pid)) is not None]
    for identity in known:
        with suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGKILL)
    end = time.monotonic() + within_s
    while any(identity.alive() for identity in known) and time.monotonic() < end:
        time.sleep(0.002)


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on; the second, a name, may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
