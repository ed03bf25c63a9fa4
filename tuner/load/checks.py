"""Are the answers right? Cheaply enough to ask of every one."""

from __future__ import annotations

from tuner.load.model import Protocol
from tuner.measure.model import Status

_ALWAYS_BYTES = 16384
_EVERY = 32


class AnswerChecks:
    """Gives each answer the status its row is recorded with.

    The status line is checked of every answer. Of those with a 2xx status the body is compared, byte for byte, with
    the last body of the same request that `Protocol.check` found correct: equal bytes are correct, too. A body that
    differs (an id or a time in it) is checked in full when it is no longer than 16 KiB; of longer ones every 32nd
    is, since parsing them all would make the generator late. An answer that passes is recorded as 200, whatever 2xx
    it had; a 200 that fails as WRONG_ANSWER; any other status as it is.
    """

    def __init__(self, protocol: Protocol, requests: int) -> None:
        self._check = protocol.check
        self._correct: list[bytes | None] = [None] * requests
        self._long = 0

    def status(self, request: int, status: int, body: bytes) -> int:
        if not 200 <= status < 300:
            return status
        if body == self._correct[request]:
            return 200
        if len(body) > _ALWAYS_BYTES and self._correct[request] is not None:
            self._long += 1
            if self._long % _EVERY:
                return 200
        if self._check(status, body) is None:
            self._correct[request] = body
            return 200
        return Status.WRONG_ANSWER if status == 200 else status
