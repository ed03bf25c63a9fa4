"""Who sends when within one load window.

`OpenLoop` by a schedule, `ClosedLoop` by the answers, `ThinkingLoop` some time after them.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter

import numpy as np

from tuner.load.arrivals import schedule
from tuner.load.engine.alarm import Alarm
from tuner.load.http1.connection import Connection, Replica
from tuner.load.model import LoadWindow
from tuner.load.recording.checks import AnswerChecks
from tuner.load.recording.columns import Columns
from tuner.load.recording.meter import Meter, Use
from tuner.measure.samples import Status

LEAD_S = 0.002
"""Between laying out the schedule and its start."""
_SWEEP_S = 0.02
_STEP_S = 0.005
"""Between two steps of opening the connections of a closed loop, and between two looks whether all has ended."""
_SWEEP_RATIO = 0.05
"""Most of the time that is spent looking for time-outs, however many connections there are."""
_OPEN_AT_ONCE = 64
"""Connections a closed loop opens in one go, less than a usual accept backlog: one that overflows costs a second."""
_BACK_OFF_S = 0.01
_PAUSES = 65536
"""Drawn before the window, then taken round and round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a loop works with, and what it learns for those after it."""

    loop: asyncio.AbstractEventLoop
    replicas: Sequence[Replica]
    checks: AnswerChecks
    pick: Sequence[int]
    """Indices of requests, drawn by weight; the row's own is at its number, round and round."""
    part: slice
    """Which of the window's requests are sent from here."""


class LoadLoop:
    """A `Sender`, as far as all loops are alike: opening connections, time-outs, and knowing when all is over."""

    def __init__(self, setting: Setting, window: LoadWindow, columns: Columns) -> None:
        self.loop = setting.loop
        self.replicas = setting.replicas
        self.checks = setting.checks
        self.pick = setting.pick
        self.window = window
        self.duration_s = window.duration_s
        self.timeout_s = window.timeout_s
        self.columns = columns
        self.scheduled = columns.scheduled
        self.sent = columns.sent
        self.first_byte = columns.first_byte
        self.finished = columns.finished
        self.status = columns.status
        self.replica = columns.replica
        self.waited = columns.waited
        self.start = 0.0
        self.end = 0.0
        self.most_connections = sum(len(replica.open) for replica in self.replicas)
        self.connects = 0
        self.resent = 0
        self.broken: str | None = None
        self._alarm: Alarm | None = None
        self._sweep_at = 0.0

    async def run(self, start: float | None = None) -> Use:
        """From the window's start, at once by default, until its last request has ended in one way or another.

        Returns what it cost until the window's end: waiting for the last answers afterwards costs nothing.
        """
        for replica in self.replicas:
            for connection in replica.open:
                connection.sender = self
        self.start = perf_counter() + LEAD_S if start is None else start
        self.end = self.start + self.duration_s
        self._alarm = Alarm(self.loop, self.ring)
        meter, use = Meter(), None
        self._alarm.set(self.begin())
        while self.broken is None:
            now = perf_counter()
            self.sweep(now)
            if now >= self.end:
                use = use or meter.stop()
                if not self.is_busy():
                    break
            await asyncio.sleep(_SWEEP_S if now < self.end - _SWEEP_S else _STEP_S)
        return use or meter.stop()

    def begin(self) -> float:
        """Lay out the window, whose start is known now; returns when to `ring` first."""
        raise NotImplementedError

    def ring(self) -> None:
        """The instant has come that the alarm was set to."""
        raise NotImplementedError

    def free(self, connection: Connection, now: float) -> None:
        raise NotImplementedError

    def closed(self, replica: Replica) -> None:
        raise NotImplementedError

    def failed(self, replica: Replica) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """Nothing more is scheduled, whatever happens."""
        self.end = 0.0
        self.silence()

    def silence(self) -> None:
        """The alarm rings no more."""
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None

    def is_busy(self) -> bool:
        return any(connection.row >= 0 for replica in self.replicas for connection in replica.open)

    def send(self, connection: Connection, row: int) -> None:
        request = self.pick[row % len(self.pick)]
        connection.row = row
        connection.request = request
        connection.expected = connection.known[request]
        if self.sent[row] != self.sent[row]:  # NaN: not a second try
            self.sent[row] = perf_counter()
        self.replica[row] = connection.index
        connection.write(connection.wires[request])

    def open(self, replica: Replica, row: int) -> None:
        """Send the row on a new connection."""
        self.waited[row] = 1
        self.connects += 1
        if replica.grown < replica.limit:
            replica.grown += 1
        replica.dial(self, row)
        self.most_connections = max(self.most_connections, sum(len(each.open) for each in self.replicas))

    def retry(self, replica: Replica, row: int) -> None:
        self.resent += 1
        self.open(replica, row)

    def sweep(self, now: float) -> None:
        """End what has timed out. Looks through the connections only when something can have, and not too often."""
        if now < self._sweep_at:
            return
        overdue = now - self.timeout_s
        oldest = now
        for replica in self.replicas:
            for connection in tuple(replica.open):
                if connection.row >= 0:
                    scheduled = self.scheduled[connection.row]
                    oldest = min(oldest, scheduled)
                    if scheduled < overdue:  # another request of that age may take its place
                        connection.time_out()
        took_s = perf_counter() - now
        self._sweep_at = max(self.oldest(oldest) + self.timeout_s, now + took_s / _SWEEP_RATIO)

    def oldest(self, scheduled: float) -> float:
        """When the oldest request was due of those that may be on a connection before the next sweep; `scheduled`: of
        those that are on one now."""
        return scheduled


