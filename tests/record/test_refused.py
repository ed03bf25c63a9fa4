"""What was refused and why, like trials together."""

from __future__ import annotations

from dataclasses import replace

from tests.record import examples
from tuner.record.refused import refusal_lines
from tuner.trials.model import Failed, Infeasible, Measured, Referenced


def test_each_has_its_reason() -> None:
    lines = refusal_lines(examples.summary())
    assert lines == [
        "trial 3 breaks the SLO: latency_p99 by 30 %",
        "trial 4 failed at ready: OOMKilled, replica 0 was killed for memory (limit 256Mi)",
        "trial 5 cannot run here: requests 4 cores, this machine has 2",
        "trial 6 cut short: latency_p99 is at least 360 ms, the SLO allows 100 ms",
        "trial 8 interrupted: interrupted by the user",
    ]


def test_those_that_ended_alike_share_a_line() -> None:
    slow = examples.measurement(None, 0.130, 0.016)
    trials = [
        examples.trial(0, examples.SMALL, Measured(measurement=slow, broken=(("latency_p99", 0.3),)), "baseline"),
        examples.trial(1, examples.SMALL, Measured(measurement=slow, broken=(("latency_p99", 0.5),))),
        examples.trial(2, examples.SMALL, Infeasible(reason="requests 4 cores")),
        examples.trial(3, examples.SMALL, Infeasible(reason="requests 4 cores")),
        examples.trial(
            4, examples.SMALL, Failed(stage="ready", kind="Crashed", reason="it exited within 3 s of its start")
        ),
        examples.trial(
            5, examples.SMALL, Failed(stage="ready", kind="Crashed", reason="it exited within 9 s of its start")
        ),
        examples.trial(6, examples.SMALL, Referenced(measurement=slow), "reference"),
        examples.trial(7, examples.SMALL, Referenced(measurement=slow), "reference"),
        examples.trial(8, examples.SMALL, Measured(measurement=slow, undecided=("latency_p99",))),
        examples.trial(9, examples.SMALL, Measured(measurement=slow, undecided=("latency_p99",))),
    ]
    assert refusal_lines(replace(examples.summary(), trials=tuple(trials))) == [
        "trials 0, 1 break the SLO: latency_p99 by 30 % to 50 %",
        "trials 2, 3 cannot run here: requests 4 cores",
        "trials 4, 5 failed at ready: Crashed, it exited within 9 s of its start (as the last of them says)",
        "trials 6, 7 are references: how fast the machine is",
        "trials 8, 9 are undecided: latency_p99 could not be told",
    ]


def test_what_was_never_proposed_is_told() -> None:
    summary = replace(examples.summary(), trials=(), left_out={"requests 4 cores, this machine has 2": 1204})
    assert refusal_lines(summary) == ["valid, but never proposed: 1,204 for requests 4 cores, this machine has 2"]
