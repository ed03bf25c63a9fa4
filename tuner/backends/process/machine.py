"""This machine as the backend sees it: its CPUs, split between servers and load generator, and its memory."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tuner.backends.model import WHOLE, Part

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


def look(part: Part = WHOLE) -> Machine:
    """The machine as it is now, or the part of it that is this process's; called once, before anything pins itself.

    Who runs no trials beside others has a part's servers to reckon with, and a CPU of its own in place of a generator's.
    Where there are too few CPUs for so many parts, each is the whole machine: `parts` tells.
    """
    cpus = sorted(os.sched_getaffinity(0), key=_place)
    aside, shares = cpus[:1], parts([_place(cpu)[:2] for cpu in cpus], part.number)
    if shares is None or part.is_whole:
        generator, servers = split(cpus)
    else:
        generator, servers = split([cpus[row] for row in shares[part.index or 0]])
        generator = generator if part.index is not None else tuple(aside)
    return Machine(
        generator_cpus=generator,
        server_cpus=servers,
        memory_bytes=psutil.virtual_memory().total // (part.number if shares else 1),
        gpus=len(list(Path("/proc/driver/nvidia/gpus").glob("*"))),
    )


def parts(cores: Sequence[object], number: int) -> tuple[tuple[int, ...], ...] | None:
    """Rows of CPUs for each of `number` trials beside each other: as many each, whole cores, and one core left for
    whoever decides what they run. `cores`: of each CPU its core, neighbours beside each other.

    None: that would leave one of them with less than a CPU for its load generator and one for its servers.
    """
    if number == 1:
        return (tuple(range(len(cores))),)
    rows: dict[object, list[int]] = {}
    for row, core in enumerate(cores):
        rows.setdefault(core, []).append(row)
    _, *shared = rows.values()
    each = len(shared) // number
    found = tuple(tuple(row for core in shared[at * each : (at + 1) * each] for row in core) for at in range(number))
    return found if all(len(share) >= 2 for share in found) else None


def too_few(number: int) -> str | None:
    """Why so many trials cannot run beside each other here; None: they can."""
    cpus = sorted(os.sched_getaffinity(0), key=_place)
    if parts([_place(cpu)[:2] for cpu in cpus], number) is not None:
        return None
    return (
        f"{number} trials beside each other need two CPUs each, on cores of their own, and a core for the tuner: "
        f"this machine has {len(cpus)} CPU{'s' if len(cpus) != 1 else ''}"
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
