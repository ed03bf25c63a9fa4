"""Waking up on time. uvloop's and asyncio's timers have a grain of a millisecond, too coarse to send by."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_EARLY_S = 0.002


class Alarm:
    """Calls `ring` once at the instant set last, on the clock of `time.perf_counter`.

    On Linux a timerfd in the event loop: it is exact to some tens of microseconds and costs nothing while it waits.
    Elsewhere the loop's own timer up to 2 ms before, then a busy wait through the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._when = 0.0
        self._handle: asyncio.Handle | None = None
        self._timer = _TimerFd() if sys.platform == "linux" else None
        if self._timer is not None:
            loop.add_reader(self._timer.fd, ring)

    def set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.set(when)
            return
        self._when = when
        self._wait()

    def close(self) -> None:
        if self._timer is not None:
            self._loop.remove_reader(self._timer.fd)
            self._timer.close()
        elif self._handle is not None:
            self._handle.cancel()

    def _wait(self) -> None:
        left = self._when - time.perf_counter()
        if left <= 0:
            self._ring()
        elif left > _EARLY_S:
            self._handle = self._loop.call_later(left - _EARLY_S, self._wait)
        else:
            self._handle = self._loop.call_soon(self._wait)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class _TimerFd:
    """timerfd_create(2), which Python has from 3.13 on. Setting it anew also makes it unreadable again."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "no timer can be made")
        self._spec = _TimerSpec()
        self._value = self._spec.value
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._address = ctypes.addressof(self._spec)

    def set(self, when: float) -> None:
        nanoseconds = max(1, int(when * 1e9))  # zero would switch it off
        self._value.seconds, self._value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        self._settime(self.fd, _TFD_TIMER_ABSTIME, self._address, None)

    def close(self) -> None:
        os.close(self.fd)
