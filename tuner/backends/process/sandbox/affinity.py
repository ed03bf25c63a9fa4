"""Without control groups: whole CPUs by affinity, and no limit on memory (an address-space limit is not the same)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from tuner.backends.process.sandbox.model import Limits, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinitySandbox:
    """Pins to `cpus`; knows nothing of its processes, who are found as descendants of the one that was started."""

    cpus: tuple[int, ...]
    entrances: tuple[Path, ...] = ()
    directories: tuple[Path, ...] = ()

    def enforced(self) -> Limits:
        return Limits()

    def members(self) -> tuple[int, ...]:
        return ()

    def read(self) -> Reading:
        return Reading()

    def oom_kills(self) -> int:
        return 0

    def memory_peak_bytes(self) -> int | None:
        return None

    def remove(self) -> None:
        pass


@dataclass(slots=True)
class Affinity:
    """Gives each sandbox as many whole CPUs as its limit, rounded up, taking them in turn."""

    cpus: Sequence[int]
    name: str = "CPU affinity"
    enforces_cpu: bool = False
    enforces_memory: bool = False
    _given: int = field(default=0, init=False)

    def directories(self, name: str) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def create(self, name: str, limits: Limits) -> AffinitySandbox:  # noqa: ARG002  (it has no place)
        count = len(self.cpus)
        if limits.cpu_cores is not None:
            count = min(count, max(1, math.ceil(limits.cpu_cores)))
        start = self._given % len(self.cpus)
        self._given += count
        return AffinitySandbox(cpus=tuple(sorted(islice(cycle(self.cpus), start, start + count))))
