"""What a trial is worth: held against sums of many draws, and against what is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.search.acquisition import (
    expected_hypervolume_improvement,
    expected_improvement,
    hypervolume,
    log_expected_improvement,
    log_probability_below,
    non_dominated,
)
from tuner.statistics.model import FloatArray


def array(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


@given(mean=st.floats(-3, 3), sd=st.floats(0.01, 3), best=st.floats(-3, 3))
def test_the_logarithm_of_the_improvement_is_that_of_the_improvement(mean: float, sd: float, best: float) -> None:
    expected = expected_improvement(array(mean), array(sd), best)[0]
    if expected > 1e-12:
        assert log_expected_improvement(array(mean), array(sd), best)[0] == pytest.approx(math.log(expected), rel=1e-4)


def test_far_from_the_best_it_still_tells_which_is_nearer() -> None:
    worth = log_expected_improvement(array(10, 100, 1e4, 1e6), array(1, 1, 1, 1), 0.0)
    assert np.isfinite(worth).all()
    assert (np.diff(worth) < 0).all()


def test_what_is_known_exactly_improves_by_what_it_is_better() -> None:
    assert expected_improvement(array(1, 3), array(0, 0), 2.0) == pytest.approx([1.0, 0.0])


def test_a_bound_is_met_or_not_where_the_value_is_known() -> None:
    met = log_probability_below(array(1, 3, 2), array(0, 0, 1), 2.0)
    assert met == pytest.approx([0.0, -math.inf, math.log(0.5)])


@pytest.mark.parametrize("objectives", [1, 2, 3])
@given(seed=st.integers(0, 1000))
def test_the_expected_hypervolume_is_the_mean_over_draws(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    front = rng.random((4, objectives))
    front = front[non_dominated(front)]
    reference = np.ones(objectives)
    mean, sd = rng.random((3, objectives)), rng.random((3, objectives)) * 0.3
    sd[0, -1] = 0.0
    expected = expected_hypervolume_improvement(mean, sd, front, reference)
    for row in range(3):
        draws = mean[row] + sd[row] * rng.standard_normal((400, objectives))
        gains = expected_hypervolume_improvement(draws, np.zeros_like(draws), front, reference)
        assert expected[row] == pytest.approx(gains.mean(), abs=5 * gains.std() / math.sqrt(400) + 1e-3)


def test_without_a_front_all_up_to_the_reference_is_gained() -> None:
    nothing = np.zeros((0, 2))
    assert expected_hypervolume_improvement(array(0.5, 0.25)[None], np.zeros((1, 2)), nothing, array(1, 1)) == (
        pytest.approx([0.375])
    )


def test_a_volume_counts_what_overlaps_once() -> None:
    points = np.array([[0.0, 0.5], [0.5, 0.0], [0.6, 0.6], [2.0, 0.0]])
    assert hypervolume(points, array(1, 1)) == pytest.approx(0.75)
    assert hypervolume(points[:0], array(1, 1)) == 0.0


def test_of_equal_points_the_first_is_on_the_front() -> None:
    points = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 2.0]])
    assert non_dominated(points).tolist() == [True, True, False, False]


def test_what_is_infinitely_bad_adds_no_volume() -> None:
    points = np.array([[1.0, 2.0], [np.inf, np.inf], [2.0, 1.0]])
    assert hypervolume(points, np.array([3.0, 3.0])) == pytest.approx(3.0)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=8))
def test_the_hypervolume_is_what_counting_gives(points: list[tuple[int, int, int]]) -> None:
    """Of whole numbers, in two and in three objectives."""
    for objectives in (2, 3):
        front = np.array([point[:objectives] for point in points], dtype=float).reshape(-1, objectives)
        cells = np.stack(np.meshgrid(*[np.arange(5)] * objectives), axis=-1).reshape(-1, objectives)
        counted = sum(bool((front <= cell).all(1).any()) for cell in cells)
        assert hypervolume(front, np.full(objectives, 5.0)) == pytest.approx(counted)
