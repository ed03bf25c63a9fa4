from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measure.common_rate import derive
from tuner.measure.cost import cost_per_hour, cost_per_million
from tuner.measure.noise import compare, noise_floor, pool
from tuner.space.model import Prices
from tuner.statistics.model import Estimate


def test_cost_adds_up() -> None:
    prices = Prices(core_hour=0.03, gib_hour=0.004, gpu_hour=2.5)
    assert cost_per_hour(2.0, 512 * 2**20, 1.0, prices) == pytest.approx(0.06 + 0.002 + 2.5)
    assert cost_per_million(0.36, 100.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="not 0/s"):
        cost_per_million(0.36, 0.0)


@pytest.mark.parametrize(("capacity", "rate"), [(411.0, 210.0), (1000.0, 500.0), (3.3, 1.6), (19_999.0, 10_000.0)])
def test_the_common_rate_is_half_in_two_digits(capacity: float, rate: float) -> None:
    assert derive(capacity) == rate


@pytest.mark.parametrize("capacity", [0.0, -1.0, math.nan, math.inf])
def test_no_common_rate_without_a_capacity(capacity: float) -> None:
    with pytest.raises(ValueError, match="capacity above 0/s"):
        derive(capacity)


def test_restarts_are_pooled_to_their_median_with_all_that_their_intervals_cover() -> None:
    one, two, three = Estimate(value=1.0, low=0.5, high=1.1), Estimate(value=2.0, high=9.0), Estimate(value=4.0)
    assert pool([one]) == one
    assert pool([one, three, two]) == Estimate(value=2.0, low=0.5, high=9.0)


def test_the_noise_floor_is_the_largest_ratio_within_one_configuration() -> None:
    assert noise_floor([[1.0, 1.2], [10.0, 9.0, 12.0], [5.0]]) == pytest.approx(12 / 9)
    assert noise_floor([[0.0, 0.0]]) == 1.0
    assert noise_floor([[5.0], []]) is None
    assert noise_floor([[0.0, 0.1], [1.0, 1.1]]) is None


@pytest.mark.parametrize(
    ("baseline", "chosen", "better", "floor", "verdict"),
    [
        ([100.0, 105.0], [150.0, 155.0], "maximize", 1.2, "better"),
        ([100.0, 105.0], [150.0, 155.0], "minimize", 1.2, "worse"),
        ([100.0, 105.0], [110.0, 115.0], "maximize", 1.2, "no difference"),
        ([100.0, 180.0], [150.0, 250.0], "maximize", 1.2, "no difference"),
        ([100.0], [150.0], "maximize", None, "undecided"),
        ([], [150.0], "maximize", 1.2, "undecided"),
        ([0.0], [0.0], "minimize", 1.2, "no difference"),
        ([0.0], [0.1], "minimize", 1.2, "undecided"),
        ([0.03], [0.02], "minimize", 1.0, "better"),
    ],
)
def test_a_difference_counts_beyond_the_floor(baseline, chosen, better, floor, verdict) -> None:
    assert compare(baseline, chosen, better, floor) == verdict


positive = st.lists(st.floats(0.1, 10), min_size=1, max_size=4)


@given(positive, positive, st.floats(1, 2))
def test_comparison_is_fair(a: list[float], b: list[float], floor: float) -> None:
    mirrored = {"better": "worse", "worse": "better", "no difference": "no difference"}
    assert compare(b, a, "minimize", floor) == mirrored[compare(a, b, "minimize", floor)]
    assert compare(a, a, "maximize", floor) == "no difference"
