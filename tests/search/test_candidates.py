"""Candidates: all that is valid and nothing else, few or a hundred thousand, and a sample of more."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import parameter, space_of
from tuner.search.candidates import ENUMERABLE, Candidates, levels
from tuner.space.active import active
from tuner.space.domain import contains
from tuner.space.model import Choices, Condition, Configuration, FloatRange, IntRange, SearchSpace
from tuner.space.size import configurations

WORKERS = parameter("workers", IntRange(low=1, high=4))
CPU = parameter("cpu", Choices(values=("500m", "1", "2")))
MODE = parameter("mode", Choices(values=("single", "pooled", True)))
POOL = parameter("pool", IntRange(low=2, high=8, step=3), when=Condition(parameter="mode", values=("pooled", True)))
LONG = [parameter(name, IntRange(low=1, high=64)) for name in "abcd"]


def valid(space: SearchSpace, one: Configuration) -> bool:
    values = one.values
    return (
        active(space.parameters, values) == dict(values)
        and all(contains(space.parameter(name).domain, value) for name, value in values.items())
        and all(rule.holds(values) for rule in space.rules)
    )


@pytest.mark.parametrize(
    "space",
    [
        space_of([WORKERS, CPU]),
        space_of([POOL, WORKERS, MODE, CPU], ["workers * cpu <= 4", "pool > workers", "mode != 'single' or cpu < 2"]),
        space_of([WORKERS, CPU], ["workers > 4"]),
        space_of([parameter("x", FloatRange(low=0.0, high=1.0, step=0.1)), WORKERS], ["x * workers < 2"]),
    ],
    ids=["12", "conditions and rules", "none", "steps"],
)
def test_a_small_space_is_listed_whole_and_in_order(space: SearchSpace) -> None:
    candidates = Candidates(space)
    assert candidates.complete
    assert candidates.listed == tuple(configurations(space))


def test_a_hundred_thousand_are_listed_and_one_more_is_sampled() -> None:
    ends = [parameter("a", IntRange(low=1, high=250)), parameter("b", IntRange(low=1, high=200)), MODE]
    exact = Candidates(space_of([*ends[:2], parameter("c", IntRange(low=1, high=2))]))
    assert exact.complete
    assert len(exact.listed) == ENUMERABLE
    more = Candidates(space_of(ends))
    assert not more.complete
    assert 1_000 < len(more.listed) < ENUMERABLE


def test_rules_that_leave_few_of_millions_still_leave_candidates() -> None:
    space = space_of(LONG, ["a * b <= 64", "c * d == 64", "a < b"])
    candidates = Candidates(space)
    assert len(candidates.listed) > 20
    assert all(valid(space, one) for one in candidates.listed)


def test_a_sample_is_the_seeds_and_holds_nothing_twice() -> None:
    space = space_of([*LONG, MODE, POOL], ["a <= b"])
    one, same, other = (Candidates(space, seed).listed for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert len({candidate.digest for candidate in one}) == len(one)
    assert all(valid(space, candidate) for candidate in one)


def test_a_sample_covers_every_value() -> None:
    listed = Candidates(space_of(LONG)).listed
    for name in "abcd":
        assert {candidate.values[name] for candidate in listed} == set(range(1, 65))


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e6), st.booleans())
def test_a_continuous_range_is_covered_on_its_natural_scale(low: float, ratio: float, log: bool) -> None:
    domain = FloatRange(low=low, high=low * ratio, log=log)
    found = [float(value) for value in levels(domain)]
    assert all(contains(domain, value) for value in found)
    assert found == sorted(found)
    assert found[0] == pytest.approx(domain.low, rel=1e-3)
    assert found[-1] == pytest.approx(domain.high, rel=1e-3)
    if ratio >= 4:
        steps = [math.log(b / a) for a, b in pairwise(found)]
        assert max(steps) <= 2 * math.log(ratio) / 255 + 2e-3


@given(st.integers(-5, 10_000), st.integers(300, 10**7), st.integers(1, 9), st.booleans())
def test_a_long_range_is_thinned_to_values_of_it(low: int, count: int, step: int, log: bool) -> None:
    domain = IntRange(low=low, high=low + count * step, step=step, log=log and low > 0)
    found = levels(domain)
    assert all(contains(domain, value) for value in found)
    assert len(set(found)) == len(found) <= 256
    assert (found[0], found[-1]) == (domain.low, domain.high)


def test_neighbours_are_valid_near_and_new() -> None:
    space = space_of([*LONG, parameter("x", FloatRange(low=0.1, high=1.0)), MODE, POOL], ["a * b == 64"])
    candidates = Candidates(space, seed=3)
    centre = candidates.listed[7]
    near = candidates.near([centre], number=5)
    assert near == candidates.near([centre], number=5)
    assert near != candidates.near([centre], number=6)
    assert centre not in near
    assert len({one.digest for one in near}) == len(near)
    assert all(valid(space, one) for one in near)
    for one in near:
        changed = {name for name in "abcdx" if one.values[name] != centre.values[name]}
        assert len(changed) <= 2


def test_neighbours_of_a_baseline_outside_the_space_are_in_it() -> None:
    space = space_of([WORKERS, CPU])
    near = Candidates(space).near([Configuration(values={"workers": 9, "cpu": "4"})])
    assert Configuration(values={"workers": 4, "cpu": "2"}) in near


def test_a_baseline_that_lacks_a_value_has_neighbours_too() -> None:
    space = space_of([WORKERS, CPU])
    near = Candidates(space).near([Configuration(values={"cpu": "1"})])
    assert near
    assert all(valid(space, one) for one in near)
