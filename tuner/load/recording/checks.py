"""Are the answers right? Cheaply enough to ask of every one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Sequence
from random import Random

import numpy as np

from tuner.load.model import Protocol
from tuner.load.recording.skeleton import Skeletons
from tuner.measure.samples import CHECKED, DRAWN, UNCHECKED, Status
from tuner.statistics.model import IntArray
from tuner.workload.answers import Difference

SUCCESS = range(200, 300)
_AT_ONCE_BYTES = 16384
"""A longer body takes so long to be read that the requests due meanwhile would be late."""
_MOST_DRAWN = 2000
_MOST_DRAWN_BYTES = 1 << 26
_KEPT_BYTES = 1 << 25
"""Of all correct answers that are kept for comparison."""
_LET_GO = -1
_WORDS = 300
_SUCCESS = 200
_TO_LEARN = 8
"""Of the sample, bodies to learn from what is new in each answer."""


class AnswerChecks:
    """Gives each answer the status its row is recorded with.

    The status line is checked of every answer. Of those with a status that is expected the body is compared, byte
    for byte, with the last body of the same request that was found correct: equal bytes are correct, too. A body that
    differs (an id or a time in it, or a request drawn from a template) is checked: by the protocol, and against the
    right answer to the same request where that is known (`hold`).

    Bodies longer than 16 KiB, and JSON schemas, are too slow for that while load is sent: the first answer to each
    request is checked at once, and what differs after it is kept until the window is over (`settle`). Where there is
    more of that than can be kept, 2000 bodies or 64 MiB, a random sample of it is: each as likely as any other.

    An answer that passes is recorded as 200, whatever status was expected of it; one that fails as what is wrong with
    it (`samples.WRONG`), as is a 200 that was not expected; any other status as it is.
    """

    def __init__(
        self,
        protocol: Protocol,
        requests: int,
        *,
        statuses: Container[int] = SUCCESS,
        origin: Sequence[int] | None = None,
        quick: Callable[[int, bytes], str | None] | None = None,
    ) -> None:
        """`origin`: by request, which one of those given it is drawn from; None: each is one of them. `quick`: the part
        of `protocol.check` that is quick, where another part is not."""
        self._check = protocol.check
        self._quick = quick
        self._statuses = statuses
        self._origin = range(requests) if origin is None else origin
        self._unlike: Callable[[int, bytes], Difference | None] | None = None
        self._correct: list[bytes | None] = [None] * requests
        self._kept_bytes = _KEPT_BYTES // max(1, requests)
        self._seen: set[int] = set()
        """Of which requests a correct answer has been seen."""
        self._first_wrong = ""
        """What was wrong with the first wrong answer of the window, in words."""
        self._drawn = origin is not None and list(origin) != list(range(requests))
        self._skeletons: dict[int, Skeletons] = {}
        self._random = Random(1)  # noqa: S311 - for a fair sample, not for secrecy
        self._begin()

    def _begin(self) -> None:
        self._sample: dict[int, tuple[int, int, bytes]] = {}
        """By provisional status: request, status and body."""
        self._provisional: dict[int, tuple[int, bytes]] = {}
        """By request, the body that was kept last."""
        self._bytes = 0
        self._next = _LET_GO - 1
        self._share = 1.0
        self._is_deferred = False

    def hold(self, unlike: Callable[[int, bytes], Difference | None]) -> None:
        """Hold answers against the right ones, too, from now on: `unlike` says how the answer to a request differs."""
        self._unlike = unlike
        self._skeletons.clear()
        self.forget()
        self._seen.clear()

    def status(self, request: int, status: int, body: bytes) -> int:
        if status not in self._statuses:
            return status if status != 200 else self._wrong(Status.WRONG_ANSWER, "a status 200 was not expected")
        if body == self._correct[request]:
            return 200
        skeleton = self._skeleton(request)
        if skeleton is not None and skeleton.recognizes(body):
            return 200
        is_long = len(body) > _AT_ONCE_BYTES
        if (is_long or self._quick is not None) and self._origin[request] in self._seen:
            if not is_long:
                problem = self._quick(status, body) if self._quick is not None else None
                if problem is not None:
                    return self._wrong(Status.WRONG_ANSWER, problem)
            return self._draw(request, status, body)
        found = self._judge(request, status, body)
        if found == 200:
            self._seen.add(self._origin[request])
            self._correct[request] = body if len(body) <= self._kept_bytes else None
            if skeleton is not None:
                skeleton.learn(body)
        return found

    def settle(self, statuses: array[int]) -> tuple[IntArray | None, str]:
        """The window is over: replace what `status` gave only provisionally.

        Returns how each answer was checked (`samples.CHECKED` and others; None: all by themselves), and what was wrong
        with the first wrong one.
        """
        if not self._is_deferred:
            wrong, self._first_wrong = self._first_wrong, ""
            return None, wrong
        column = np.frombuffer(statuses, dtype=np.int16)
        checking = np.full(len(column), CHECKED)
        checking[column < 0] = UNCHECKED
        judged = {provisional: self._judge(*kept) for provisional, kept in self._sample.items()}
        for provisional, found in judged.items():
            rows = np.flatnonzero(column == provisional)
            column[rows] = found
            checking[rows[:1]] = DRAWN
            checking[rows[1:]] = CHECKED  # equal to it: no lot was drawn for them
        column[column < 0] = 200
        for request, (provisional, body) in self._provisional.items():
            if judged.get(provisional) == 200 and len(body) <= self._kept_bytes:
                self._correct[request] = body
        for provisional, (request, _, body) in list(self._sample.items())[:_TO_LEARN]:
            skeleton = self._skeleton(request)
            if skeleton is not None and judged[provisional] == 200:
                skeleton.learn(body)
        if not (checking == UNCHECKED).any():
            checking[:] = CHECKED
        wrong, self._first_wrong = self._first_wrong, ""
        self._begin()
        return (checking if checking.any() else None), wrong

    def forget(self) -> None:
        """The requests are other ones from now on, drawn anew."""
        self._correct = [None] * len(self._correct)
        self._provisional.clear()
        self._skeletons.clear()

    def _skeleton(self, request: int) -> Skeletons | None:
        """None: there is none, since bodies of the request follow what is drawn, or a check looks at all of them."""
        if self._quick is not None or self._drawn or self._unlike is None:
            return None
        found = self._skeletons.get(request)
        if found is None:
            found = self._skeletons[request] = Skeletons(lambda body: self._is_right(request, body))
        return found

    def _is_right(self, request: int, body: bytes) -> bool:
        unlike = self._unlike
        return self._check(_SUCCESS, body) is None and (unlike is None or unlike(self._origin[request], body) is None)

    def _judge(self, request: int, status: int, body: bytes) -> int:
        problem = self._check(status, body)
        if problem is not None:
            return self._wrong(Status.WRONG_ANSWER, problem)
        different = self._unlike(self._origin[request], body) if self._unlike is not None else None
        if different is not None:
            return self._wrong(Status.NOT_A_NUMBER if different.not_finite else Status.UNLIKE, different.text)
        return 200

    def _wrong(self, status: Status, problem: str) -> Status:
        self._first_wrong = self._first_wrong or problem[:_WORDS]
        return status

    def _draw(self, request: int, status: int, body: bytes) -> int:
        """Keep it for the sample, or let it go. An equal body that was just kept shares its place."""
        self._is_deferred = True
        last = self._provisional.get(request)
        if last is not None and last[1] == body:
            return last[0]
        if self._share < 1.0 and self._random.random() >= self._share:
            return _LET_GO
        provisional, self._next = self._next, self._next - 1
        self._sample[provisional] = request, status, body
        self._provisional[request] = provisional, body
        self._bytes += len(body)
        while len(self._sample) > _MOST_DRAWN or (self._bytes > _MOST_DRAWN_BYTES and len(self._sample) > 1):
            self._halve()
        return provisional

    def _halve(self) -> None:
        """Half of the sample, by lot, and of what comes half as much: all stay equally likely to be in it."""
        self._share /= 2.0
        for provisional in list(self._sample):
            if self._random.random() < 0.5:
                request, _, body = self._sample.pop(provisional)
                self._bytes -= len(body)
                if self._provisional.get(request, (0,))[0] == provisional:
                    del self._provisional[request]
