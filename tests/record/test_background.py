from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.record import examples
from tests.record.recording import Remembers
from tuner.record.background import Background, Gate


class Told:
    def __init__(self) -> None:
        self.notices: list[str] = []
        self.recorder = Remembers()
        self.gate = Gate()
        self.time_s = 0.0
        self.background = Background(
            self.recorder, self.gate, self.notices.append, study="iris", deadline_s=20.0, now=lambda: self.time_s
        )


@pytest.fixture
def told() -> Told:
    return Told()


def test_calls_arrive_in_order_and_nothing_is_said_when_all_went_well(told: Told) -> None:
    trial = examples.trials()[0]
    told.background.started(examples.start())
    told.background.proposed(examples.proposal(0))
    told.background.stage(0, "ready")
    told.background.finished(trial)
    told.background.closed(examples.summary())
    assert told.recorder.calls == ["started", "proposed 0", "stage 0 ready", "finished 0", "closed"]
    assert told.notices == []


def test_nothing_is_passed_on_while_the_gate_is_closed(told: Told) -> None:
    told.gate.pause()
    told.background.started(examples.start())
    assert not told.background.drain(0.05)
    assert told.recorder.calls == []
    told.gate.resume()
    assert told.background.drain(20)
    assert told.recorder.calls == ["started"]


def test_closing_opens_a_gate_that_an_interruption_left_closed(told: Told) -> None:
    told.gate.pause()
    told.background.closed(examples.summary())
    assert told.recorder.calls == ["closed"]


def test_a_failure_is_told_once_without_credentials_and_closed_is_still_tried(told: Told) -> None:
    told.recorder.broken = True
    told.background.started(examples.start())
    told.background.finished(examples.trials()[0])
    assert told.background.drain(20)
    told.time_s = 100.0
    told.background.finished(examples.trials()[1])
    assert told.background.drain(20)
    assert len(told.notices) == 1
    assert "the study goes on" in told.notices[0]
    assert "secret" not in told.notices[0]
    told.recorder.broken = False
    told.background.closed(examples.summary())
    assert told.recorder.calls == ["closed"]
    assert len(told.notices) == 1


def test_after_a_failure_calls_are_passed_over_for_a_while_that_grows(told: Told) -> None:
    told.recorder.broken = True
    told.background.started(examples.start())
    assert told.background.drain(20)
    told.recorder.broken = False
    told.background.stage(0, "early")
    assert told.background.drain(20)
    told.time_s = 1.5
    told.recorder.broken = True
    told.background.stage(0, "fails again")
    assert told.background.drain(20)
    told.recorder.broken = False
    told.time_s = 3.0
    told.background.stage(0, "still too early")
    assert told.background.drain(20)
    told.time_s = 3.6
    told.background.stage(0, "in time")
    assert told.background.drain(20)
    assert told.recorder.calls == ["stage 0 in time"]


def test_what_was_not_written_is_counted_and_sync_is_named(told: Told) -> None:
    told.background.finished(examples.trials()[0])
    assert told.background.drain(20)
    told.recorder.broken = True
    told.background.closed(examples.summary())
    assert told.notices[-1] == ("8 of 9 trials were not written to the store; `tune sync iris` writes what is missing")


def test_a_store_that_hangs_holds_up_closing_for_the_deadline_only() -> None:
    notices: list[str] = []
    recorder = Remembers()
    recorder.hangs.set()
    background = Background(recorder, Gate(), notices.append, study="iris", deadline_s=0.05)
    background.started(examples.start())
    background.closed(examples.summary())
    recorder.go_on.set()
    assert "9 of 9 trials were not written" in notices[0]
    assert background.drain(20)


def test_a_store_that_hangs_does_not_hold_up_the_programs_exit() -> None:
    program = """
        from tests.record import examples
        from tests.record.recording import Remembers
        from tuner.record.background import Background, Gate
        recorder = Remembers()
        recorder.hangs.set()
        background = Background(recorder, Gate(), print, study="iris", deadline_s=0.05)
        background.started(examples.start())
        background.closed(examples.summary())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "tune sync iris" in done.stdout
