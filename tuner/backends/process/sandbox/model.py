"""The seam to whatever limits processes on this machine: a `Limiter` makes a `Sandbox` for each container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container may use. None: no limit."""

    cpu_cores: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters of one sandbox at one instant. None: this mechanism cannot tell."""

    cpu_s: float | None = None
    """CPU time used since the sandbox was made."""
    memory_bytes: int | None = None
    """Working set: memory in use, less file pages the kernel can drop at once."""
    periods: int | None = None
    """Scheduler periods in which the CPU quota applied."""
    throttled: int | None = None
    """Those of them in which it ran out."""


class Sandbox(Protocol):
    """Holds the processes of one container."""

    @property
    def entrances(self) -> tuple[Path, ...]:
        """Files a process writes its id to in order to enter, before it becomes the server."""
        ...

    @property
    def directories(self) -> tuple[Path, ...]:
        """What `remove` removes. Empty: the mechanism has no place of its own."""
        ...

    @property
    def cpus(self) -> tuple[int, ...]:
        """CPUs its processes are pinned to."""
        ...

    def enforced(self) -> Limits:
        """The limits as read back from the kernel."""
        ...

    def members(self) -> tuple[int, ...]:
        """Ids of the processes inside. Empty where the mechanism does not know them."""
        ...

    def read(self) -> Reading: ...

    def oom_kills(self) -> int:
        """Processes killed because the memory limit was reached."""
        ...

    def memory_peak_bytes(self) -> int | None:
        """Most memory ever charged, file pages included."""
        ...

    def remove(self) -> None:
        """Kill what is left inside and remove the sandbox. Raises OSError when it cannot be removed."""
        ...


class Limiter(Protocol):
    """One mechanism by which this machine limits processes."""

    @property
    def name(self) -> str: ...

    @property
    def enforces_cpu(self) -> bool: ...

    @property
    def enforces_memory(self) -> bool: ...

    def directories(self, name: str) -> tuple[Path, ...]:
        """What `create` will make, to be recorded before it is made."""
        ...

    def create(self, name: str, limits: Limits) -> Sandbox:
        """Make a sandbox with these limits. Raises BackendFailure."""
        ...
