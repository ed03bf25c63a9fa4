"""Time as a parameter: what waits or measures is given a clock, so that its tests need not wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    def date(self) -> datetime:
        """The date and time of day, UTC."""
        ...

    def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def date(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ReplayedClock(RealClock):
    """That of the machine, less quick: `passed_s` tells how long what is replayed took when it was measured."""

    def __init__(self, passed_s: Callable[[], float]) -> None:
        self._passed_s = passed_s

    def now(self) -> float:
        return super().now() + self._passed_s()

    def date(self) -> datetime:
        return super().date() + timedelta(seconds=self._passed_s())


class FakeClock:
    """Goes forward only when told to; shipped for tests."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def date(self) -> datetime:
        return datetime.fromtimestamp(self._now, UTC)

    def sleep(self, seconds: float) -> None:
        self._now += max(0.0, seconds)
