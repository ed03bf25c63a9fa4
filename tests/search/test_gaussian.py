"""The Gaussian process: it goes through what it was told, doubts what it was not, and learns what matters."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.search.covariance import Columns, Context, covariances, cross
from tuner.search.gaussian import GaussianProcess
from tuner.statistics.model import FloatArray, IntArray


def columns(
    numbers: FloatArray, words: IntArray | None = None, derived: int = 0, uneven: tuple[float, ...] = ()
) -> Columns:
    none = np.zeros((len(numbers), 0), dtype=np.int64)
    return Columns(numbers=numbers, words=none if words is None else words, derived=derived, uneven=uneven)


def context(rows: int, at_s: FloatArray | None = None, speed: FloatArray | None = None) -> Context:
    return Context(
        at_s=np.zeros(rows) if at_s is None else at_s,
        speed=np.zeros(rows) if speed is None else speed,
        source=np.zeros(rows, dtype=np.int64),
    )


GRID = np.linspace(0.0, 1.0, 9)[:, None]


def test_it_goes_through_what_was_measured_and_doubts_what_was_not() -> None:
    seen = np.array([[0.0], [0.25], [0.5]])
    model = GaussianProcess.fit(columns(seen), np.sin(3 * seen[:, 0]), context(3))
    mean, sd = model.predict(columns(np.array([[0.25], [1.0]])))
    assert mean[0] == pytest.approx(np.sin(0.75), abs=0.05)
    assert sd[1] > 2 * sd[0]


def test_a_word_says_something_of_itself_alone() -> None:
    words = np.array([[0], [0], [1], [1]])
    model = GaussianProcess.fit(columns(np.zeros((4, 0)), words), np.array([1.0, 1.02, 3.0, 2.98]), context(4))
    mean, sd = model.predict(columns(np.zeros((3, 0)), np.array([[0], [1], [2]])))
    assert mean[:2] == pytest.approx([1.0, 3.0], abs=0.15)
    assert sd[2] > 2 * sd[0]


def test_what_does_not_exist_is_like_itself_and_far_from_all_numbers() -> None:
    numbers = np.array([[np.nan], [np.nan], [0.0], [1.0]])
    squares = columns(numbers).squares(columns(numbers))[0]
    assert squares[0].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_of_few_values_the_one_between_may_be_anything() -> None:
    seen, between = np.array([[0.0], [0.4], [1.0]]), np.array([[0.2]])
    even = GaussianProcess.fit(columns(seen), np.array([1.0, 1.2, 0.8]), context(3))
    uneven = GaussianProcess.fit(columns(seen, uneven=(0.4,)), np.array([1.0, 1.2, 0.8]), context(3))
    assert uneven.predict(columns(between, uneven=(0.4,)))[1] > 1.5 * even.predict(columns(between))[1]


def test_both_ways_to_the_covariance_are_one() -> None:
    rng = np.random.default_rng(7)
    rows = columns(rng.integers(0, 4, (20, 2)) / 3, rng.integers(0, 2, (20, 1)), uneven=(0.3, 0.1))
    theta = rng.normal(0.0, 0.5, rows.count + 5)
    assert cross(rows, rows, theta) == pytest.approx(covariances(rows.squares(rows), theta, rows.shares), abs=1e-12)
    assert np.linalg.eigvalsh(cross(rows, rows, theta)).min() > -1e-9


def test_the_knob_that_matters_has_the_shorter_scale() -> None:
    rng = np.random.default_rng(1)
    numbers = rng.random((25, 3))
    model = GaussianProcess.fit(columns(numbers), np.sin(6 * numbers[:, 1]), context(25))
    assert model.length_scales.argmin() == 1


def test_many_predictions_are_those_of_few() -> None:
    rng = np.random.default_rng(2)
    numbers = rng.integers(0, 4, (60, 3)) / 3
    model = GaussianProcess.fit(columns(numbers[:10]), rng.random(10), context(10))
    whole = model.predict(columns(numbers), chunk=7)
    for row in range(60):
        assert [part[row] for part in whole] == pytest.approx(
            [part[0] for part in model.predict(columns(numbers[[row]]))]
        )
    joint = model.covariance(columns(numbers[20:25]))
    assert np.sqrt(np.diag(joint)) == pytest.approx(whole[1][20:25], rel=1e-3, abs=1e-4)


def test_restarts_tell_the_noise() -> None:
    rng = np.random.default_rng(3)
    numbers = np.repeat(rng.random((6, 2)), 4, axis=0)
    for noise in (0.02, 0.3):
        values = numbers.sum(1) + rng.normal(0, noise, len(numbers))
        assert GaussianProcess.fit(columns(numbers), values, context(24)).noise_sd == pytest.approx(noise, rel=0.5)


def test_a_machine_that_slows_down_is_told_from_what_the_knob_does() -> None:
    rng = np.random.default_rng(4)
    at_s = np.arange(30) * 60.0
    numbers = rng.random((30, 1))
    numbers[::3] = 0.5  # a reference, measured again and again
    slower = np.where(at_s > 900, -0.5, 0.0)
    model = GaussianProcess.fit(columns(numbers), numbers[:, 0] + slower, context(30, at_s))
    jump = model.drift(np.array([1600.0]), np.zeros(1)) - model.drift(np.array([200.0]), np.zeros(1))
    assert jump[0] == pytest.approx(-0.5, abs=0.1)
    mean, _ = model.predict(columns(np.array([[0.0], [1.0]])))
    assert mean[1] - mean[0] == pytest.approx(1.0, abs=0.15)


def test_on_a_steady_machine_time_explains_nothing() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.random((20, 2))
    at_s = np.arange(20) * 60.0
    model = GaussianProcess.fit(columns(numbers), np.sin(4 * numbers[:, 0]), context(20, at_s))
    assert np.abs(model.drift(at_s, np.zeros(20))).max() < 0.05


def test_an_earlier_study_helps_where_it_agrees() -> None:
    rng = np.random.default_rng(6)
    earlier, seen = rng.random((20, 1)), np.array([[0.0], [1.0]])
    numbers = np.vstack([earlier, seen])
    source = np.array([1] * 20 + [0] * 2)
    about = Context(at_s=np.zeros(22), speed=np.zeros(22), source=source)
    values = np.sin(5 * numbers[:, 0]) + 0.7 * (source == 1)
    agreeing = GaussianProcess.fit(columns(numbers), values, about).predict(columns(GRID))[0]
    alone = GaussianProcess.fit(columns(seen), values[-2:], context(2)).predict(columns(GRID))[0]
    truth = np.sin(5 * GRID[:, 0])
    assert np.abs(agreeing - truth).max() < 0.25 < np.abs(alone - truth).max()


def test_further_rows_shrink_the_doubt_and_nothing_else_where_they_are_as_expected() -> None:
    model = GaussianProcess.fit(columns(GRID[:4]), np.sin(GRID[:4, 0]), context(4))
    there = columns(np.array([[0.9]]))
    before, doubt = model.predict(there)
    after, less = model.told(there, before, context(1)).predict(there)
    assert after == pytest.approx(before)
    assert less < doubt


def test_the_same_rows_give_the_same_model() -> None:
    rng = np.random.default_rng(7)
    numbers, values = rng.random((40, 3)), rng.random(40)
    first, second = (GaussianProcess.fit(columns(numbers), values, context(40)) for _ in range(2))
    assert first.theta.tolist() == second.theta.tolist()


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_is_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        GaussianProcess.fit(columns(np.zeros((len(values), 1))), np.array(values), context(len(values)))


def test_equal_values_are_believed() -> None:
    model = GaussianProcess.fit(columns(GRID), np.full(9, 2.0), context(9))
    mean, sd = model.predict(columns(GRID))
    assert mean == pytest.approx(np.full(9, 2.0))
    assert (sd < 0.1).all()


def test_rows_that_are_told_later_may_be_of_other_hours_and_of_earlier_studies() -> None:
    """Though the model was fitted to rows of one moment and one study."""
    model = GaussianProcess.fit(columns(GRID), np.sin(3 * GRID[:, 0]), context(9))
    earlier = Context(at_s=np.array([0.0, 90.0]), speed=np.zeros(2), source=np.array([1, 0]))
    told = model.told(columns(np.array([[0.5], [0.55]])), np.sin(np.array([1.5, 1.65])), earlier)
    assert told.noise_sd == model.noise_sd
    assert told.predict(columns(GRID))[0] == pytest.approx(np.sin(3 * GRID[:, 0]), abs=0.1)