class OpenLoop(LoadLoop):
    """Requests go out when they are due, whatever became of those before. Those without a connection wait in order."""

    def __init__(self, setting: Setting, window: LoadWindow) -> None:
        due = schedule(window)[setting.part]
        super().__init__(setting, window, Columns(len(due)))
        self._due = due
        self._rows = len(due)
        self._next = 0
        self._turn = window.share[0] % len(self.replicas)
        self._queue: deque[int] = deque()
        self._noticed = self.columns.notice()

    def begin(self) -> float:
        self.scheduled[: self._rows] = array("d", (self._due + self.start).tobytes())
        return self.scheduled[0] if self._rows else self.end

    def free(self, connection: Connection, now: float) -> None:  # noqa: ARG002 - the send takes its own time
        if self._queue:
            self.send(connection, self._queue.popleft())
        else:
            connection.row = -1
            connection.expected = None
            connection.replica.free.append(connection)

    def closed(self, replica: Replica) -> None:
        if self._queue and replica.room:
            self.open(replica, self._queue.popleft())

    failed = closed

    def is_busy(self) -> bool:
        return self._next < self._rows or bool(self._queue) or super().is_busy()

    def sweep(self, now: float) -> None:
        super().sweep(now)
        while self._queue and self.scheduled[self._queue[0]] < now - self.timeout_s:
            self.status[self._queue.popleft()] = Status.NOT_SENT

    def oldest(self, scheduled: float) -> float:
        return min(scheduled, self.scheduled[self._queue[0]]) if self._queue else scheduled

    def ring(self) -> None:
        row = self._next
        while row < self._rows and self.scheduled[row] <= (now := perf_counter()):
            if self._queue or not self._place(row):
                self.waited[row] = 1
                self._queue.append(row)
            if self.waited[row]:
                self._noticed[row] = now
            row += 1
        self._next = row
        if row == self._rows:
            self.silence()
        elif self._alarm is not None:
            self._alarm.set(self.scheduled[row])

    def _place(self, row: int) -> bool:
        """Send the row to the next replica in turn that has a connection for it."""
        for _ in self.replicas:
            replica = self.replicas[self._turn]
            self._turn = (self._turn + 1) % len(self.replicas)
            connection = replica.take()
            if connection is not None:
                self.send(connection, row)
                return True
            if replica.room:
                self.open(replica, row)
                return True
        return False


