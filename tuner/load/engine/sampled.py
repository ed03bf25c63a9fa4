"""A JSON schema is too slow to hold every answer against it while load is sent: a sample is, after the window."""

from __future__ import annotations

from array import array
from collections.abc import Container, Sequence
from itertools import islice

import numpy as np

from tuner.load.protocols.checked import Checked
from tuner.load.recording.checks import AnswerChecks
from tuner.measure.samples import Status

_MOST_ANSWERS = 1000
_MOST_BYTES = 1 << 20


class SampledChecks(AnswerChecks):
    """`AnswerChecks` with a schema beside: the first answer to each request is held against it at once.

    Of the answers after it that differ, an even sample is kept, at most 1000 of a window and a MiB together, and the
    rest counts as it passed the other checks: when the sample is full, every other answer of it is let go, and from
    then on half as many are taken. A kept answer has a provisional status below 0 until `settle`; equal ones share it.
    """

    def __init__(self, speaker: Checked, requests: int, *, statuses: Container[int], origin: Sequence[int]) -> None:
        super().__init__(speaker, requests, statuses=statuses, origin=origin)
        self._check = speaker.check_paths
        self._check_schema = speaker.check_schema
        self._held: set[int] = set()
        """Requests of which an answer has passed."""
        self._begin()

    def _begin(self) -> None:
        self._sample: dict[int, bytes] = {}
        """By provisional status."""
        self._provisional: dict[int, int] = {}
        """By request, of the body last found correct."""
        self._bytes = 0
        self._next = -1
        self._each = 1
        self._differing = 0

    def status(self, request: int, status: int, body: bytes) -> int:
        if status in self._statuses and body == self._correct[request]:
            return self._provisional.get(request, 200)
        found = super().status(request, status, body)
        if found != 200:
            return found
        self._provisional.pop(request, None)
        if self._origin[request] not in self._held:
            return self._hold(request, body)
        self._differing += 1
        if self._differing % self._each:
            self._correct[request] = None  # an equal one may be in the sample
            return 200
        return self._keep(request, body)

    def settle(self, statuses: array[int]) -> None:
        wrong = {provisional for provisional, body in self._sample.items() if self._check_schema(body) is not None}
        column = np.frombuffer(statuses, dtype=np.int16)
        column[np.isin(column, np.array(list(wrong), dtype=np.int16))] = Status.WRONG_ANSWER
        column[column < 0] = 200
        for request, provisional in self._provisional.items():
            if provisional in wrong or provisional not in self._sample:
                self._correct[request] = None
        self._begin()

    def forget(self) -> None:
        super().forget()
        self._provisional.clear()

    def _hold(self, request: int, body: bytes) -> int:
        if self._check_schema(body) is not None:
            self._correct[request] = None
            return Status.WRONG_ANSWER
        self._held.add(self._origin[request])
        return 200

    def _keep(self, request: int, body: bytes) -> int:
        provisional, self._next = self._next, self._next - 1
        self._sample[provisional] = body
        self._provisional[request] = provisional
        self._bytes += len(body)
        while len(self._sample) > _MOST_ANSWERS or (self._bytes > _MOST_BYTES and len(self._sample) > 1):
            for gone in list(islice(self._sample, 0, None, 2)):
                self._bytes -= len(self._sample.pop(gone))
            self._each *= 2
        return provisional
