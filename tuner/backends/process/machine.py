"""This machine as the backend sees it: its CPUs, split between servers and load generator, and its memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_FEW_CPUS = 4
"""Up to here the load generator gets one CPU, above it two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """CPUs are those this process was given, not all that exist. On a single CPU both sets are that one."""

    generator_cpus: tuple[int, ...]
    server_cpus: tuple[int, ...]
    memory_bytes: int
    gpus: int

    @property
    def shared(self) -> bool:
        return self.generator_cpus == self.server_cpus

    @property
    def cpus(self) -> int:
        return len({*self.generator_cpus, *self.server_cpus})


def look() -> Machine:
    """The machine as it is now; called once, before anything pins itself to a part of it."""
    generator, servers = split(sorted(os.sched_getaffinity(0), key=_place))
    return Machine(
        generator_cpus=generator,
        server_cpus=servers,
        memory_bytes=psutil.virtual_memory().total,
        gpus=len(list(Path("/proc/driver/nvidia/gpus").glob("*"))),
    )


def split(cpus: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(generator's, servers') CPUs: disjoint where there are two or more. Neighbours in `cpus` share a core."""
    if len(cpus) == 1:
        return tuple(cpus), tuple(cpus)
    count = 1 if len(cpus) <= _FEW_CPUS else 2
    return tuple(cpus[:count]), tuple(cpus[count:])


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _place(cpu: int) -> tuple[int, int, int]:
    """Sorts the threads of one core next to each other: a generator of two CPUs does not share with a server."""
    topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    return _number(topology / "physical_package_id"), _number(topology / "core_id"), cpu


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