class ClosedLoop(LoadLoop):
    """Just so many requests are always in flight: an answer sends the next one, until the window's end."""

    def __init__(self, setting: Setting, window: LoadWindow) -> None:
        super().__init__(setting, window, Columns())
        self._picks = len(self.pick)
        self._until = 0.0
        """Answers until then are followed by the next request."""
        missing = [replica.limit - len(replica.open) for replica in self.replicas]
        self._to_open = deque(
            replica
            for turn in range(max(missing))
            for replica, count in zip(self.replicas, missing, strict=True)
            if turn < count
        )

    def begin(self) -> float:
        return self.start

    def ring(self) -> None:
        """Open connections, each with a first request, some at a time; when all are there, the loop begins."""
        for _ in range(min(_OPEN_AT_ONCE, len(self._to_open))):
            self._issue(self._to_open.popleft())
        now = perf_counter()
        if self._to_open and self._alarm is not None and now < self.end:
            self._alarm.set(now + _STEP_S)
            return
        self.silence()
        self._until = self.end
        for replica in self.replicas:
            for _ in range(len(replica.free)):
                self.free(replica.free.popleft(), perf_counter())
            for _ in range(replica.limit - len(replica.open)):  # closed again meanwhile
                self.closed(replica)

    def stop(self) -> None:
        super().stop()
        self._until = 0.0

    def free(self, connection: Connection, now: float) -> None:
        if now >= self._until:
            connection.row = -1
            connection.expected = None
            connection.replica.free.append(connection)
            return
        columns = self.columns
        row = columns.rows
        columns.rows = following = row + 1
        if following == columns.capacity:
            columns.grow()
        request = self.pick[row % self._picks]
        connection.row = row
        connection.request = request
        connection.expected = connection.known[request]
        connection.write(connection.wires[request])
        self.scheduled[row] = now
        self.replica[row] = connection.index

    def closed(self, replica: Replica) -> None:
        if replica.room and perf_counter() < self.end:
            self._issue(replica)

    def retry(self, replica: Replica, row: int) -> None:
        self.sent[row] = self.scheduled[row]
        super().retry(replica, row)

    def failed(self, replica: Replica) -> None:
        """A server that refuses must not be asked as fast as it can refuse."""
        self.loop.call_later(_BACK_OFF_S, self.closed, replica)

    def _issue(self, replica: Replica) -> None:
        columns = self.columns
        row = columns.rows
        columns.rows = row + 1
        if columns.rows == columns.capacity:
            columns.grow()
        self.scheduled[row] = perf_counter()
        self.open(replica, row)


class ThinkingLoop(ClosedLoop):
    """A closed loop of users who pause before each request, for an exponential time with a mean of `think_s`."""

    def __init__(self, setting: Setting, window: LoadWindow) -> None:
        super().__init__(setting, window)
        random = np.random.default_rng([window.seed, 2, window.share[0]])
        self._pauses = cycle(random.exponential(window.think_s, size=_PAUSES).tolist())

    def ring(self) -> None:
        self.silence()
        self._until = self.end
        for replica in self.replicas:
            for _ in range(replica.limit):
                self.closed(replica)

    def free(self, connection: Connection, now: float) -> None:  # noqa: ARG002 - the user's next request comes later
        connection.row = -1
        connection.expected = None
        connection.replica.free.append(connection)
        self.closed(connection.replica)

    def closed(self, replica: Replica) -> None:
        """A user of this replica begins to think, whatever became of the request before."""
        self.loop.call_later(next(self._pauses), self._go_on, replica)

    failed = closed

    def _go_on(self, replica: Replica) -> None:
        if replica.free:
            super().free(replica.free.popleft(), perf_counter())
        else:
            super().closed(replica)
