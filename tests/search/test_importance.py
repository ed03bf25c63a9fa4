"""Shares of variance: against functions whose shares are known on paper, and what always holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import parameter, space_of
from tuner.search.importance import importances
from tuner.search.lattice import coarse_levels_of, lattice, levels_of
from tuner.space.model import Choices, Condition, FloatRange, IntRange

A = parameter("a", IntRange(low=0, high=3))
B = parameter("b", IntRange(low=0, high=3))
C = parameter("c", Choices(values=("x", "y")))
SPACE = space_of((A, B, C))


def test_of_a_sum_each_part_is_its_variance() -> None:
    """Uniform on 0..3 has a variance of 1.25: a + 2 b has shares of 1 / 5 and 4 / 5, and c has none."""
    configurations, whole = lattice(SPACE)
    values = np.array([[one.values["a"] + 2 * one.values["b"] for one in configurations]], dtype=float)  # type: ignore[operator]
    knobs, pairs = importances(["a", "b", "c"], levels_of(["a", "b", "c"], configurations), values, whole=whole)
    assert [one.knob for one in knobs] == ["b", "a", "c"]
    assert [one.alone.value for one in knobs] == pytest.approx([0.8, 0.2, 0.0])
    assert [one.in_all.value for one in knobs if one.in_all] == pytest.approx([0.8, 0.2, 0.0])
    assert [one.share.value for one in pairs] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


def test_of_a_sample_numbers_of_many_values_explain_no_more_than_there_is() -> None:
    """900 configurations of 5,000 values a knob: hardly two have the same, so that levels alone would explain all."""
    names = [f"k{place}" for place in range(12)]
    space = space_of(tuple(parameter(name, IntRange(low=5000, high=9999)) for name in names))
    configurations, whole = lattice(space)
    assert not whole
    values = np.array([[float(one.values["k3"]) for one in configurations]])  # type: ignore[arg-type]
    knobs, pairs = importances(names, coarse_levels_of(names, configurations), values, whole=whole)
    assert knobs[0].knob == "k3"
    assert knobs[0].alone.value > 0.9
    assert max(one.alone.value for one in knobs[1:]) < 0.03
    assert max(one.share.value for one in pairs) < 0.05


def test_of_a_product_about_its_mean_all_is_interaction() -> None:
    configurations, whole = lattice(SPACE)
    values = np.array([[(one.values["a"] - 1.5) * (one.values["b"] - 1.5) for one in configurations]])  # type: ignore[operator]
    knobs, pairs = importances(["a", "b", "c"], levels_of(["a", "b", "c"], configurations), values, whole=whole)
    assert pairs[0].knobs == ("a", "b")
    assert pairs[0].share.value == pytest.approx(1.0)
    assert {one.knob: round(one.alone.value, 9) for one in knobs} == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert {one.knob: round(one.in_all.value, 9) for one in knobs if one.in_all} == {"a": 1.0, "b": 1.0, "c": 0.0}


def test_intervals_are_as_wide_as_the_draws_differ() -> None:
    configurations, _ = lattice(SPACE)
    levels = levels_of(["a", "b", "c"], configurations)
    a, b = (np.array([float(one.values[name]) for one in configurations]) for name in ("a", "b"))
    knobs, _ = importances(["a", "b", "c"], levels, np.array([a + weight * b for weight in np.linspace(0, 1, 50)]))
    share = next(one for one in knobs if one.knob == "b").alone
    assert share.low < 0.02
    assert share.high == pytest.approx(0.5, abs=0.05)


def test_a_metric_that_is_the_same_everywhere_depends_on_nothing() -> None:
    configurations, _ = lattice(SPACE)
    levels = levels_of(["a", "b", "c"], configurations)
    knobs, pairs = importances(["a", "b", "c"], levels, np.ones((3, len(configurations))))
    assert all(one.alone.value == 0.0 and one.in_all is not None and one.in_all.value == 0.0 for one in knobs)
    assert all(one.share.value == 0.0 for one in pairs)


@given(st.integers(0, 2**32 - 1))
def test_shares_are_shares_and_no_knob_does_less_in_all_than_alone(seed: int) -> None:
    """Where knobs are independent, which they are on a full grid."""
    configurations, _ = lattice(SPACE)
    levels = levels_of(["a", "b", "c"], configurations)
    values = np.random.default_rng(seed).standard_normal((4, len(configurations)))
    knobs, pairs = importances(["a", "b", "c"], levels, values)
    for one in knobs:
        assert one.in_all is not None
        assert 0.0 <= one.alone.low <= one.alone.value <= one.alone.high <= 1.0
        assert one.in_all.value >= one.alone.value - 1e-9
    assert all(0.0 <= one.share.low <= one.share.value <= one.share.high <= 1.0 for one in pairs)


def test_a_lattice_keeps_rules_conditions_words_and_the_ends_of_ranges() -> None:
    many = space_of(
        (
            parameter("a", IntRange(low=1, high=64, log=True)),
            parameter("b", FloatRange(low=0.0, high=1.0)),
            parameter("word", Choices(values=tuple("abcdefghij"))),
            parameter("on", Choices(values=(True, False))),
            parameter("d", IntRange(low=1, high=9), when=Condition(parameter="on", values=(True,))),
        ),
        rules=["a != 64 or b < 1"],
    )
    found, whole = lattice(many)
    assert whole
    assert 300 < len(found) <= 900
    assert len({one.digest for one in found}) == len(found)
    assert {one.values["word"] for one in found} == set("abcdefghij")
    assert {1, 64} <= {one.values["a"] for one in found}
    assert {0.0, 1.0} <= {one.values["b"] for one in found}
    assert all(("d" in one.values) == (one.values["on"] is True) for one in found)
    assert all(rule.holds(one.values) for one in found for rule in many.rules)


def test_of_too_many_words_the_lattice_is_a_sample() -> None:
    words = tuple(parameter(f"w{place}", Choices(values=tuple("abcd"))) for place in range(8))
    found, whole = lattice(space_of(words))
    assert not whole
    assert len(found) == 900
