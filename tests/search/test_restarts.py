"""What restarts tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.search.restarts import Noise, noise, sureness, sureness_of_all
from tuner.space.model import Constraint

P99 = Constraint(metric="latency_p99", bound=0.1)
LEAST = Constraint(metric="throughput", bound=100.0, at_least=True)
VALUES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5)


def test_the_scatter_is_that_of_the_restarts_where_there_are_many() -> None:
    dice = np.random.default_rng(1)
    groups = [tuple(50.0 * np.exp(dice.normal(0.0, 0.2, 4))) for _ in range(40)]
    found = noise(groups)
    assert found.sd == pytest.approx(0.2, rel=0.15)
    assert found.degrees == 3 + 40 * 3


def test_without_restarts_the_prior_stands() -> None:
    assert noise([(1.0,), (), (0.0, 5.0)]) == Noise()


@given(VALUES)
def test_sureness_is_a_probability_and_a_looser_bound_is_met_more_surely(values: list[float]) -> None:
    tight, loose = (sureness(Constraint(metric="latency_p99", bound=b), values, Noise()) for b in (0.1, 0.2))
    assert 0.0 <= tight <= loose <= 1.0


@given(VALUES)
def test_bounds_from_below_and_from_above_share_out_the_whole(values: list[float]) -> None:
    above = sureness(Constraint(metric="throughput", bound=5.0, at_least=True), values, Noise())
    below = sureness(Constraint(metric="throughput", bound=5.0), values, Noise())
    assert above + below == pytest.approx(1.0)


def test_more_restarts_are_surer() -> None:
    one, three = (sureness(P99, [0.09] * times, Noise()) for times in (1, 3))
    assert 0.5 < one < three < 1.0


def test_what_has_no_logarithm_or_is_exact_is_met_or_not() -> None:
    assert sureness(Constraint(metric="error_ratio", bound=0.01), [0.0, 0.0, 0.5], Noise()) == 1.0
    assert sureness(Constraint(metric="cost", bound=0.01), [0.0101], Noise()) == 0.0
    with pytest.raises(ValueError, match="no value"):
        sureness(P99, [], Noise())


def test_all_bounds_have_to_be_met_and_measured() -> None:
    values = {"latency_p99": [0.01], "throughput": [100.0]}
    assert sureness_of_all([P99, LEAST], values, {}) == pytest.approx(0.5, abs=0.01)
    assert sureness_of_all([P99, Constraint(metric="memory", bound=1.0)], values, {}) == 0.0
    assert sureness_of_all([], {}, {}) == 1.0
