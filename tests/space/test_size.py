"""Domains, conditions, and how many configurations there are: counted, against brute force."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import parameter, space_of
from tuner.space.active import active, exists, in_order
from tuner.space.domain import contains, count, extremes, grid
from tuner.space.model import Choices, Condition, Domain, FloatRange, IntRange, Parameter, SearchSpace
from tuner.space.size import Size, configurations, size
from tuner.space.values import Value


def test_grids() -> None:
    assert list(grid(IntRange(low=1, high=4)) or ()) == [1, 2, 3, 4]
    assert list(grid(IntRange(low=1, high=10, step=4)) or ()) == [1, 5, 9]
    assert len(grid(IntRange(low=1, high=2**53)) or ()) == 2**53, "a range is not written out"
    assert grid(FloatRange(low=0, high=0.5, step=0.1)) == (0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert grid(FloatRange(low=0, high=0.5)) is None
    assert grid(FloatRange(low=0.5, high=0.5)) == (0.5,)
    assert grid(Choices(values=("1", 500))) == ("1", 500)


def test_contains() -> None:
    assert contains(IntRange(low=1, high=9, step=4), 5)
    for value in (4, 13, 5.0, "5", True):
        assert not contains(IntRange(low=1, high=9, step=4), value)
    assert contains(FloatRange(low=0, high=1), 0.3)
    assert contains(FloatRange(low=0, high=1, step=0.1), 0.1 + 0.2), "a rounding error is no other value"
    for number in (0.35, 1.1, float("nan"), "0.3", True):
        assert not contains(FloatRange(low=0, high=1, step=0.1), number)
    assert contains(Choices(values=("1", True)), True)
    assert not contains(Choices(values=("1", True)), 1)


@given(
    st.builds(
        lambda low, length, step: IntRange(low=low, high=low + length, step=step),
        st.integers(-50, 50),
        st.integers(0, 50),
        st.integers(1, 9),
    )
    | st.builds(
        lambda low, steps, step: FloatRange(low=low / 100, high=(low + steps * step) / 100, step=step / 100),
        st.integers(-500, 500),
        st.integers(0, 50),
        st.integers(1, 99),
    )
)
def test_every_value_of_a_grid_is_in_its_domain(domain: Domain) -> None:
    values = grid(domain)
    assert values is not None
    assert len(values) == count(domain)
    assert all(contains(domain, value) for value in values)
    assert extremes(domain) == (values[0], values[-1])


def test_extremes_of_choices_compare_as_quantities() -> None:
    assert extremes(Choices(values=("1", "500m", "2"))) == ("500m", "2")
    assert extremes(Choices(values=("small", "500m", "large"))) == ("small", "large")
    assert extremes(FloatRange(low=0.1, high=0.9)) == (0.1, 0.9)


def test_the_ends_of_a_range_whose_last_step_ends_before_its_high_are_in_it() -> None:
    assert extremes(FloatRange(low=0, high=1, step=0.3)) == (0, 0.9)
    assert extremes(IntRange(low=1, high=10, step=4)) == (1, 9)


A = parameter("a", IntRange(low=1, high=2), when=Condition(parameter="b", values=(True,)))
B = parameter("b", Choices(values=(True, False)))
C = parameter("c", IntRange(low=1, high=3), when=Condition(parameter="a", values=(2,)))


def test_a_condition_comes_before_what_depends_on_it() -> None:
    assert in_order((C, A, B)) == (B, A, C)
    with pytest.raises(ValueError, match="the conditions of 'c', 'a' wait for each other"):
        in_order((C, parameter("a", A.domain, when=Condition(parameter="c", values=(1,)))))


def test_what_depends_on_the_absent_is_absent() -> None:
    assert active((C, A, B), {"a": 2, "b": True, "c": 3}) == {"b": True, "a": 2, "c": 3}
    assert active((C, A, B), {"a": 2, "b": False, "c": 3, "other": 1}) == {"b": False}
    assert exists(A, {"b": True})
    assert not exists(A, {})


def test_configurations_honour_conditions_and_rules() -> None:
    found = [dict(point.values) for point in configurations(space_of((C, A, B), ["c < 3"]))]
    assert found == [{"a": 1, "b": True}, {"a": 2, "b": True, "c": 1}, {"a": 2, "b": True, "c": 2}, {"b": False}]
    with pytest.raises(ValueError, match="'x' is continuous; give it a step"):
        list(configurations(space_of([parameter("x", FloatRange(low=0, high=1))])))


def test_size_says_what_it_knows() -> None:
    wide = [parameter(name, IntRange(low=1, high=10**6)) for name in "abc"]
    assert size(space_of(wide)) == Size(10**18)
    bounded = size(space_of(wide, ["a < b"]))
    assert bounded == Size(10**18, exact=False)
    assert str(bounded) == "at most 1,000,000,000,000,000,000"
    small = [*wide, parameter("d", IntRange(low=1, high=4)), parameter("e", IntRange(low=1, high=4))]
    assert size(space_of(small, ["d < e"])) == Size(6 * 10**18), "only what a rule speaks of is enumerated"
    assert size(space_of([parameter("x", FloatRange(low=0, high=1)), B])) is None


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """A few parameters, each perhaps conditional on an earlier one, in any order; and some rules."""
    parameters: list[Parameter] = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        when = None
        if parameters and draw(st.booleans()):
            other = draw(st.sampled_from(parameters))
            values = draw(st.sets(st.sampled_from(grid(other.domain)), min_size=1))
            when = Condition(parameter=other.name, values=tuple(sorted(values)))
        parameters.append(parameter(name, IntRange(low=1, high=draw(st.integers(1, 4))), when=when))
    names = st.sampled_from([item.name for item in parameters])
    rules = st.builds("{} {} {} + {}".format, names, st.sampled_from(["<", "<=", "!="]), names, st.integers(0, 2))
    return space_of(draw(st.permutations(parameters)), draw(st.lists(rules, max_size=3)))


def brute(space: SearchSpace) -> set[tuple[tuple[str, Value], ...]]:
    names = [item.name for item in space.parameters]
    found = set()
    for values in product(*(grid(item.domain) or () for item in space.parameters)):
        point: Mapping[str, Value] = active(space.parameters, dict(zip(names, values, strict=True)))
        if all(rule.holds(point) for rule in space.rules):
            found.add(tuple(sorted(point.items())))
    return found


@given(spaces())
def test_size_and_configurations_agree_with_brute_force(space: SearchSpace) -> None:
    expected = brute(space)
    points = [tuple(point.values.items()) for point in configurations(space)]
    assert len(points) == len(set(points))
    assert set(points) == expected
    assert size(space) == Size(len(expected))
