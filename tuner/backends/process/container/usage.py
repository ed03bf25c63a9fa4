"""What running containers use between two instants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psutil

from tuner.backends.process.container.contained import Contained
from tuner.backends.process.sandbox.model import Reading
from tuner.measure.model import Usage

SAMPLED_EVERY_S = 0.1


class SandboxMeter:
    """CPU from the sandboxes' counters; memory as the largest sum of working sets, sampled every 100 ms.

    Not the kernel's own peak: that one counts file pages which could be dropped at once, and cannot be started anew for
    each window. Without control groups both come from the processes themselves (memory as proportional set size).
    """

    def __init__(
        self, containers: Sequence[Contained], cpus: Sequence[int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`cpus` are those set aside for the servers."""
        self._containers = containers
        self._cpus = cpus
        self._clock = clock
        self._peak: int | None = None
        self._stopped = threading.Event()
        self._first = self._readings()
        self._busy_s = busy_s(cpus)
        self._begin = clock()
        self._thread = threading.Thread(target=self._sample, name="tuner-usage", daemon=True)
        self._thread.start()

    def stop(self) -> Usage:
        """The usage since the meter was made."""
        elapsed_s = self._clock() - self._begin
        grown_s = busy_s(self._cpus) - self._busy_s
        last = self._readings()
        self._stopped.set()
        self._thread.join()
        used_s = _growth([reading.cpu_s for reading in self._first], [reading.cpu_s for reading in last])
        limited = [i for i, one in enumerate(self._containers) if one.sandbox.enforced().cpu_cores is not None]
        periods = _growth([self._first[i].periods for i in limited], [last[i].periods for i in limited])
        throttled = _growth([self._first[i].throttled for i in limited], [last[i].throttled for i in limited])
        return Usage(
            cpu_cores=used_s / elapsed_s if used_s is not None and elapsed_s > 0 else None,
            memory_peak_bytes=self._peak,
            throttled_ratio=throttled / periods if throttled is not None and periods else None,
            others_cores=max(0.0, grown_s - used_s) / elapsed_s if used_s is not None and elapsed_s > 0 else None,
        )

    def _readings(self) -> list[Reading]:
        readings = [_read(one) for one in self._containers]
        memory = [reading.memory_bytes for reading in readings]
        if all(value is not None for value in memory):
            self._peak = max(self._peak or 0, sum(value for value in memory if value is not None))
        return readings

    def _sample(self) -> None:
        while not self._stopped.wait(SAMPLED_EVERY_S):
            self._readings()


def busy_s(cpus: Sequence[int]) -> float:
    """Time these CPUs have not been idle, by whomever; a virtual machine's host (steal) counts too."""
    by_cpu = psutil.cpu_times(percpu=True)
    return sum(
        sum(times) - times.idle - getattr(times, "iowait", 0.0) - _guests(times)
        for times in map(by_cpu.__getitem__, cpus)
    )


def cpu_s(containers: Sequence[Contained]) -> float | None:
    """CPU time that these containers used so far; None: it is not known of one, or there is none."""
    used = [_cpu_s(one) for one in containers]
    known = [one for one in used if one is not None]
    return sum(known) if known and len(known) == len(used) else None


def _cpu_s(one: Contained) -> float | None:
    told = one.sandbox.read().cpu_s
    return told if told is not None else _of_processes(one.members(), memory=False)[0]


def _guests(times: Any) -> float:
    """Time of a guest, which the kernel counts in user time as well."""
    return float(getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0))


def _growth(first: Sequence[float | None], last: Sequence[float | None]) -> float | None:
    """Sum of the differences; None where one is not known, or there is none."""
    if not first or None in first or None in last:
        return None
    return sum(
        after - before for before, after in zip(first, last, strict=True) if before is not None and after is not None
    )


def _read(one: Contained) -> Reading:
    reading = one.sandbox.read()
    if reading.cpu_s is not None and reading.memory_bytes is not None:
        return reading
    used_s, memory_bytes = _of_processes(one.members())
    return replace(
        reading,
        cpu_s=reading.cpu_s if reading.cpu_s is not None else used_s,
        memory_bytes=reading.memory_bytes if reading.memory_bytes is not None else memory_bytes,
    )


def _of_processes(pids: Sequence[int], *, memory: bool = True) -> tuple[float, int]:
    used_s, memory_bytes = 0.0, 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            memory_bytes += int(process.memory_full_info().pss) if memory else 0
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        used_s += times.user + times.system + times.children_user + times.children_system
    return used_s, memory_bytes
