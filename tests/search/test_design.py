"""The first points: few, apart from each other and from what was tried, and the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.search.design import design_size, maximin, pool_size

GRID = np.stack(np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5)), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize(("knobs", "points"), [(1, 2), (4, 2), (7, 2), (8, 3), (16, 4), (31, 4)])
def test_it_grows_slowly_with_the_knobs(knobs: int, points: int) -> None:
    assert design_size(knobs) == points


def test_no_two_points_are_near_each_other_or_the_baseline() -> None:
    for seed in range(20):
        rows = maximin(GRID, GRID[:1], 3, np.random.default_rng(seed))
        taken = np.vstack([GRID[:1], GRID[rows]])
        apart = np.abs(taken[:, None] - taken[None, :]).sum(2)[np.triu_indices(4, 1)]
        assert apart.min() >= 0.5


def test_of_many_knobs_a_draw_is_as_good_as_the_farthest() -> None:
    assert [pool_size(knobs) for knobs in (0, 1, 3, 8, 31, 200)] == [30, 30, 30, 13, 4, 1]
    odd = np.vstack([GRID, np.full((1, 2), 9.0)])

    def chosen(pooled: int) -> int:
        designs = [maximin(odd, GRID[:1], 3, np.random.default_rng(seed), pooled) for seed in range(40)]
        assert all(len(set(rows)) == 3 for rows in designs)
        return sum(25 in rows for rows in designs)

    assert chosen(30) > 2 * chosen(1)


def test_seeds_differ_and_repeat() -> None:
    designs = [tuple(maximin(GRID, GRID[:1], 3, np.random.default_rng(seed))) for seed in [*range(10), *range(10)]]
    assert designs[:10] == designs[10:]
    assert len(set(designs)) > 3


def test_all_there_is_is_at_most_chosen_once() -> None:
    assert sorted(maximin(GRID, GRID[:0], 99, np.random.default_rng(0))) == list(range(25))
    assert len(maximin(GRID[:0], GRID, 3, np.random.default_rng(0))) == 0
