"""The first requests to a server: asked again while it loads, or where a connection broke; never after its death."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.simulated import USAGE, WORKLOAD, SimulatedRunning
from tuner.errors import TrialFailure
from tuner.load.model import Answer, Request, Unanswered
from tuner.load.protocols import protocol
from tuner.trials.clock import FakeClock
from tuner.trials.patience import Patience
from tuner.trials.traffic import ExpectedAnswers, Traffic

REQUEST = Request(method="POST", path="/p", headers={}, body=b"")
OK, BUSY = Answer(status=200, body=b"{}"), Answer(status=503, body=b"\x1b[31mloading")
REFUSED = Unanswered("the connection was refused", unreachable=True)
LOST = Unanswered("the server broke the connection off", lost=True)
LATE = Unanswered("no answer within 5 s")


class Mortal(SimulatedRunning):
    """It is found dead from an instant on."""

    def __init__(self, clock: FakeClock, dies_at: float) -> None:
        super().__init__(USAGE)
        self._clock = clock
        self._dies_at = dies_at

    def check_alive(self) -> None:
        if self._clock.now() >= self._dies_at:
            raise TrialFailure(stage="measure", kind="Crashed", reason="it exited with status 1")


class Asking:
    def __init__(
        self, said: Iterator[Answer | Unanswered], dies_at: float = 1e9, options: dict[str, str] | None = None
    ) -> None:
        self.clock = FakeClock()
        self.stages: list[str] = []
        self.asked = 0
        traffic = Traffic(
            workload=replace(WORKLOAD, ready_timeout_s=10.0),
            protocol=protocol("http", options or {}),
            requests=(REQUEST,),
            expected=ExpectedAnswers(),
        )

        def exchange(url: str, request: Request, timeout_s: float) -> Answer:
            self.asked += 1
            found = next(said)
            if isinstance(found, Unanswered):
                raise found
            return found

        running = Mortal(self.clock, dies_at)
        self.patience = Patience(running, traffic, exchange, on_stage=self.stages.append, clock=self.clock)

    def ask(self) -> Answer:
        return self.patience.ask("http://h", REQUEST, 5.0)

    def failure(self, of: Callable[[], object] | None = None) -> TrialFailure:
        with pytest.raises(TrialFailure) as raised:
            (of or self.ask)()
        return raised.value


def for_ever(said: Answer | Unanswered) -> Iterator[Answer | Unanswered]:
    while True:
        yield said


def test_an_answer_is_an_answer() -> None:
    asking = Asking(iter([OK]))
    assert asking.ask() is OK
    assert (asking.stages, asking.patience.waited_s) == ([], 0.0)


@pytest.mark.parametrize("loading", [BUSY, REFUSED, Answer(status=1014, body=b"")])
def test_it_is_asked_again_while_it_loads(loading: Answer | Unanswered) -> None:
    asking = Asking(iter([loading, loading, OK]))
    assert asking.ask() is OK
    assert asking.patience.waited_s == pytest.approx(0.4)
    assert len(asking.stages) == 1
    assert asking.stages[0].isprintable()


@pytest.mark.parametrize(("loading", "kind"), [(BUSY, "NotReady"), (REFUSED, "NoAnswer")])
def test_as_long_as_servers_have_to_get_ready(loading: Answer | Unanswered, kind: str) -> None:
    asking = Asking(for_ever(loading))
    told = asking.failure()
    assert (told.stage, told.kind) == ("ready", kind)
    assert "10 s" in told.reason
    assert asking.clock.now() == pytest.approx(10, abs=0.5)


def test_a_503_that_was_expected_is_no_loading() -> None:
    asking = Asking(for_ever(BUSY), options={"status": "200,503"})
    assert asking.ask() is BUSY


def test_a_request_whose_connection_broke_is_sent_again_twice_and_that_is_told() -> None:
    asking = Asking(iter([LOST, LOST, OK]))
    assert asking.ask() is OK
    assert len(asking.stages) == 2
    with pytest.raises(Unanswered, match="broke the connection off"):
        Asking(for_ever(LOST)).ask()


def test_a_late_answer_is_not_waited_for_again() -> None:
    asking = Asking(for_ever(LATE))
    with pytest.raises(Unanswered, match="within 5 s"):
        asking.ask()
    assert asking.asked == 1


@pytest.mark.parametrize("said", [BUSY, REFUSED, LOST])
def test_a_server_that_died_is_not_asked_again(said: Answer | Unanswered) -> None:
    asking = Asking(for_ever(said), dies_at=0.0)
    told = asking.failure()
    assert (told.stage, told.kind) == ("verify", "Crashed")
    assert asking.asked == 1


def test_the_news_of_a_death_is_waited_for() -> None:
    told = Asking(for_ever(OK), dies_at=1.5)
    assert told.failure(told.patience.raise_if_dying).kind == "Crashed"
    Asking(for_ever(OK)).patience.raise_if_dying()
