from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.front.candidates import THREE, TWO, candidate, candidates
from tuner.front.model import Candidate
from tuner.front.pareto import front
from tuner.space.model import Objective


def losses(one: Candidate) -> tuple[float, ...]:
    return tuple(one.metrics[o.metric] * (1 if o.direction == "minimize" else -1) for o in THREE)


def dominates(a: Candidate, b: Candidate) -> bool:
    return all(x <= y for x, y in zip(losses(a), losses(b), strict=True)) and losses(a) != losses(b)


@given(candidates())
def test_no_member_dominates_another_and_no_two_are_equal(found: list[Candidate]) -> None:
    members = front(found, THREE).members
    assert all(m.feasible for m in members)
    assert not any(dominates(a, b) for a in members for b in members)
    assert len({losses(m) for m in members}) == len(members)


@given(candidates())
def test_what_is_left_out_is_dominated_or_equal(found: list[Candidate]) -> None:
    members = front(found, THREE).members
    for one in found:
        if one.feasible and one not in members:
            assert any(dominates(m, one) or (losses(m) == losses(one) and m.trial < one.trial) for m in members)


@given(candidates(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(found: list[Candidate], random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert front(shuffled, THREE) == front(found, THREE)


@given(candidates(), st.tuples(*[st.integers(-20, 20).map(lambda e: 2.0**e)] * 3))
def test_units_do_not_matter(found: list[Candidate], scale: tuple[float, float, float]) -> None:
    factors = dict(zip(("throughput", "cost", "latency_p99"), scale, strict=True))
    scaled = [
        Candidate(trial=c.trial, metrics={k: v * factors[k] for k, v in c.metrics.items()}, feasible=c.feasible)
        for c in found
    ]
    plain, other = front(found, THREE), front(scaled, THREE)
    assert [m.trial for m in other.members] == [m.trial for m in plain.members]
    if plain.hypervolume is not None:
        assert other.hypervolume == pytest.approx(plain.hypervolume * math.prod(scale))


def test_hypervolume_against_the_worst_feasible_values() -> None:
    found = front(
        [candidate(0, 10, 4), candidate(1, 8, 2), candidate(2, 5, 5), candidate(3, 99, 1, feasible=False)], TWO
    )
    assert [m.trial for m in found.members] == [0, 1]
    assert dict(found.reference) == {"throughput": 5, "cost": 5}
    # 5 x 1 above trial 0's cost, and 3 x 2 below it down to trial 1's.
    assert found.hypervolume == pytest.approx(5 * 1 + 3 * 2)


def test_incomplete_and_infinite_values_stay_out() -> None:
    broken = Candidate(trial=1, metrics={"cost": 1.0}, feasible=True)
    infinite = candidate(2, math.inf, 1.0)
    found = front([candidate(0, 1, 1), broken, infinite], TWO)
    assert [m.trial for m in found.members] == [0]
    assert found.hypervolume == 0.0


def test_nothing_feasible_is_an_empty_front() -> None:
    found = front([candidate(0, 1, 1, feasible=False)], TWO)
    assert (found.members, found.hypervolume, dict(found.reference)) == ((), None, {})


def test_one_objective_has_one_member_even_when_tied() -> None:
    one = (Objective(metric="throughput", direction="maximize"),)
    found = front([candidate(0, 3, 1), candidate(1, 7, 9), candidate(2, 7, 1)], one)
    assert [m.trial for m in found.members] == [1]
    assert found.hypervolume == 4.0
