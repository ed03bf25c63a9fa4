"""The raw samples of a load window, and what became of each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import numpy as np

from tuner.statistics.model import BoolArray, FloatArray, IntArray


class Status(IntEnum):
    """What became of a request. Values from 100 to 599 are HTTP statuses, those from 1000 on gRPC's
    (`tuner.measure.status`); those below are ours.

    An answer with status 200 that fails the protocol's check is WRONG_ANSWER; one with another status that was expected
    and passes it is recorded as 200 (`GOOD`).
    """

    WRONG_ANSWER = 1
    CONNECT_FAILED = 2
    CONNECTION_LOST = 3
    TIMED_OUT = 4
    MALFORMED = 5
    """The bytes received were not an answer of the protocol that was spoken."""
    NOT_SENT = 6
    """Due within the window, but no connection came free within its time-out."""
    UNTRUSTED = 7
    """The server's certificate is not one to trust, or not one for its name: no connection was made."""
    STREAM_CUT = 8
    """A stream of events ended, or was lost, before its end marker."""
    TOO_LARGE = 9
    """More bytes came than are read of one answer, or of all answers that are coming in at once."""
    UNLIKE = 10
    """An answer that passes the check and says something else than the right answer to the same request."""
    NOT_A_NUMBER = 11
    """NaN or an infinity stands in an answer where the right one has a number."""


GOOD: Final = 200
WRONG: Final = (Status.WRONG_ANSWER, Status.UNLIKE, Status.NOT_A_NUMBER)
"""A whole answer came, and it was a wrong one."""
CHECKED, DRAWN, UNCHECKED = 0, 1, 2
"""How it is known whether an answer is right: by itself; as one of a random sample of those too costly to check all;
it is not known (then its status is `GOOD`, and the sample tells how many of these are wrong)."""
_CENSORED: Final = (Status.TIMED_OUT, Status.NOT_SENT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tokens:
    """Events of streamed answers, in the order they came; both columns have the same length."""

    row: IntArray
    """Whose they are: index into the columns of the samples."""
    at_s: FloatArray
    """Since the window's start."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """One load window, a row a request, in the order scheduled. All columns have the same length n.

    Times are seconds since the window's start on the generator's monotonic clock. Latency is
    ``finished_s - scheduled_s`` (not from the send: see coordinated omission), lateness ``sent_s - scheduled_s``
    of those requests that had a free connection at their time (`waited` False). In a closed loop a request is
    scheduled when it is sent, or when its connection starts being made (then `waited` is True). A column's entry that
    never happened is NaN: `finished_s` is NaN where no whole answer came.
    """

    scheduled_s: FloatArray
    sent_s: FloatArray
    first_byte_s: FloatArray
    finished_s: FloatArray
    status: IntArray
    """HTTP status, 1000 and the code of a gRPC status that is not OK, or a `Status` below 100."""
    replica: IntArray
    """Index into the endpoint's urls; -1: never sent."""
    waited: BoolArray
    """True: no connection was free when it was due, so its delay is the server's doing, not the generator's."""
    offered_rps: float
    """Rate asked for; 0 for a closed loop."""
    window_s: float
    """Length of the window in which requests were scheduled."""
    connections: int
    """Most connections that were open at once."""
    generator_cpu_s: float
    """CPU time the generator's processes spent until the window's end."""
    generator_elapsed_s: float
    """Wall time that CPU time refers to."""
    generator_starved_s: float | None = None
    """Time in which they were ready to run and had no CPU; None: the system does not tell."""
    busiest_cpu_ratio: float | None = None
    """`generator_cpu_ratio` of the busiest of several generator processes; None: there was one."""
    noticed_s: FloatArray | None = None
    """When the generator came to a request that was due, for those that had to wait (`waited`) in an open loop, else
    NaN: until then it was the generator that was late, after that the server. None: not recorded."""
    connects: int = 0
    """Connections opened in the window: one a request where the server closes after each answer."""
    resent: int = 0
    """Requests that went out once more: their connection had been closed by the server before the first sending."""
    connect_s: FloatArray | None = None
    """Seconds the request's connection took to be made, TLS included; NaN where one was there. None: not recorded."""
    tokens: Tokens | None = None
    """None: answers were not streams."""
    timeout_s: float | None = None
    """After which a request was given up; None: not recorded."""
    checking: IntArray | None = None
    """`CHECKED`, `DRAWN` or `UNCHECKED`; None: all are checked."""
    wrong: str = ""
    """What was wrong with the first wrong answer, in words; empty: none was, or nobody noted it."""
    suspended_s: float = 0.0
    """Time in which the generator's process or its machine was suspended, so that it could not send."""
    server_timing_s: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    """Durations the server told in ``Server-Timing`` headers, by name, a row a request; NaN where it told none."""

    def __len__(self) -> int:
        return len(self.scheduled_s)

    @property
    def good(self) -> BoolArray:
        """Which requests got an answer that passed the protocol's check."""
        passed: BoolArray = self.status == GOOD
        return passed

    @property
    def censored(self) -> BoolArray:
        """Which were given up on: their latency is known only to be at least what was waited (`waits_s`).

        The others that are not good failed at once (refused, lost, wrong) and carry no latency.
        """
        return np.isin(self.status, _CENSORED)

    @property
    def answered(self) -> BoolArray:
        """Which got a whole answer, right or wrong."""
        whole: BoolArray = (self.status >= 100) | np.isin(self.status, WRONG)
        return whole

    @property
    def latency_s(self) -> FloatArray:
        """NaN where no whole answer came."""
        return self.finished_s - self.scheduled_s

    @property
    def censored_latency_s(self) -> FloatArray:
        """The same, inf where it is censored: slower than everything, so that who drops slow requests looks slow."""
        return np.where(self.censored, np.inf, self.latency_s)

    @property
    def waits_s(self) -> FloatArray:
        """Until the whole answer, or until it was given up; where that is not recorded, until the window's last event,
        for it was waited at least so long."""
        has_ended = np.isfinite(self.finished_s)
        last_s = max(self.window_s, float(self.finished_s.max(initial=0.0, where=has_ended)))
        waits_s: FloatArray = np.where(has_ended, self.finished_s, last_s) - self.scheduled_s
        if self.timeout_s is None:
            return waits_s
        return np.where(self.censored & ~has_ended, self.timeout_s, waits_s)

    @property
    def lateness_s(self) -> FloatArray:
        """How late the generator itself was with each request of an open loop: until it sent it, or found that no
        connection was free for it. NaN where that is not known."""
        noticed_s = np.nan if self.noticed_s is None else self.noticed_s
        late: FloatArray = np.where(self.waited, noticed_s, self.sent_s) - self.scheduled_s
        return late

    @property
    def generator_cpu_ratio(self) -> float:
        """Share of the time in which the generator's process ran, or was ready to and had to wait for a CPU: near 1 it
        could not keep up. Of several processes, the busiest one's."""
        if self.busiest_cpu_ratio is not None:
            return self.busiest_cpu_ratio
        wanted_s = self.generator_cpu_s + (self.generator_starved_s or 0.0)
        return wanted_s / self.generator_elapsed_s if self.generator_elapsed_s > 0.0 else 0.0
