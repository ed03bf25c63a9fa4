"""How quiet the servers' CPUs of this machine are: counters of the kernel over a time, and a probe."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tuner.backends.process.container.contained import Contained
from tuner.backends.process.container.speed import SpeedProbe
from tuner.backends.process.container.usage import busy_s, cpu_s
from tuner.measure.conditions import Conditions

_PRESSURE = Path("/proc/pressure/cpu")
_SOME = re.compile(r"^some .*\btotal=(\d+)$", re.MULTILINE)
_FREQUENCY = "/sys/devices/system/cpu/cpu{}/cpufreq/{}"


class ConditionsMeter:
    """Started when it is made (see `tuner.backends.model.ConditionsMeter`). It costs two readings, and the probe."""

    def __init__(
        self, containers: Sequence[Contained], cpus: Sequence[int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`cpus` are those set aside for the servers."""
        self._containers = containers
        self._cpus = tuple(cpus)
        self._clock = clock
        self._first = self._read()
        self._probe = SpeedProbe(self._cpus)

    def stop(self) -> Conditions:
        """How it was since the meter was made."""
        probe = self._probe.stop()
        (at, busy, steal, own, pressure), (at_0, busy_0, steal_0, own_0, pressure_0) = self._read(), self._first
        window_s = max(at - at_0, 1e-9)
        stolen = None if steal is None or steal_0 is None else max(0.0, steal - steal_0)
        used = None if own is None or own_0 is None else max(0.0, own - own_0)
        others = None if used is None else max(0.0, busy - busy_0 - (stolen or 0.0) - used - probe.spent_s)
        waited = None if pressure is None or pressure_0 is None else max(0.0, pressure - pressure_0)
        return Conditions(
            window_s=window_s,
            cpus=float(len(self._cpus)),
            allowed_cores=allowed_cores([one.sandbox.enforced().cpu_cores for one in self._containers], self._cpus),
            set_aside=True,
            own_cores=None if used is None else used / window_s,
            others_cores=None if others is None else others / window_s,
            steal_cores=None if stolen is None else stolen / window_s,
            pressure_ratio=None if waited is None else min(1.0, waited / window_s),
            frequency_ratio=frequency_ratio(self._cpus),
            probe_s=probe.mean_s,
        )

    def _read(self) -> tuple[float, float, float | None, float | None, float | None]:
        """(clock, busy, steal, the servers' own, pressure), all in seconds since some time."""
        return self._clock(), busy_s(self._cpus), steal_s(self._cpus), cpu_s(self._containers), pressure_s()


def allowed_cores(limits: Sequence[float | None], cpus: Sequence[int]) -> float:
    """Most that containers of these limits (None: none) may use together of `cpus`."""
    bounded = [limit for limit in limits if limit is not None]
    if len(bounded) < len(limits) or not bounded:
        return float(len(cpus))
    return min(float(len(cpus)), sum(bounded))


def steal_s(cpus: Sequence[int]) -> float | None:
    """Time that the host of a virtual machine took of these CPUs; None: the kernel does not tell."""
    by_cpu = psutil.cpu_times(percpu=True)
    if not all(hasattr(by_cpu[cpu], "steal") for cpu in cpus):
        return None
    return float(sum(by_cpu[cpu].steal for cpu in cpus))


def pressure_s(file: Path = _PRESSURE) -> float | None:
    """Time in which something waited for a CPU, since the start of the machine; None: the kernel does not tell."""
    try:
        found = _SOME.search(file.read_text())
    except OSError:
        return None
    return None if found is None else int(found[1]) / 1e6


def frequency_ratio(cpus: Sequence[int], file: str = _FREQUENCY) -> float | None:
    """Of the clock to its highest, the mean; None: it cannot be read, as in most virtual machines."""
    try:
        ratios = [
            int(Path(file.format(cpu, "scaling_cur_freq")).read_text())
            / int(Path(file.format(cpu, "cpuinfo_max_freq")).read_text())
            for cpu in cpus
        ]
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return sum(ratios) / len(ratios) if ratios else None
