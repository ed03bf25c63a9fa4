from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.statistics.trend import trend


def series(n: int, slope: float, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """A line under AR(1) noise of standard deviation 1."""
    steps = rng.standard_normal(n + 50) * np.sqrt(1 - correlation**2)
    noise = np.zeros(n + 50)
    for i in range(1, n + 50):
        noise[i] = correlation * noise[i - 1] + steps[i]
    return noise[50:] + slope * np.arange(n)


@pytest.mark.parametrize(("n", "correlation"), [(15, 0.0), (30, 0.0), (30, 0.3), (60, 0.6)])
def test_the_interval_covers_the_slope_though_neighbours_resemble_each_other(n: int, correlation: float) -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        found = trend(np.arange(n) * 10.0, series(n, 0.5, correlation, rng))
        assert found is not None
        assert found.per_s.low is not None
        assert found.per_s.high is not None
        covered += found.per_s.low <= 0.05 <= found.per_s.high
    assert covered >= 183


def test_a_leak_is_seen_and_no_leak_is_not() -> None:
    rng = np.random.default_rng(2)
    leaks = [trend(np.arange(30.0), series(30, 0.15, 0.3, rng)) for _ in range(50)]
    steady = [trend(np.arange(30.0), series(30, 0.0, 0.3, rng)) for _ in range(200)]
    assert sum(one is not None and one.grows for one in leaks) >= 48
    assert sum(one is not None and (one.grows or one.falls) for one in steady) <= 20


def test_one_wild_value_does_not_make_a_trend() -> None:
    values = np.zeros(20) + np.random.default_rng(0).normal(0, 1e-3, 20)
    values[-1] = 1e6
    found = trend(np.arange(20.0), values)
    assert found is not None
    assert abs(found.per_s.value) < 1e-3
    assert not found.grows


def test_few_points_have_no_trend() -> None:
    assert trend(np.arange(9.0), np.arange(9.0)) is None
    assert trend(np.arange(5.0), np.arange(5.0), least=5) is not None


@given(st.floats(-10, 10), st.floats(-100, 100), st.integers(10, 40))
def test_a_line_has_its_slope(slope: float, level: float, n: int) -> None:
    at_s = np.arange(n) * 2.0
    found = trend(at_s, level + slope * at_s)
    assert found is not None
    assert found.per_s.value == pytest.approx(slope, abs=1e-6)
    assert found.over_s == 2.0 * (n - 1)


def test_values_that_never_change_do_not_grow() -> None:
    found = trend(np.arange(12.0), np.full(12, 5.0))
    assert found is not None
    assert (found.per_s.value, found.grows, found.falls, found.level) == (0.0, False, False, 5.0)
