"""Measurements that end by themselves, on simulated queues whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import window
from tests.measure.queues import Server, exponential
from tuner.measure.samples import Samples
from tuner.measure.slo import judge
from tuner.measure.stopping import Goal, Settled, half_width, looks, measure, reached
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate

RATE, SERVICE_S = 500.0, 0.001
P90_S = SERVICE_S * math.log(10) / (1.0 - RATE * SERVICE_S)
"""Of the sojourn time of the M/M/1 queue below: exponential."""


def p90(bound: float) -> tuple[Constraint, ...]:
    return (Constraint(metric="latency_p90", bound=bound),)


def runner(seed: int) -> Callable[[float], Samples]:
    rng = np.random.default_rng(seed)
    server = Server(exponential(SERVICE_S))
    return lambda seconds: server.open_loop(rng, RATE, seconds)


def lasted(settled: Settled) -> float:
    return sum(part.window_s for part in settled.parts)


@given(st.floats(0.1, 100.0), st.floats(1.0, 50.0))
def test_looks_are_few_grow_and_spend_the_probability_just_once(least: float, ratio: float) -> None:
    plan = looks(least, least * ratio)
    until = [look.until_s for look in plan]
    assert len(plan) <= 5
    assert until[-1] == least * ratio
    assert all(later >= 1.5 * earlier * (1 - 1e-6) for earlier, later in pairwise(until))
    assert len(plan) == 1 or until[0] == pytest.approx(least)
    assert sum(look.miss for look in plan) == pytest.approx(0.05)
    assert all(look.miss > 0 for look in plan)


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (2.0, 1.0), (1.0, math.inf), (-1.0, 1.0)])
def test_lengths_that_make_no_sense_are_refused(least: float, most: float) -> None:
    with pytest.raises(ValueError, match="cannot last"):
        looks(least, most)


@pytest.mark.parametrize(("bound", "state"), [(2.0 * P90_S, "met"), (0.5 * P90_S, "broken")])
def test_a_clear_verdict_ends_it_early(bound: float, state: str) -> None:
    settled = measure(runner(0), looks(2.0, 40.0), Goal(slo=p90(bound)))
    assert judge(settled.window, p90(bound)).state == state
    assert lasted(settled) < 10.0
    assert settled.window.ended.startswith("ended after ")
    assert "the verdict was certain: latency_p90" in settled.window.ended


def test_a_close_verdict_is_measured_until_the_interval_is_tight() -> None:
    settled = measure(runner(1), looks(2.0, 300.0), Goal(slo=p90(P90_S), within=0.08))
    half = half_width(settled.window.latency_s["latency_p90"])
    assert half is not None
    assert half <= 0.08
    assert 4.0 < lasted(settled) < 300.0
    assert "tight enough, 8 % of the value to each side" in settled.window.ended


def test_what_never_settles_ends_at_the_most() -> None:
    settled = measure(runner(2), looks(1.0, 4.0), Goal(tight=("latency_p99",), within=0.001))
    assert lasted(settled) == pytest.approx(4.0)
    assert settled.window.ended == (
        "ended after 4 s, the most that was allowed: the interval of latency_p99 is still wider than wanted"
    )


def test_a_fixed_length_is_one_window_and_says_nothing() -> None:
    settled = measure(runner(3), looks(2.0, 2.0), Goal(slo=p90(1.0)))
    assert len(settled.parts) == 1
    assert settled.window.ended == ""


def test_looking_often_does_not_make_false_certainty() -> None:
    """Where the truth lies on the bound itself, every certain verdict is false. With 95 % intervals at each of five
    looks, a fifth of them come to one; with the probability spent over the looks, 5 % at most (and the noise of 150
    runs)."""
    runs, false = 150, 0
    goal = Goal(slo=p90(P90_S), within=0.0)
    for seed in range(runs):
        settled = measure(runner(seed), looks(0.25, 4.0), goal)
        false += judge(settled.window, goal.slo).state != "undecided"
    assert false / runs <= 0.08


def test_intervals_cover_the_truth_at_whichever_look_one_stops() -> None:
    runs, covered = 200, 0
    for seed in range(runs):
        settled = measure(runner(1000 + seed), looks(0.5, 8.0), Goal(tight=("latency_p90",), within=0.2))
        found = settled.window.latency_s["latency_p90"]
        covered += (found.low or 0.0) <= P90_S <= (found.high or math.inf)
    assert covered / runs >= 0.93


def test_an_untrusted_window_settles_nothing() -> None:
    assert reached(window(untrusted=("late",)), Goal(slo=p90(1.0))) is None


def test_a_value_that_matters_must_be_tight_though_the_verdict_is_certain() -> None:
    slo = (Constraint(metric="latency_p99", bound=1.0),)
    seen = window()
    assert reached(seen, Goal(slo=slo)) is not None
    assert reached(seen, Goal(slo=slo, tight=("latency_p99",), within=0.1)) is None
    assert reached(seen, Goal(slo=slo, tight=("latency_p99",), within=0.2)) is not None
    broken = (Constraint(metric="latency_p99", bound=0.001),)
    assert reached(seen, Goal(slo=broken, tight=("latency_p99",), within=0.1)) is not None
    assert reached(seen, Goal()) is None


def test_error_ratios_are_tight_in_percent_not_in_shares_of_themselves() -> None:
    slo = (Constraint(metric="error_ratio", bound=0.0005),)
    assert reached(window(), Goal(slo=slo)) is not None
    wide = window(error_ratio=Estimate(value=0.0, low=0.0, high=0.01))
    assert reached(wide, Goal(slo=slo)) is None


def test_half_widths() -> None:
    assert half_width(Estimate(value=10.0, low=9.0, high=12.0)) == pytest.approx(0.15)
    assert half_width(Estimate(value=10.0, low=9.0)) is None
    assert half_width(Estimate(value=0.0, low=0.0, high=0.0)) is None
