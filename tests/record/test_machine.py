"""The machine's speed in words."""

from __future__ import annotations

from tests.builders import study_start
from tests.study.test_wandering import HALF, OTHER, QUARTER, QUIET, of
from tuner.record.machine import corrected_text, is_disturbed, machine_lines, speed_text
from tuner.study.summary import summarize
from tuner.trials.journal import JournalContents
from tuner.trials.model import Trial


def lines(*trials: Trial) -> list[str]:
    return machine_lines(summarize(JournalContents(start=study_start(), trials=trials, events=())))


def test_a_quiet_machine_is_one_line() -> None:
    said = lines(of(0, 200.0, QUIET, purpose="baseline"), of(1, 300.0, QUIET, OTHER))
    assert said == ["the machine: 100 % of its quiet speed; no windows put back and measured again"]


def test_of_a_machine_that_wandered_raw_and_corrected_stand_side_by_side() -> None:
    said = lines(
        of(0, 200.0, HALF, purpose="baseline"),
        of(1, 300.0, QUIET, OTHER, put_back=1),
        of(2, 410.0, QUIET, purpose="confirm"),
        of(3, 100.0, QUARTER, OTHER),
    )
    assert said[0] == (
        "the machine: 25 % to 100 % (mostly 75 %) of its quiet speed; 1 window put back and measured again, 2 s with the "
        "waiting"
    )
    assert (
        "the baseline's 2 measurements differ by 2.05x in throughput, and by 1.02x with the machine's speed taken out"
        in said
    )
    assert any(
        line.startswith("baseline (trial 0), as measured and as on a quiet machine: throughput 305/s → 405/s")
        for line in said
    )
    assert said[-1].startswith("trial 3: corrected by more than 2x, which is not to be trusted. What would help:")


def test_beside_a_trial() -> None:
    slow, quiet = of(0, 200.0, HALF), of(1, 200.0, QUIET)
    assert (corrected_text(slow, "throughput"), speed_text(slow), is_disturbed(slow)) == (" → 400/s", "50 %", True)
    assert (corrected_text(quiet, "throughput"), speed_text(quiet), is_disturbed(quiet)) == ("", "100 %", False)
    assert corrected_text(of(2, 100.0, QUARTER), "throughput") == " → 400/s?"
    assert speed_text(of(3, 100.0, None)) == ""


def test_nobody_looked() -> None:
    assert lines(of(0, 200.0, None, purpose="baseline")) == []
