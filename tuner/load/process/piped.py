"""The load generator at the other end of a pipe: what is said to it, and what its answers mean."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, Self

from tuner.errors import ConnectionLost, GeneratorFailure
from tuner.load.model import Answer, LoadWindow, Pipe, Reference, Request, Target, Unanswered
from tuner.load.process import samples_file
from tuner.load.process.lines import Ask, Hold, Order, Read, order_line, target_line
from tuner.measure.samples import Samples

_GRACE_S = 30.0
"""How much longer than its window and time-out a window may take before the generator counts as hung."""


class PipedGenerator:
    """A `Generator` in another process; leaving the context ends it.

    The other process starts at once, so that it is ready when the server is. Where the pipe to it breaks, another one
    is started, once for each order, and the order is given again.
    """

    def __init__(self, target: Target, start: Callable[[], Pipe]) -> None:
        """`start` starts a process that nobody has spoken to yet."""
        self._target = target_line(target)
        self._start = start
        self._pipe = start()
        self._greeted = False
        self._held: Hold | None = None
        self._unheard = 0
        """Answers to come that nobody waits for."""

    def run(self, window: LoadWindow) -> Samples:
        """Send one window. Raises GeneratorFailure when the generator failed, with what it said last."""
        return self._try_again(lambda: self._window(window))

    def say(self, order: Order) -> None:
        """Give one order, whose answer is still to be heard. Raises as a `Pipe` does."""
        if not self._greeted:
            self._pipe.send(self._target)
            self._greeted = True
            if self._held is not None:
                self._pipe.send(order_line(self._held))
                self._unheard += 1
        self._pipe.send(order_line(order))

    def hear(self, takes_s: float) -> dict[str, Any]:
        """The answer to the first order still unheard, which takes so long. Raises as a `Pipe` does."""
        while self._unheard:
            self._pipe.receive(_GRACE_S)
            self._unheard -= 1
        line = self._pipe.receive(takes_s + _GRACE_S)
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            raise GeneratorFailure(f"the load generator answered {line[:200]!r}, which is not JSON") from None
        if "error" in answer:
            raise GeneratorFailure(f"the load generator: {answer['error']}")
        return answer

    def hear_window(self, window: LoadWindow) -> Samples:
        """The samples of a window that was ordered. Raises as `run` does."""
        told = self.hear(window.duration_s + window.timeout_s)
        content = b"".join(self._parts(told["bytes"]))
        if hashlib.sha256(content).hexdigest() != told["sha256"]:
            raise GeneratorFailure(
                f"the load generator's samples were damaged on their way here ({len(content)} bytes)"
            )
        samples = samples_file.load(content, "what the load generator sent")
        if len(samples) != told["rows"]:
            raise GeneratorFailure(f"the load generator sent {len(samples)} rows and said {told['rows']}")
        return samples

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        order = Ask(url=url, request=request, timeout_s=timeout_s)
        answer = self._try_again(lambda: self._order(order, timeout_s))
        if "unanswered" in answer:
            raise Unanswered(answer.pop("unanswered"), **answer)
        body = base64.b64decode(answer["body"])
        return Answer(status=answer["status"], body=body, location=answer["location"])

    def hold(self, reference: Reference) -> None:
        """Another process that takes this one's place is told, too."""
        order = Hold(reference=reference)
        self._try_again(lambda: self._order(order, 0.0))
        self._held = order

    def renew(self) -> None:
        """Speak to another process from now on. Raises GeneratorFailure where none can be started."""
        self._pipe.close()
        self._pipe, self._greeted, self._unheard = self._start(), False, 0

    def close(self) -> None:
        self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try_again[T](self, action: Callable[[], T]) -> T:
        try:
            return action()
        except ConnectionLost:
            self.renew()
            return action()

    def _window(self, window: LoadWindow) -> Samples:
        self.say(window)
        return self.hear_window(window)

    def _parts(self, total: int) -> list[bytes]:
        parts: list[bytes] = []
        offset = 0
        while offset < total:
            part = base64.b64decode(self._order(Read(offset=offset), 0.0)["part"])
            if not part:
                raise GeneratorFailure(f"the load generator sent {offset} of {total} bytes of its samples")
            parts.append(part)
            offset += len(part)
        return parts

    def _order(self, order: Order, takes_s: float) -> dict[str, Any]:
        self.say(order)
        return self.hear(takes_s)
