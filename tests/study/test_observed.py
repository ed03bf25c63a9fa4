"""What the model is told of trials."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import study_start
from tests.measure.test_conditions import conditions
from tests.study.world import BASELINE, crashed, lost, measured, measurement, stopped, trial_of
from tuner.statistics.model import Estimate
from tuner.study.observed import observation, observations
from tuner.trials.model import Infeasible, Interrupted, Measured, Outcome, Referenced

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_was_measured_is_told_as_it_was() -> None:
    outcome = measured(throughput=120.0, cost=2.0, latency_p99=0.05, error_ratio=0.001)
    found = observation(BASELINE, outcome, at_s=7.0)
    assert found is not None
    assert (found.configuration, found.lived, found.at_s, found.failure) == (BASELINE, True, 7.0, "")
    assert dict(found.metrics) == outcome.measurement.metrics()
    assert (found.metrics["throughput"], found.metrics["latency_p99"]) == (120.0, 0.05)
    assert found.beyond == frozenset()
    assert not found.pending


def test_a_lower_bound_is_told_to_be_beyond() -> None:
    capacity = Estimate(value=300.0, is_least=True)
    outcome = Measured(measurement=replace(measurement(latency_p99=0.05), throughput_rps=capacity))
    found = observation(BASELINE, outcome)
    assert found is not None
    assert found.beyond == {"throughput"}


def test_each_metric_has_the_speed_of_its_own_windows() -> None:
    slow = conditions(others_cores=0.5, own_cores=0.5)
    both = replace(measurement(throughput=100.0, latency_p99=0.05), conditions=conditions(), search_conditions=slow)
    found = observation(BASELINE, Measured(measurement=both))
    assert found is not None
    assert (found.speed_of("throughput"), found.speed_of("latency_p99")) == (0.5, 1.0)
    alike = observation(BASELINE, Measured(measurement=replace(both, search_conditions=both.conditions)))
    assert alike is not None
    assert not alike.speeds


def test_a_quantile_on_requests_never_answered_is_told_to_be_beyond() -> None:
    found = measurement(latency_p50=0.05)
    late = replace(found, at_rate=replace(found.at_rate, beyond_s={"latency_p99": 5.0}))
    told = observation(BASELINE, Measured(measurement=late))
    assert told is not None
    assert (told.metrics["latency_p99"], told.beyond) == (5.0, {"latency_p99"})


def test_a_window_cut_short_tells_what_broke_and_no_throughput() -> None:
    found = observation(BASELINE, stopped(cost=1.0, latency_p99=0.4, latency_p50=0.1))
    assert found is not None
    assert found.lived is True
    assert found.beyond == {"latency_p99"}
    assert "throughput" not in found.metrics


@pytest.mark.parametrize(("outcome", "failure"), [(crashed(), "Crashed"), (Infeasible(reason="no room"), "Infeasible")])
def test_what_died_by_its_own_fault_is_told_so(outcome: Outcome, failure: str) -> None:
    found = observation(BASELINE, outcome)
    assert found is not None
    assert (found.lived, found.failure, dict(found.metrics)) == (False, failure, {})


@pytest.mark.parametrize("outcome", [lost(), Interrupted(reason="Ctrl-C")])
def test_what_says_nothing_of_the_configuration_is_left_out(outcome: Outcome) -> None:
    assert observation(BASELINE, outcome) is None


def test_trials_are_told_in_their_order_with_the_time_of_their_middle() -> None:
    good = measured(throughput=100.0, cost=1.0, latency_p99=0.05)
    outcomes = [good, lost(), crashed(), Referenced(measurement=measurement(latency_p99=0.06))]
    trials = [
        trial_of(number, outcome, started_at=BEGAN + timedelta(seconds=20 * number), duration_s=10.0)
        for number, outcome in enumerate(outcomes)
    ]
    found = observations(trials, study_start(started_at=BEGAN.isoformat()))
    assert [one.at_s for one in found] == [5.0, 45.0, 65.0]
    assert [one.lived for one in found] == [True, False, True]
    assert "throughput" not in found[2].metrics
