"""How quiet the machine of the servers was while a window was measured, and whether that disturbed it.

Pure. What others took of the servers' CPUs is counted while the window runs (their programs, and the host of a virtual
machine: *steal*). What no counter tells (a lower clock, a busy sibling thread of the same core, a shared cache) shows
in the CPU time of a fixed piece of work, the *probe*, done again and again while the window runs: a deterministic
microbenchmark held against its own best, as Verdú et al. find the load of a host (*Platform-Agnostic Steal-Time
Measurement in a Guest Operating System*, arXiv:1810.01139). Its mean counts: a sibling thread that is busy for some
hundredths of a second, as those of shared hosts are all the time, slows the window down by its share of the time.

Pressure (Linux' pressure stall information) and the clock's frequency are recorded and not judged by: the servers' own
workers wait for each other, too, and a clock that matters shows in the probe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.units import format_ratio, format_seconds

TAKEN = 0.1
"""Share of the servers' CPUs above which what others took disturbs: a tenth is what restarts of one configuration
differ by anyway (a noise of 3 to 7 %), and a queue at half load feels less than that."""
SLOWER = 0.15
"""Share by which the probe is slower than its best above which something disturbs: on a shared host its mean over a
window scatters by a twentieth all the time (a server's own CPU time by a tenth), and the model takes that out."""
_FAIR = 0.5
_SPARE = 1.0
"""CPUs idle from which on whoever is ready to run finds one, so that nobody's share was missing: the kernel leaves none
idle that somebody waits for."""
LEAST_SPEED = 0.05
"""No machine is taken for slower: the logarithm of a speed has to exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How it was on the machine of the servers while one or several windows were measured. None: cannot be told."""

    window_s: float
    cpus: float
    """CPUs that the servers may run on."""
    allowed_cores: float
    """Most CPU that they may use: their limits together, at most `cpus`."""
    set_aside: bool
    """The CPUs are theirs alone: whatever else runs there disturbs. Else it does when there is not enough left."""
    own_cores: float | None = None
    others_cores: float | None = None
    """What other programs used of these CPUs, without steal."""
    steal_cores: float | None = None
    """What the host of a virtual machine took of them."""
    pressure_ratio: float | None = None
    """Share of the time in which something waited for a CPU, on the whole machine (`/proc/pressure/cpu`, *some*)."""
    frequency_ratio: float | None = None
    """Of the CPUs' clock to its highest, at the end."""
    probe_s: float | None = None
    """CPU time of the fixed piece of work on the servers' CPUs, the mean over the windows."""
    best_probe_s: float | None = None
    """CPU time that the probe takes where nothing slows it down: of this study's so far the lower decile."""
    full: bool = False
    """The servers wanted all the CPU that they could get: the load was near their capacity, or above."""
    not_told: tuple[str, ...] = ()
    """What could not be observed, and why, in words."""

    @property
    def taken_cores(self) -> float | None:
        """What others took of the CPUs, all together; None: not even the programs' part is known."""
        if self.others_cores is None:
            return self.steal_cores
        return self.others_cores + (self.steal_cores or 0.0)

    @property
    def taken_ratio(self) -> float | None:
        taken = self.taken_cores
        return None if taken is None else taken / self.cpus

    @property
    def share(self) -> float | None:
        """Of the CPU that the servers may use what others left them, 0 to 1; what they got, they could have.

        Programs that want all take what servers at light load leave: there it is not known what the servers could have
        had, but one competitor of equal weight leaves half, and no more than that is held against the others.
        """
        left = self._left_cores
        if left is None:
            return None
        if self._has_spare:
            return 1.0
        if not self.full:
            left = max(left, (self.cpus - (self.steal_cores or 0.0)) * _FAIR)
        return min(1.0, left / self.allowed_cores)

    @property
    def _left_cores(self) -> float | None:
        taken = self.taken_cores
        return None if taken is None else max(self.cpus - taken, self.own_cores or 0.0)

    @property
    def _has_spare(self) -> bool:
        taken = self.taken_cores
        return taken is not None and self.own_cores is not None and self.cpus - taken - self.own_cores >= _SPARE

    @property
    def _is_taken(self) -> bool:
        """Others took more than is accepted, of CPUs that are the servers' alone, or of what those may use."""
        taken, left = self.taken_ratio, self._left_cores
        if taken is None or left is None:
            return False
        if self.set_aside:
            return taken > TAKEN
        return left < (1.0 - TAKEN) * self.allowed_cores and not self._has_spare

    @property
    def pace(self) -> float | None:
        """How fast the cores worked, 1.0 being the best of the study."""
        if self.probe_s is None or self.best_probe_s is None:
            return None
        return min(1.0, self.best_probe_s / self.probe_s)

    @property
    def speed(self) -> float | None:
        """Of the machine, as the servers had it: 1.0 is that of a quiet one, 0.5 half of it. None: nobody can tell."""
        known = [part for part in (self.share, self.pace) if part is not None]
        return max(LEAST_SPEED, math.prod(known)) if known else None

    @property
    def disturbance(self) -> str:
        """What disturbed the windows, in words; empty: they stand."""
        found = []
        taken, steal = self.taken_ratio, self.steal_cores
        if taken is not None and self._is_taken:
            by = "other programs"
            if steal is not None and self.others_cores is not None and steal > self.others_cores:
                by = "the host of this virtual machine (steal)"
            found.append(f"{by} took {format_ratio(taken)} of the servers' CPUs")
        if self.pace is not None and 1.0 - self.pace > SLOWER:
            found.append(f"the servers' CPUs worked at {format_ratio(self.pace)} of their best speed")
        return "; ".join(found)


def together(parts: Sequence[Conditions]) -> Conditions:
    """Those of several windows as one: means over time. Raises ValueError for none."""
    if not parts:
        raise ValueError("there are no conditions of no windows")
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[-1],
        window_s=sum(part.window_s for part in parts),
        own_cores=_mean(parts, [part.own_cores for part in parts]),
        others_cores=_mean(parts, [part.others_cores for part in parts]),
        steal_cores=_mean(parts, [part.steal_cores for part in parts]),
        pressure_ratio=_mean(parts, [part.pressure_ratio for part in parts]),
        probe_s=_mean(parts, [part.probe_s for part in parts]),
        not_told=tuple(dict.fromkeys(sentence for part in parts for sentence in part.not_told)),
    )


def in_words(conditions: Conditions) -> str:
    """On one line: how it was, of what is known."""
    parts = []
    if conditions.taken_ratio is not None:
        parts.append(f"others took {format_ratio(conditions.taken_ratio)} of the servers' CPUs")
    if conditions.steal_cores:
        parts.append(f"{format_ratio(conditions.steal_cores / conditions.cpus)} of it the virtual machine's host")
    if conditions.probe_s is not None and conditions.best_probe_s is not None:
        took, best = format_seconds(conditions.probe_s), format_seconds(conditions.best_probe_s)
        parts.append(f"the probe took {took}, at best {best}")
    if conditions.pressure_ratio is not None:
        parts.append(f"something waited for a CPU {format_ratio(conditions.pressure_ratio)} of the time")
    return ", ".join([*parts, *conditions.not_told]) or "nothing can be observed"


def _mean(parts: Sequence[Conditions], values: Sequence[float | None]) -> float | None:
    """Over the time; None unless every part has it."""
    known = [value for value in values if value is not None]
    total_s = sum(part.window_s for part in parts)
    if len(known) < len(parts) or total_s <= 0.0:
        return None
    return sum(value * part.window_s for value, part in zip(known, parts, strict=True)) / total_s
