from __future__ import annotations

import pytest

from tests.builders import measurement, window
from tuner.measure.model import Usage
from tuner.measure.slo import judge, judge_measurement, load_factor, unjudged
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate


def p99(bound: float) -> Constraint:
    return Constraint(metric="latency_p99", bound=bound)


@pytest.mark.parametrize(
    ("bound", "state", "excess"),
    [
        (0.030, "met", None),
        (0.023, "met", None),
        (0.022, "undecided", None),
        (0.019, "undecided", 1 / 19),
        (0.016, "broken", 0.25),
    ],
)
def test_the_interval_decides(bound: float, state: str, excess: float | None) -> None:
    judgement = judge(window(), [p99(bound)])
    assert judgement.state == state
    assert judgement.broken == (() if excess is None else (("latency_p99", pytest.approx(excess)),))


def test_the_reason_has_the_numbers() -> None:
    assert judge(window(), [p99(0.016)]).reason == "latency_p99 of 20 ms (18 ms to 23 ms) breaks the bound of 16 ms"
    assert judge(window(), [p99(0.030)]).reason == "latency_p99 of 20 ms (18 ms to 23 ms) meets the bound of 30 ms"
    assert judge(window(), []).reason == "no bound applies to this window"


def test_a_missing_end_leaves_doubt() -> None:
    open_end = window(latency_s={"latency_p99": Estimate(value=0.020, low=0.018)})
    assert judge(open_end, [p99(0.5)]).state == "undecided"
    assert judge(open_end, [p99(0.01)]).state == "broken"
    assert "18 ms to ?" in judge(open_end, [p99(0.5)]).reason


def test_a_quantile_the_window_could_not_carry_is_uncertain_not_broken() -> None:
    judgement = judge(window(), [Constraint(metric="latency_p99.9", bound=0.1)])
    assert (judgement.state, judgement.broken) == ("undecided", ())
    assert judgement.reason == "latency_p99.9 cannot be told from 5000 requests"
    assert load_factor(window(), [Constraint(metric="latency_p99.9", bound=0.1)]) is None


def test_a_quantile_beyond_the_time_out_is_broken() -> None:
    timed_out = window(latency_s={}, beyond_s={"latency_p99": 5.0})
    judgement = judge(timed_out, [p99(0.1)])
    assert judgement.state == "broken"
    assert judgement.broken == (("latency_p99", pytest.approx(49.0)),)
    # Even where the bound is longer than the time-out: it never was answered.
    assert judge(timed_out, [p99(10.0)]).broken == (("latency_p99", 1.0),)


def test_without_a_bound_on_errors_one_in_a_hundred_is_too_many() -> None:
    failing = window(error_ratio=Estimate(value=0.05, low=0.04, high=0.06))
    judgement = judge(failing, [p99(1.0)])
    assert judgement.state == "broken"
    assert judgement.broken == (("error_ratio", pytest.approx(4.0)),)
    assert judge(failing, [p99(1.0), Constraint(metric="error_ratio", bound=0.1)]).state == "met"
    unsure = window(error_ratio=Estimate(value=0.02, low=0.005, high=0.06))
    assert judge(unsure, [p99(1.0)]).state == "met"


def test_saturation_breaks_throughput() -> None:
    saturated = window(achieved_rps=80.0, backlog_rps=Estimate(value=20.0, low=15.0, high=25.0))
    judgement = judge(saturated, [])
    assert judgement.state == "broken"
    assert judgement.broken == (("throughput", pytest.approx(0.2)),)
    assert judgement.reason == "saturated: 80/s achieved of 100/s offered, and the backlog grew by 20/s"


def test_an_untrusted_window_is_never_certain() -> None:
    untrusted = window(untrusted=("the load generator was late",), generator_limited=True)
    judgement = judge(untrusted, [p99(0.001)])
    assert judgement.state == "undecided"
    assert judgement.reason == "the load generator was late"
    assert judgement.broken


def test_the_load_factor_is_the_worst_metric_over_its_bound() -> None:
    slo = [p99(0.040), Constraint(metric="latency_p50", bound=0.004), Constraint(metric="cost", bound=1e-9)]
    assert load_factor(window(), slo) == pytest.approx(1.25)
    assert load_factor(window(), []) == 0.0


def test_a_measurement_is_judged_in_every_metric() -> None:
    slo = [
        p99(0.010),
        Constraint(metric="cost", bound=0.05),
        Constraint(metric="throughput", bound=500, at_least=True),
        Constraint(metric="memory", bound=64 * 2**20),
    ]
    broken = dict(judge_measurement(measurement(window()), slo))
    assert broken == {
        "latency_p99": pytest.approx(1.0),
        "throughput": pytest.approx(0.2),
        "memory": pytest.approx(36 / 64),
    }
    assert judge_measurement(measurement(window()), []) == ()


def test_what_was_not_measured_is_not_broken_but_named() -> None:
    blind = measurement(window(latency_s={}, beyond_s={"latency_p50": 5.0}), throughput_rps=None, usage=Usage())
    slo = [Constraint(metric=name, bound=1.0) for name in ("latency_p50", "latency_p99", "memory", "cost")]
    assert [name for name, _ in judge_measurement(blind, slo)] == ["latency_p50"]
    assert unjudged(blind, slo) == ("latency_p99", "memory")
