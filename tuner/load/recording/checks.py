"""Are the answers right? Cheaply enough to ask of every one."""

from __future__ import annotations

from array import array
from collections.abc import Container, Sequence

from tuner.load.model import Protocol
from tuner.measure.samples import Status

SUCCESS = range(200, 300)
_ALWAYS_BYTES = 16384
_EVERY = 32
_KEPT_BYTES = 1 << 25
"""Of all correct answers that are kept for comparison."""


class AnswerChecks:
    """Gives each answer the status its row is recorded with.

    The status line is checked of every answer. Of those with a status that is expected the body is compared, byte
    for byte, with the last body of the same request that `Protocol.check` found correct: equal bytes are correct,
    too. A body that differs (an id or a time in it, or a request drawn from a template) is checked in full when it
    is no longer than 16 KiB; of longer ones every 32nd is, since parsing them all would make the generator late. An
    answer that passes is recorded as 200, whatever status was expected of it; one that fails, or a 200 that was not
    expected, as WRONG_ANSWER; any other status as it is.
    """

    def __init__(
        self,
        protocol: Protocol,
        requests: int,
        *,
        statuses: Container[int] = SUCCESS,
        origin: Sequence[int] | None = None,
    ) -> None:
        """`origin`: by request, which one of those given it is drawn from; None: each is one of them."""
        self._check = protocol.check
        self._statuses = statuses
        self._origin = range(requests) if origin is None else origin
        self._correct: list[bytes | None] = [None] * requests
        self._kept_bytes = _KEPT_BYTES // max(1, requests)
        self._seen: set[int] = set()
        """Of which requests a correct answer has been seen."""
        self._long = 0

    def status(self, request: int, status: int, body: bytes) -> int:
        if status not in self._statuses:
            return status if status != 200 else Status.WRONG_ANSWER
        if body == self._correct[request]:
            return 200
        if len(body) > _ALWAYS_BYTES and self._origin[request] in self._seen:
            self._long += 1
            if self._long % _EVERY:
                return 200
        if self._check(status, body) is None:
            self._seen.add(self._origin[request])
            self._correct[request] = body if len(body) <= self._kept_bytes else None
            return 200
        return Status.WRONG_ANSWER

    def settle(self, statuses: array[int]) -> None:
        """The window is over: replace what `status` gave only provisionally. Here there is no such thing."""

    def forget(self) -> None:
        """The requests are other ones from now on, drawn anew."""
        self._correct = [None] * len(self._correct)
