"""Was the generator suspended while it sent? Stopped by a signal, frozen with its container, or its machine asleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tuner.load.recording.meter import starved_s

_BEAT_S = 0.05
_LEAST_S = 0.2
"""Shorter pauses are those of an event loop, and told as lateness."""


class Suspension:
    """Listens to a heart that beats in the event loop, from when it is made until `stop`.

    Time that passed between two beats, in which the process neither ran nor waited for a CPU, was a suspension. While a
    machine sleeps its monotonic clock stands still, and the clock since its boot does not.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        now: Callable[[], float] = time.perf_counter,
        since_boot: Callable[[], float] | None = None,
    ) -> None:
        """`since_boot`: the clock that goes on while the machine sleeps; None: the system's, where it has one."""
        self._loop = loop
        self._now = now
        self._since_boot = since_boot or _boot_clock
        self._suspended_s = 0.0
        self._asleep_s = self._since_boot() - now()
        self._mark()
        self._timer = loop.call_later(_BEAT_S, self._beat)

    def stop(self) -> float:
        """Seconds of suspension since it was made."""
        self._timer.cancel()
        self._look()
        asleep_s = self._since_boot() - self._now() - self._asleep_s
        return self._suspended_s + (asleep_s if asleep_s > _LEAST_S else 0.0)

    def _mark(self) -> None:
        self._last, self._ran_s, self._waited_s = self._now(), time.process_time(), starved_s() or 0.0

    def _beat(self) -> None:
        self._look()
        self._timer = self._loop.call_later(_BEAT_S, self._beat)

    def _look(self) -> None:
        gap_s = self._now() - self._last - _BEAT_S
        if gap_s > _LEAST_S:
            busy_s = time.process_time() - self._ran_s + (starved_s() or 0.0) - self._waited_s
            if gap_s - busy_s > _LEAST_S:
                self._suspended_s += gap_s - busy_s
        self._mark()


def _boot_clock() -> float:
    """Where there is no such clock, one that stands still as well."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.perf_counter() if clock is None else time.clock_gettime(clock)
