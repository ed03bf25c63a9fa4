"""Where the engine records: flat arrays, a row a request, so that recording makes no objects that stay."""

from __future__ import annotations

from array import array
from math import nan

import numpy as np
import numpy.typing as npt

from tuner.measure.model import Samples

_BLOCK = 8192
_NAN = (array("d", [nan]) * _BLOCK).tobytes()
_NO_STATUS = bytes(2 * _BLOCK)
_NO_REPLICA = (array("h", [-1]) * _BLOCK).tobytes()
_NOT_WAITED = bytes(_BLOCK)


class Columns:
    """The columns of `Samples`, with times as the clock gave them. Rows are taken in the order scheduled.

    A fresh row is one that never happened: NaN times, status 0 (not ended), replica -1.
    """

    __slots__ = ("capacity", "finished", "first_byte", "replica", "rows", "scheduled", "sent", "status", "waited")

    def __init__(self, rows: int = 0) -> None:
        self.scheduled = array("d")
        self.sent = array("d")
        self.first_byte = array("d")
        self.finished = array("d")
        self.status = array("h")
        self.replica = array("h")
        self.waited = array("b")
        self.rows = rows
        self.capacity = 0
        while self.capacity <= rows:
            self.grow()

    def grow(self) -> None:
        """Room for one block more: small steps, since a large one would show in the latencies being measured."""
        for times in (self.scheduled, self.sent, self.first_byte, self.finished):
            times.frombytes(_NAN)
        self.status.frombytes(_NO_STATUS)
        self.replica.frombytes(_NO_REPLICA)
        self.waited.frombytes(_NOT_WAITED)
        self.capacity += _BLOCK

    def samples(
        self,
        *,
        start: float,
        offered_rps: float,
        window_s: float,
        connections: int,
        connects: int,
        cpu_s: float,
        elapsed_s: float,
    ) -> Samples:
        """The rows taken, with times relative to `start`."""
        rows = self.rows

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
            generator_cpu_s=cpu_s,
            generator_elapsed_s=elapsed_s,
        )
