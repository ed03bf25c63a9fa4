"""Where the engine records: flat arrays, a row a request, so that recording makes no objects that stay."""

from __future__ import annotations

from array import array
from math import nan
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tuner.load.recording import server_timing
from tuner.load.recording.meter import Use
from tuner.measure.samples import Samples, Tokens

_BLOCK = 8192
_NAN = (array("d", [nan]) * _BLOCK).tobytes()
_NO_STATUS = bytes(2 * _BLOCK)
_NO_REPLICA = (array("h", [-1]) * _BLOCK).tobytes()
_NOT_WAITED = bytes(_BLOCK)
_MOST_TIMINGS = 32
"""Names of Server-Timing that are kept: a server that makes new ones for each answer must not fill the memory."""


class Columns:
    """The columns of `Samples` while they grow, with times as the clock gave them: numpy's arrays neither grow nor take
    single numbers fast enough to record tens of thousands of requests a second. Rows are taken in the order scheduled.

    A fresh row is one that never happened: NaN times, status 0 (not ended), replica -1.
    """

    __slots__ = (
        "capacity",
        "connect",
        "finished",
        "first_byte",
        "noticed",
        "replica",
        "rows",
        "scheduled",
        "sent",
        "status",
        "timings",
        "token_at",
        "token_row",
        "waited",
    )

    def __init__(self, rows: int = 0) -> None:
        self.scheduled = array("d")
        self.sent = array("d")
        self.first_byte = array("d")
        self.finished = array("d")
        self.connect = array("d")
        """Seconds, not an instant."""
        self.status = array("h")
        self.replica = array("h")
        self.waited = array("b")
        self.noticed: array[float] | None = None
        self.timings: dict[str, tuple[array[int], array[float]]] = {}
        """By name, of the answers that had a Server-Timing header: rows and seconds."""
        self.token_row = array("q")
        self.token_at = array("d")
        """Events of streams, in the order they came."""
        self.rows = rows
        self.capacity = 0
        while self.capacity <= rows:
            self.grow()

    def grow(self) -> None:
        """Room for one block more: small steps, since a large one would show in the latencies being measured."""
        for times in (self.scheduled, self.sent, self.first_byte, self.finished, self.connect):
            times.frombytes(_NAN)
        self.status.frombytes(_NO_STATUS)
        self.replica.frombytes(_NO_REPLICA)
        self.waited.frombytes(_NOT_WAITED)
        self.capacity += _BLOCK

    def timing(self, row: int, header: bytes) -> None:
        """Record what an answer's Server-Timing header tells."""
        for name, duration_s in server_timing.durations(header):
            column = self.timings.get(name)
            if column is None:
                if len(self.timings) == _MOST_TIMINGS:
                    continue
                column = self.timings[name] = array("q"), array("d")
            column[0].append(row)
            column[1].append(duration_s)

    def notice(self) -> array[float]:
        """A column more, for the rows there are: when a request that had to wait was come to."""
        self.noticed = array("d", [nan]) * self.rows
        return self.noticed

    def samples(
        self,
        *,
        start: float,
        offered_rps: float,
        window_s: float,
        connections: int,
        connects: int,
        resent: int,
        timeout_s: float,
        use: Use,
    ) -> Samples:
        """The rows taken, with times relative to `start`."""
        rows = self.rows
        self._complete()

        def times(column: array[float]) -> npt.NDArray[np.float64]:
            return np.frombuffer(column, dtype=np.float64)[:rows] - start

        return Samples(
            scheduled_s=times(self.scheduled),
            sent_s=times(self.sent),
            first_byte_s=times(self.first_byte),
            finished_s=times(self.finished),
            status=np.frombuffer(self.status, dtype=np.int16)[:rows].astype(np.int64),
            replica=np.frombuffer(self.replica, dtype=np.int16)[:rows].astype(np.int64),
            waited=np.frombuffer(self.waited, dtype=np.bool_)[:rows].copy(),
            offered_rps=offered_rps,
            window_s=window_s,
            connections=connections,
            connects=connects,
            resent=resent,
            generator_cpu_s=use.cpu_s,
            generator_elapsed_s=use.elapsed_s,
            generator_starved_s=use.starved_s,
            timeout_s=timeout_s,
            noticed_s=None if self.noticed is None else times(self.noticed),
            connect_s=np.frombuffer(self.connect, dtype=np.float64)[:rows].copy(),
            tokens=self._tokens(start),
            server_timing_s=MappingProxyType({name: self._timing(*told) for name, told in self.timings.items()}),
        )

    def _complete(self) -> None:
        """Of an answer that came in one piece and was known byte for byte only `finished` was written, and in a closed
        loop of a request that was sent when it was due only `scheduled`."""
        sent = np.frombuffer(self.sent, dtype=np.float64)
        scheduled = np.frombuffer(self.scheduled, dtype=np.float64)
        is_sent = np.frombuffer(self.replica, dtype=np.int16) >= 0
        np.copyto(sent, scheduled, where=np.isnan(sent) & is_sent)
        finished = np.frombuffer(self.finished, dtype=np.float64)
        first_byte = np.frombuffer(self.first_byte, dtype=np.float64)
        status = np.frombuffer(self.status, dtype=np.int16)
        status[(status == 0) & np.isfinite(finished)] = 200
        np.copyto(first_byte, finished, where=np.isnan(first_byte))

    def _tokens(self, start: float) -> Tokens | None:
        if not self.token_row:
            return None
        return Tokens(
            row=np.frombuffer(self.token_row, dtype=np.int64).copy(),
            at_s=np.frombuffer(self.token_at, dtype=np.float64) - start,
        )

    def _timing(self, rows: array[int], durations_s: array[float]) -> npt.NDArray[np.float64]:
        column = np.full(self.rows, np.nan)
        column[np.frombuffer(rows, dtype=np.int64)] = np.frombuffer(durations_s, dtype=np.float64)
        return column
