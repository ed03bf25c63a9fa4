from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measure.queues import mm1_sojourn
from tuner.measure.correlation import correlation_time
from tuner.measure.model import FloatArray
from tuner.measure.quantiles import binomial_ranks, estimate_quantiles

LEVELS = (0.5, 0.9, 0.95, 0.99, 0.999)


def binomial_below(n: int, level: float, count: int) -> float:
    """P(B <= count), summed term by term."""
    return sum(math.comb(n, k) * level**k * (1 - level) ** (n - k) for k in range(count + 1))


@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_ranks_are_those_of_the_binomial(n: int, level: float) -> None:
    low, high = binomial_ranks(n, level)
    if low is not None:
        assert binomial_below(n, level, low - 1) <= 0.025 + 1e-9
    assert binomial_below(n, level, low or 0) > 0.025 - 1e-9
    if high is not None:
        assert 1 - binomial_below(n, level, high - 1) <= 0.025 + 1e-9
        assert 1 - binomial_below(n, level, high - 2) > 0.025 - 1e-9
    else:
        assert 1 - binomial_below(n, level, n - 1) > 0.025 - 1e-9


def test_the_upper_end_of_p99_exists_from_368_independent_requests_on() -> None:
    assert binomial_ranks(367, 0.99)[1] is None
    assert binomial_ranks(368, 0.99)[1] == 368


def test_ranks_of_a_million_are_the_normal_ones() -> None:
    low, high = binomial_ranks(1_000_000, 0.5)
    assert low == pytest.approx(500_000 - 980, abs=2)
    assert high == pytest.approx(500_001 + 980, abs=2)


@given(st.lists(st.floats(0, 1e3) | st.just(math.inf), max_size=300))
def test_an_interval_holds_its_estimate(values: list[float]) -> None:
    for level, estimate in estimate_quantiles(np.array(values), LEVELS).items():
        assert len(values) * (1 - level) >= 1 - 1e-9
        assert estimate.low is None or estimate.low <= estimate.value
        assert estimate.high is None or estimate.high >= estimate.value
        assert (np.array(values) <= estimate.value).sum() >= level * len(values) - 1e-9


def test_a_quantile_without_a_request_above_it_is_absent() -> None:
    assert set(estimate_quantiles(np.arange(99.0), LEVELS)) == {0.5, 0.9, 0.95}
    assert set(estimate_quantiles(np.arange(100.0), LEVELS)) == {0.5, 0.9, 0.95, 0.99}
    assert estimate_quantiles(np.zeros(0), LEVELS) == {}


def test_censored_requests_rank_above_all() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(1.0, 1000)
    values[rng.choice(1000, 30, replace=False)] = math.inf
    found = estimate_quantiles(values, LEVELS)
    assert math.isinf(found[0.99].value)
    assert math.isfinite(found[0.95].value)
    assert found[0.5].high is not None


def test_equal_latencies_have_an_interval_of_no_width() -> None:
    estimate = estimate_quantiles(np.full(1000, 0.25), (0.99,))[0.99]
    assert (estimate.value, estimate.low, estimate.high) == (0.25, 0.25, 0.25)


def iid(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.exponential(1.0, n)


def queue(load: float) -> Callable[[np.random.Generator, int], FloatArray]:
    return lambda rng, n: mm1_sojourn(rng, n, load)


@pytest.mark.parametrize(
    ("draw", "mean", "n", "carried"),
    [
        (iid, 1.0, 500, 0.99),
        (iid, 1.0, 5_000, 0.99),
        (queue(0.5), 2.0, 2_000, 0.95),
        (queue(0.8), 5.0, 10_000, 0.9),
        (queue(0.8), 5.0, 50_000, 0.99),
        (queue(0.9), 10.0, 2_000, None),
    ],
    ids=["iid 500", "iid 5000", "load 0.5", "load 0.8", "load 0.8 long", "load 0.9 far too short"],
)
def test_intervals_cover_the_truth(draw, mean: float, n: int, carried: float | None) -> None:
    """At least 93 % of the windows, at every level, an end that is not given counting as right; and an interval is
    given most times up to the level `carried`."""
    rng = np.random.default_rng(20)
    runs = 200 if n <= 10_000 else 60
    levels = (0.5, 0.9, 0.95, 0.99)
    covered = dict.fromkeys(levels, 0)
    given_ = dict.fromkeys(levels, 0)
    for _ in range(runs):
        for level, estimate in estimate_quantiles(draw(rng, n), levels).items():
            truth = -math.log(1 - level) * mean
            covered[level] += (estimate.low is None or estimate.low <= truth) and (
                estimate.high is None or truth <= estimate.high
            )
            given_[level] += estimate.low is not None and estimate.high is not None
    assert min(covered.values()) / runs >= 0.93, covered
    assert all(given_[level] >= 0.6 * runs for level in levels if carried is not None and level <= carried), given_


def test_correlation_time_of_an_autoregressive_series() -> None:
    rng = np.random.default_rng(3)
    series = np.zeros(40_000)
    for i, noise in enumerate(rng.normal(size=len(series) - 1)):
        series[i + 1] = 0.8 * series[i] + noise
    found = correlation_time(series)
    assert found.time == pytest.approx((1 + 0.8) / (1 - 0.8), rel=0.15)
    assert found.cautious(0.05) > found.time
    assert found.cautious(0.01) > found.cautious(0.05)


def test_correlation_time_of_what_cannot_correlate() -> None:
    assert correlation_time(np.zeros(0)).time == 1.0
    assert correlation_time(np.ones(50)).time == 1.0
    assert correlation_time(np.random.default_rng(0).normal(size=10_000)).time < 1.1
