from __future__ import annotations

import re
from dataclasses import replace

from tests.record import examples
from tuner.record.mlflow.metrics import aims, differences, metric_name, rounded, trial_points
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint, Objective
from tuner.statistics.model import Estimate
from tuner.trials.model import Measured, Trial

START = examples.start()
BASELINE, MIDDLE = examples.trials()[:2]


def with_throughput(trial: Trial, value: float, *, is_least: bool = False) -> Trial:
    measurement = trial.measurement
    assert measurement is not None
    estimate = Estimate(value=value, is_least=is_least)
    return replace(trial, outcome=Measured(measurement=replace(measurement, throughput_rps=estimate)))


def test_every_metric_has_a_name_that_mlflow_takes() -> None:
    names = [metric_name(metric) for metric in METRICS]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[/\w.\- :]+", name)


def test_points_are_unique_by_name_and_step() -> None:
    for trial in examples.trials():
        keys = [(point.name, point.step) for point in trial_points(trial, START, BASELINE)]
        assert len(keys) == len(set(keys))


def test_values_have_four_significant_digits() -> None:
    assert rounded(0.000123456) == 0.0001235
    assert rounded(12345.6) == 12350.0
    for point in trial_points(MIDDLE, START, BASELINE):
        assert point.value == rounded(point.value)


def test_what_a_study_aims_at_comes_first_then_latency_then_cost() -> None:
    start = replace(
        START,
        objectives=(
            Objective(metric="cost", direction="minimize"),
            Objective(metric="throughput", direction="maximize"),
        ),
        slo=(Constraint(metric="error_ratio", bound=0.01), Constraint(metric="latency_p99", bound=0.1)),
    )
    assert aims(start) == ["cost", "latency_p99", "throughput", "error_ratio"]
    assert aims(START) == ["throughput", "latency_p99", "cost", "error_ratio"]
    assert [point.name for point in trial_points(MIDDLE, START)][:3] == [
        "throughput_rps",
        "latency_p99_ms",
        "cost_per_hour",
    ]


def test_a_closed_loop_is_no_point_of_the_curve() -> None:
    measurement = MIDDLE.measurement
    assert measurement is not None
    probe = replace(examples.window(0.0, 0.01), achieved_rps=450.0)
    trial = replace(MIDDLE, outcome=Measured(measurement=replace(measurement, curve=(probe, *measurement.curve))))
    assert {point.step for point in trial_points(trial, START) if point.name.startswith("curve/")} == {100, 200, 400}


def test_the_difference_to_the_baseline_is_in_percent() -> None:
    assert {point.name: point.value for point in differences(MIDDLE, START, BASELINE)}[
        "vs_baseline_pct/throughput"
    ] == 85.71
    assert differences(BASELINE, START, BASELINE) == []
    assert differences(MIDDLE, START, None) == []
    assert differences(examples.trials()[4], START, BASELINE) == []


def test_of_lower_bounds_there_is_no_difference() -> None:
    for own, other in (
        (with_throughput(MIDDLE, 390.0, is_least=True), BASELINE),
        (MIDDLE, with_throughput(BASELINE, 210.0, is_least=True)),
        (MIDDLE, with_throughput(BASELINE, 0.0)),
    ):
        assert "vs_baseline_pct/throughput" not in {point.name for point in differences(own, START, other)}
