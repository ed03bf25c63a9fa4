from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measure.pace import FEWEST, SLOW_S, Pace, certain, foreseen, told, typical_s
from tuner.space.model import Constraint
from tuner.statistics.quantiles import binomial_ranks
from tuner.workload.model import PACED, WorkloadSpec
from tuner.workload.shapes import Spike

USUAL = WorkloadSpec(protocol="http", requests=())
SAID = WorkloadSpec(protocol="http", requests=(), said=frozenset(PACED))
P99 = Constraint(metric="latency_p99", bound=10.0)


def test_a_quick_server_is_measured_as_the_workload_says() -> None:
    pace = Pace(workload=USUAL, slo=(Constraint(metric="latency_p99", bound=0.1),), answer_s=0.004)
    assert (pace.warm_up_s, pace.step_s(None), pace.step_s(3.0), pace.timeout_s) == (1.0, 2.0, 2.0, 5.0)
    assert pace.duration_s(200.0) == pace.duration_s(None) == 5.0
    assert pace.first_connections == 32
    assert pace.more_connections(32, 1000.0) is None
    assert not pace.fills(32, 1000.0)
    assert pace.paced(200.0) == USUAL


def test_what_the_user_said_holds_however_slow_the_server() -> None:
    pace = Pace(workload=SAID, slo=(P99,), answer_s=7.0)
    times = (pace.warm_up_s, pace.step_s(0.5), pace.duration_s(0.5), pace.timeout_s, pace.closed_timeout_s(32))
    assert times == (1.0, 2.0, 5.0, 5.0, 5.0)
    assert pace.connections(0.5) == pace.most_connections == 32


def test_an_answer_is_waited_for_longer_than_any_bound_on_it() -> None:
    assert Pace(workload=USUAL, slo=(P99,)).timeout_s == 20.0
    assert Pace(workload=USUAL, slo=(P99,), answer_s=2.5).timeout_s == 50.0
    assert Pace(workload=USUAL, answer_s=2.5).closed_timeout_s(32) >= 32 * 2.5, "it may answer one at a time"


def test_windows_hold_a_few_answers_after_one_another_and_requests_enough() -> None:
    pace = Pace(workload=USUAL, slo=(P99,), answer_s=2.5)
    assert pace.step_s(None) == 10.0
    assert pace.step_s(6.0) * 6.0 >= 99.0
    assert pace.step_s(0.1) * 0.1 >= FEWEST - 1.0
    assert pace.duration_s(7.0) * 7.0 >= 368.0
    assert pace.duration_s(3.0) * 3.0 >= 120.0
    assert pace.warm_up_s == 2.5


def test_a_bounded_quantile_lengthens_the_window_of_a_quick_server_too() -> None:
    pace = Pace(workload=USUAL, slo=(Constraint(metric="latency_p99", bound=0.1),))
    assert pace.duration_s(20.0) * 20.0 >= 368.0
    assert pace.duration_s(0.01) == 120.0, "there is an end to it, and what is missing is foreseen"


def test_a_shape_keeps_its_length() -> None:
    spike = Spike(base=1.0, peak=2.0, after_s=3.0, for_s=1.0)
    workload = WorkloadSpec(protocol="http", requests=(), shape=spike, duration_s=7.0)
    assert Pace(workload=workload, slo=(P99,), answer_s=2.5).duration_s(1.0) == 7.0


@pytest.mark.parametrize(
    ("slots", "loops"),
    [(1, [8]), (4, [8, 16]), (16, [8, 32, 64]), (200, [8, 32, 128, 512]), (10_000, [8, 32, 128, 512])],
)
def test_closed_loops_grow_until_they_fill_the_server(slots: int, loops: list[int]) -> None:
    pace, connections = Pace(workload=USUAL, answer_s=1.0), 8
    tried = [connections]
    while (more := pace.more_connections(connections, min(slots, connections) / 1.0)) is not None:
        tried.append(more)
        if min(slots, more) == min(slots, connections):
            break
        connections = more
    assert tried == loops
    assert pace.fills(tried[-1], min(slots, tried[-1])) == (slots < 512)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_fewest_requests_for_a_quantile_are_those_of_the_order_statistics(level: float) -> None:
    assert binomial_ranks(certain(level), level)[1] is not None
    assert binomial_ranks(certain(level) - 1, level)[1] is None
    assert told(level) * (1.0 - level) == pytest.approx(1.0)


def test_what_a_rate_and_a_duration_cannot_tell_is_foreseen_with_what_would() -> None:
    short = WorkloadSpec(protocol="http", requests=(), duration_s=2.0, said=frozenset({"duration_s"}))
    (sentence,) = foreseen(Pace(workload=short, slo=(P99,)), 30.0)
    assert sentence == (
        "30/s for 2 s are 60 requests, which will not tell its value: latency_p99 takes 100, "
        "that is a duration of 3.33 s or a rate of 50/s"
    )
    (sentence,) = foreseen(Pace(workload=short, slo=(P99,)), 100.0)
    assert "whether its bound is certainly met: latency_p99 takes 368" in sentence
    assert [*foreseen(Pace(workload=short, slo=(P99,)), 200.0)] == []
    assert [*foreseen(Pace(workload=short, tight=("latency_p99",)), 60.0)] == []
    assert len([*foreseen(Pace(workload=short, tight=("latency_p99",)), 30.0)]) == 1
    assert [*foreseen(Pace(workload=short, slo=(P99,)), None)] == []
    assert [*foreseen(Pace(workload=USUAL, slo=(P99,)), 30.0)] == [], "an open duration follows"


def test_the_time_that_it_takes_grows_with_what_an_answer_takes() -> None:
    quick, slow = (Pace(workload=USUAL, slo=(P99,), answer_s=answer_s) for answer_s in (0.01, 2.5))
    assert quick.expected_s(200.0, searched=True) == 1.0 + 5.0 + 6 * 2.0
    assert quick.expected_s(None, searched=False) == 1.0 + 5.0 + 5.0
    assert 120.0 < slow.expected_s(None, searched=True) < 300.0
    assert slow.expected_s(15.0, searched=False) < slow.expected_s(15.0, searched=True)


def test_the_typical_answer_is_the_median() -> None:
    assert typical_s([]) == 0.0
    assert typical_s([20.0, 0.05, 0.06]) == 0.06


@given(
    answer_s=st.floats(0.0, 60.0),
    rate_rps=st.floats(0.01, 10_000.0),
    bound_s=st.floats(0.001, 300.0),
    said=st.sets(st.sampled_from(PACED)),
)
def test_times_are_finite_and_never_shorter_than_usual(
    answer_s: float, rate_rps: float, bound_s: float, said: set[str]
) -> None:
    workload = WorkloadSpec(protocol="http", requests=(), said=frozenset(said))
    pace = Pace(workload=workload, slo=(Constraint(metric="latency_p95", bound=bound_s),), answer_s=answer_s)
    assert 5.0 <= pace.duration_s(rate_rps) < math.inf
    assert 2.0 <= pace.step_s(rate_rps) < math.inf
    assert pace.timeout_s >= (5.0 if "timeout_s" in said else max(5.0, bound_s))
    assert 32 <= pace.connections(rate_rps) <= 1024
    assert pace.slow == (answer_s >= SLOW_S)
    assert pace.expected_s(rate_rps, searched=True) > 0.0
