"""What sending costs the sender: the engine must know when it is at its own limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_SCHEDULER = Path("/proc/thread-self/schedstat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    cpu_s: float
    starved_s: float | None
    """Time this thread was ready to run and had no CPU, because of others or of a quota; None: the system does not
    tell (see `run_delay` in Linux' ``Documentation/scheduler/sched-stats.rst``)."""
    elapsed_s: float


class Meter:
    """Measures from when it is made, in the thread that makes it."""

    def __init__(self) -> None:
        self._cpu_s = time.process_time()
        self._starved_s = starved_s()
        self._began = time.perf_counter()

    def stop(self) -> Use:
        now_s = starved_s()
        return Use(
            cpu_s=time.process_time() - self._cpu_s,
            starved_s=None if now_s is None or self._starved_s is None else now_s - self._starved_s,
            elapsed_s=time.perf_counter() - self._began,
        )


def starved_s() -> float | None:
    """Time since its start that this thread was ready to run and had no CPU; None: the system does not tell."""
    try:
        return int(_SCHEDULER.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
