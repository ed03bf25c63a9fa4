"""The first requests to a server that has just become ready: it may still be loading its model, or about to die."""

from __future__ import annotations

from collections.abc import Callable

from tuner.backends.model import Running
from tuner.errors import TrialFailure
from tuner.load.model import Answer, Exchange, Request, Unanswered
from tuner.measure.status import GRPC, word
from tuner.trials.clock import Clock
from tuner.trials.traffic import Traffic
from tuner.units import format_seconds

_LOADING = (503, GRPC + 14)
"""Service Unavailable (RFC 9110, section 15.6.4), and gRPC's UNAVAILABLE: what is said while a model loads."""
_ASKED_EVERY_S = 0.2
_ASKED_AGAIN = 2
"""Times that a request is sent again whose connection was broken off: one such request says nothing of the others."""
_DIES_WITHIN_S = 2.0
"""From a connection that breaks to the news that its server is gone."""
_SHOWN = 200


class Patience:
    """Asks a server again while it says that it is loading, as long as servers have to get ready.

    That is the workload's `ready_timeout_s` from here on. Whatever is sent again is told.
    """

    def __init__(
        self, running: Running, traffic: Traffic, exchange: Exchange, *, on_stage: Callable[[str], None], clock: Clock
    ) -> None:
        self._running = running
        self._protocol = traffic.protocol
        self._exchange = exchange
        self._on_stage = on_stage
        self._clock = clock
        self._timeout_s = traffic.workload.ready_timeout_s
        self._until = clock.now() + self._timeout_s
        self.waited_s = 0.0
        """How long it was loading all together."""

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        """An `Exchange`. Raises as one does, and TrialFailure: `NotReady` or, where nothing was
        reached, `NoAnswer` when the time is over, or as
        `Running.check_alive` does."""
        began, said, lost = self._clock.now(), "", 0
        while True:
            kind = "NotReady"
            try:
                answer = self._exchange(url, request, timeout_s)
                waits_for = self._loading(answer)
                if waits_for is None:
                    self.waited_s += self._clock.now() - began if said else 0.0
                    return answer
            except Unanswered as unanswered:
                self.raise_if_dead()
                if unanswered.lost and lost < _ASKED_AGAIN:
                    lost += 1
                    self._on_stage(f"verify, asking again: {unanswered}")
                    continue
                if not unanswered.unreachable:
                    raise
                waits_for, kind = str(unanswered), "NoAnswer"
            self.raise_if_dead()
            if self._clock.now() >= self._until:
                what = f"{request.method} {url}{request.path}"
                reason = f"{what} could not be asked in {format_seconds(self._timeout_s)} (ready_timeout): {waits_for}"
                raise TrialFailure(stage="ready", kind=kind, reason=reason)
            if waits_for != said:
                self._on_stage(f"wait while it is loading: {waits_for}")
                said = waits_for
            self._clock.sleep(_ASKED_EVERY_S)

    def raise_if_dying(self) -> None:
        """The server did not answer: where that is because it died, raises as `Running.check_alive` does."""
        end = self._clock.now() + _DIES_WITHIN_S
        while True:
            self.raise_if_dead()
            if self._clock.now() >= end:
                return
            self._clock.sleep(_ASKED_EVERY_S)

    def raise_if_dead(self) -> None:
        """Raises as `Running.check_alive` does."""
        try:
            self._running.check_alive()
        except TrialFailure as failure:
            failure.stage = "verify"
            raise

    def _loading(self, answer: Answer) -> str | None:
        """What it says of itself where that is that it is loading."""
        if answer.status not in _LOADING or self._protocol.check(answer.status, answer.body) is None:
            return None
        return f"{word(answer.status)} {answer.body[:_SHOWN].decode(errors='replace')!r}"
