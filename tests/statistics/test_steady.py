from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.queues import mm1_sojourn
from tuner.statistics.steady import truncate


def test_a_slow_start_is_cut() -> None:
    latency = np.random.default_rng(0).exponential(1.0, 2000)
    latency[:200] += 5.0
    found = truncate(latency)
    assert 190 <= found.cut <= 260
    assert not found.unsteady


def test_a_pause_in_the_middle_is_kept() -> None:
    latency = np.random.default_rng(0).exponential(1.0, 2000)
    latency[900:930] = 500.0
    assert truncate(latency).cut < 100


@pytest.mark.parametrize("latency", [np.linspace(1, 100, 1000), np.r_[np.full(700, 9.0), np.full(300, 1.0)]])
def test_what_changes_throughout_is_not_steady(latency: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    found = truncate(latency + rng.exponential(0.5, len(latency)))
    assert found.unsteady
    assert found.cut == 0
    assert found.wanted > 0.5


@pytest.mark.parametrize("load", [0.0, 0.5, 0.8])
def test_a_steady_queue_is_seldom_called_unsteady(load: float) -> None:
    rng = np.random.default_rng(1)
    found = [truncate(mm1_sojourn(rng, 2000, load) if load else rng.exponential(1.0, 2000)) for _ in range(200)]
    assert sum(one.unsteady for one in found) <= 6
    assert np.mean([one.cut for one in found]) < 60


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=200))
def test_never_more_than_half_is_cut(latency: list[float]) -> None:
    found = truncate(np.array(latency))
    assert 0 <= found.cut <= len(latency) / 2
    assert found.cut % 5 == 0


def test_equal_latencies_lose_nothing() -> None:
    assert truncate(np.full(1000, 0.01)).cut == 0


def test_few_requests_are_left_alone() -> None:
    assert truncate(np.arange(19.0)).cut == 0


@pytest.mark.parametrize("fade", [0.1, 0.3])
def test_a_warm_up_that_fades_out_slowly_is_cut_until_it_no_longer_shows(fade: float) -> None:
    """As a compiler at run time makes it: three times as slow at first."""
    rng = np.random.default_rng(2)
    at = np.linspace(0.0, 1.0, 2000)
    left = []
    for _ in range(40):
        found = truncate(rng.exponential(1.0, 2000) * (1.0 + 2.0 * np.exp(-at / fade)))
        if not found.unsteady:
            left.append(2.0 * np.exp(-found.cut / 2000 / fade))
    assert len(left) >= 20
    assert np.median(left) < 0.6


def test_a_rise_is_no_warm_up() -> None:
    rng = np.random.default_rng(0)
    found = truncate(rng.exponential(1.0, 2000) * (1.0 + np.linspace(0.0, 1.0, 2000)))
    assert not found.unsteady
    assert found.cut < 100


@pytest.mark.parametrize(("load", "n"), [(0.8, 2000), (0.9, 5000)])
def test_a_busy_queue_keeps_nearly_all_its_requests(load: float, n: int) -> None:
    rng = np.random.default_rng(3)
    found = [truncate(mm1_sojourn(rng, n, load)) for _ in range(100)]
    assert sum(one.unsteady for one in found) <= 3
    assert np.mean([one.cut for one in found]) < 0.06 * n
