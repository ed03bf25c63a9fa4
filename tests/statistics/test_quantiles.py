from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measure.closed_forms import quantile
from tests.measure.queues import finish_times, mm1_sojourn
from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import FloatArray
from tuner.statistics.quantiles import binomial_ranks, estimate_quantiles

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


def sojourns(queue: str, load: float, rng: np.random.Generator, n: int) -> FloatArray:
    """n sojourn times in a queue that has forgotten that it began empty; mean service time 1."""
    if queue == "M/M/1":
        return mm1_sojourn(rng, n, load)
    servers, lead = (1 if queue == "M/D/1" else 4), 2000
    arrivals = np.cumsum(rng.exponential(1.0 / (load * servers), n + lead))
    service = np.ones(n + lead) if queue == "M/D/1" else rng.exponential(1.0, n + lead)
    return (finish_times(arrivals, service, servers) - arrivals)[lead:]


@pytest.mark.parametrize(
    ("queue", "load", "n", "low_to", "both_to"),
    [
        ("", 0.0, 500, 0.99, 0.95),
        ("", 0.0, 5_000, 0.99, 0.99),
        ("M/M/1", 0.5, 2_000, 0.99, 0.95),
        ("M/M/1", 0.8, 2_000, 0.99, 0.5),
        ("M/M/1", 0.8, 10_000, 0.99, 0.9),
        ("M/M/1", 0.9, 8_000, 0.99, 0.5),
        ("M/D/1", 0.5, 1_000, 0.99, 0.9),
        ("M/D/1", 0.8, 4_000, 0.99, 0.9),
        ("M/D/1", 0.9, 8_000, 0.99, 0.5),
        ("M/M/4", 0.5, 1_000, 0.99, 0.95),
        ("M/M/4", 0.9, 4_000, 0.99, 0.5),
    ],
)
def test_intervals_cover_the_truth(queue: str, load: float, n: int, low_to: float, both_to: float) -> None:
    """In at least 93 % of the windows (less the noise of 100 runs), at every level, an end that is not given counting
    as right; and the lower end is given most times up to `low_to`, both up to `both_to`."""
    rng = np.random.default_rng(20)
    runs, levels = 100, (0.5, 0.9, 0.95, 0.99)
    covered = dict.fromkeys(levels, 0)
    lows, both = dict.fromkeys(levels, 0), dict.fromkeys(levels, 0)
    for _ in range(runs):
        seen = sojourns(queue, load, rng, n) if queue else rng.exponential(1.0, n)
        for level, estimate in estimate_quantiles(seen, levels).items():
            truth = quantile(queue or "M/M/1", load, level)
            covered[level] += (estimate.low is None or estimate.low <= truth) and (
                estimate.high is None or truth <= estimate.high
            )
            lows[level] += estimate.low is not None
            both[level] += estimate.low is not None and estimate.high is not None
    assert min(covered.values()) / runs >= 0.91, covered
    assert sum(covered.values()) / (runs * len(levels)) >= 0.93, covered
    assert all(lows[level] >= 0.6 * runs for level in levels if level <= low_to), lows
    assert all(both[level] >= 0.6 * runs for level in levels if level <= both_to), both


def test_far_too_short_a_window_tells_of_no_upper_end() -> None:
    rng = np.random.default_rng(4)
    found = [estimate_quantiles(mm1_sojourn(rng, 500, 0.9), (0.99,))[0.99] for _ in range(50)]
    assert all(one.high is None for one in found)


def test_closed_forms_agree_with_each_other_and_with_simulation() -> None:
    assert quantile("M/M/1", 0.9, 0.99) == pytest.approx(math.log(100) / 0.1)
    assert quantile("M/D/1", 0.5, 0.5) == pytest.approx(1.0, abs=1e-6)
    for name in ("M/D/1", "M/M/4"):
        seen = sojourns(name, 0.8, np.random.default_rng(0), 60_000)
        for level in (0.5, 0.9, 0.99):
            assert float(np.quantile(seen, level)) == pytest.approx(quantile(name, 0.8, level), rel=0.12)


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
