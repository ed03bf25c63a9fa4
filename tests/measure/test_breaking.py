"""The rate at which a rising load breaks a bound, against simulated servers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measure.queues import constant, finish_times, samples
from tuner.load.arrivals import schedule
from tuner.load.model import LoadWindow
from tuner.measure.breaking import Climb, climb, isotonic
from tuner.measure.samples import Samples
from tuner.space.model import Constraint
from tuner.workload.intensity import Intensity

P90 = Constraint(metric="latency_p90", bound=0.01)
P99 = Constraint(metric="latency_p99", bound=0.01)


def logistic(middle_rps: float, seed: int, n: int = 4000) -> tuple[Samples, np.ndarray]:
    """Requests of which a share that rises with the rate takes longer than 10 ms."""
    rng = np.random.default_rng(seed)
    rates = np.sort(rng.uniform(10, 500, n))
    due = np.linspace(0, 20, n)
    slow = rng.random(n) < 1 / (1 + np.exp(-(rates - middle_rps) / 20))
    return samples(due, due + np.where(slow, 0.02, 0.001), window_s=20.0, offered_rps=n / 20), rates


def climbed(found: Climb | None) -> Climb:
    assert found is not None
    return found


def test_the_interval_covers_the_rate_at_which_the_share_crosses_what_is_allowed() -> None:
    truth = 300 + 20 * np.log(0.1 / 0.9)
    covered, values = 0, []
    for seed in range(40):
        first = climbed(climb(*logistic(300, seed), [P90])).breaks[0]
        assert first.rate_rps is not None
        assert first.low_rps is not None
        assert first.high_rps is not None
        assert first.low_rps <= first.rate_rps <= first.high_rps
        covered += first.low_rps <= truth <= first.high_rps
        values.append(first.rate_rps)
    assert covered >= 36
    assert np.median(values) == pytest.approx(truth, rel=0.05)


def test_a_bound_that_holds_is_said_to_hold_up_to_where_it_is_certain() -> None:
    found = climbed(climb(*logistic(5000, 1), [P90]))
    first = found.breaks[0]
    assert first.rate_rps is None
    assert first.low_rps is not None
    assert first.low_rps > 400
    assert "held all the way up" in first.text


def test_a_bound_that_is_broken_from_the_first_is_said_to_be() -> None:
    broken = climbed(climb(*logistic(-5000, 1), [P90])).breaks[0]
    assert "from the lowest rate on" in broken.text
    assert broken.low_rps is None


def test_the_bound_that_breaks_first_comes_first_and_errors_count_without_a_bound() -> None:
    load, rates = logistic(300, 1)
    load.status[(rates > 100) & (np.arange(len(load)) % 10 == 0)] = 503
    found = climbed(climb(load, rates, [P90]))
    assert [one.bound.split()[0] for one in found.breaks] == ["error_ratio", "latency_p90"]
    assert found.breaks[0].rate_rps == pytest.approx(100, rel=0.1)
    assert found.breaks[0].latency_s is None


def test_requests_never_answered_in_time_are_slower_than_any_bound() -> None:
    load, rates = logistic(5000, 1)
    load.status[rates > 250] = 3  # lost: an error that carries no latency
    by_errors = climbed(climb(load, rates, [Constraint(metric="latency_p90", bound=100.0)])).breaks
    assert [one.rate_rps is None for one in by_errors] == [False, True]
    load.status[rates > 250] = 4  # timed out
    by_both = climbed(climb(load, rates, [Constraint(metric="latency_p90", bound=100.0)])).breaks
    assert [one.rate_rps is None for one in by_both] == [False, False]


def ramp(seed: int, over_s: float = 30.0) -> tuple[Samples, np.ndarray]:
    """A server that ends 400/s under a ramp from 40/s to 800/s."""
    profile = ((0.0, 40.0), (over_s, 800.0))
    due = schedule(LoadWindow(arrival="poisson", profile=profile, duration_s=over_s, connections=1, seed=seed))
    finished = finish_times(due, constant(1 / 400)(np.random.default_rng(seed), len(due)), 1)
    load = samples(due, finished, window_s=over_s, offered_rps=420.0)
    return load, Intensity(profile).rate(due)


def test_a_queue_breaks_near_its_capacity_and_without_an_slo_where_it_gets_slow() -> None:
    bound = climbed(climb(*ramp(1), [Constraint(metric="latency_p99", bound=0.1)]))
    assert bound.breaks[0].rate_rps == pytest.approx(400, rel=0.15)
    assert bound.most_rps == pytest.approx(400, rel=0.05)
    assert (bound.from_rps, bound.to_rps) == pytest.approx((40, 800), rel=0.1)
    unbound = climbed(climb(*ramp(1), []))
    assert unbound.breaks[0].rate_rps == pytest.approx(400, rel=0.15)
    assert "10 times that at the lowest rates" in unbound.breaks[0].bound


def test_requests_outside_of_the_climb_are_left_out() -> None:
    load, rates = ramp(1)
    rates = np.where(rates > 300, np.nan, rates)
    found = climbed(climb(load, rates, [P99]))
    assert found.to_rps <= 300
    assert found.requests == np.isfinite(rates).sum()


def test_too_few_requests_are_no_climb() -> None:
    load, rates = logistic(300, 1, n=99)
    assert climb(load, rates, [P99]) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_isotonic_regression(groups: list[tuple[int, int]]) -> None:
    bad = np.array([yes for yes, _ in groups], dtype=float)
    size = np.array([yes + no + 1 for yes, no in groups], dtype=float)
    fit = isotonic(bad, size)
    assert (np.diff(fit) >= -1e-12).all()
    assert fit @ size == pytest.approx(bad.sum())
    means = bad / size  # min-max formula of Robertson, Wright & Dykstra (1988)
    for i in range(len(fit)):
        expected = max(
            min(bad[a : b + 1].sum() / size[a : b + 1].sum() for b in range(i, len(means))) for a in range(i + 1)
        )
        assert fit[i] == pytest.approx(expected)
