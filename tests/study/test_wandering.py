"""The machine's speed over a study, and what of it was taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import study_start
from tests.measure.test_conditions import conditions
from tests.study.world import BASELINE, measured, trial_of
from tuner.measure.conditions import Conditions
from tuner.space.model import Configuration
from tuner.study.wandering import wandering
from tuner.trials.model import Purpose, Referenced, Trial

QUIET, HALF = conditions(), conditions(others_cores=0.5, own_cores=0.5)
QUARTER = conditions(others_cores=0.75, own_cores=0.25)
OTHER = Configuration(values={"workers": 8, "cpu": "1"})


def of(
    number: int,
    throughput: float,
    how: Conditions | None,
    configuration: Configuration = BASELINE,
    purpose: Purpose = "search",
    put_back: int = 0,
) -> Trial:
    outcome = measured(throughput=throughput, cost=1.0, latency_p99=0.05)
    told = replace(
        outcome.measurement,
        conditions=how,
        put_back=("a window was measured again",) * put_back,
        put_back_s=2.0 * put_back,
    )
    return trial_of(number, replace(outcome, measurement=told), configuration, purpose=purpose)


def test_the_speed_over_the_study_and_the_baseline_with_and_without_it() -> None:
    trials = [
        of(0, 200.0, HALF, purpose="baseline"),
        of(1, 300.0, QUIET, OTHER, put_back=2),
        of(2, 410.0, QUIET, purpose="confirm"),
    ]
    found = wandering(trials, study_start())
    assert (found.slowest, found.usual, found.fastest) == (0.5, 1.0, 1.0)
    assert (found.put_back, found.put_back_s) == (2, 4.0)
    spread = found.baseline["throughput"]
    assert (spread.raw, spread.corrected, spread.restarts) == (pytest.approx(2.05), pytest.approx(410 / 400), 2)
    assert "cost" not in found.baseline
    assert found.stands == (), "the baseline was measured again on the quiet machine"
    assert found.mistrusted == ()


def test_what_stands_disturbed_and_what_is_corrected_too_far_is_told() -> None:
    found = wandering([of(0, 200.0, QUIET, purpose="baseline"), of(1, 100.0, QUARTER, OTHER)], study_start())
    assert found.stands == (1,)
    assert found.mistrusted == (1,)
    value = found.during[1].metrics["throughput"]
    assert (value.raw, value.corrected, value.trusted) == (100.0, pytest.approx(400.0), False)


def test_references_tell_of_the_machine_and_are_no_candidates() -> None:
    reference = of(1, 100.0, HALF, purpose="reference")
    assert reference.measurement is not None
    reference = replace(reference, outcome=Referenced(measurement=reference.measurement))
    found = wandering([of(0, 200.0, QUIET, purpose="baseline"), reference], study_start())
    assert found.count("reference") == 1
    assert found.slowest == 0.5
    assert found.baseline["throughput"].corrected == pytest.approx(1.0)


def test_of_a_machine_that_nobody_looked_at_nothing_is_said() -> None:
    found = wandering([of(0, 200.0, None, purpose="baseline"), of(1, 210.0, None, purpose="confirm")], study_start())
    assert (found.slowest, found.fastest, found.usual, found.speeds) == (None, None, None, ())
    assert found.baseline == {}
