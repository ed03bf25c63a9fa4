from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.front.candidates import THREE, TWO, candidate, candidates
from tuner.front.choose import PICKS, by_race, by_trial, choose, satisfying
from tuner.front.model import Candidate
from tuner.front.pareto import front
from tuner.space.model import Constraint, Objective

KNEE = [candidate(0, 100, 10), candidate(1, 95, 2), candidate(2, 50, 1), candidate(3, 40, 9)]


def test_the_knee_is_nearest_to_the_ideal_and_says_so() -> None:
    choice = choose(front(KNEE, TWO), "knee")
    assert choice is not None
    assert (choice.candidate.trial, choice.pick) == (1, "knee")
    assert choice.reason == (
        "of 3 on the front the nearest to the ideal of all objectives, at a distance of 0.15 "
        "(0: best in all, 1: worst in one): throughput 95/s, cost 2/h"
    )


@pytest.mark.parametrize(("pick", "trial"), [("throughput", 0), ("cost", 2)])
def test_the_extremes(pick: str, trial: int) -> None:
    choice = choose(front(KNEE, TWO), pick)
    assert choice is not None
    assert choice.candidate.trial == trial
    assert "est " + pick in choice.reason
    assert "3 on the front" in choice.reason


def test_latency_goes_by_the_objective_else_by_p99() -> None:
    found = [
        candidate(0, 10, 2, latency_p50=0.003, latency_p99=0.010),
        candidate(1, 8, 1, latency_p50=0.002, latency_p99=0.020),
    ]
    p99 = choose(front(found, TWO), "latency")
    p50 = choose(front(found, (*TWO, Objective(metric="latency_p50", direction="minimize"))), "latency")
    assert p99 is not None
    assert p50 is not None
    assert p99.reason == "the lowest latency_p99 among 2 on the front: latency_p99 10 ms"
    assert p50.candidate.trial == 1


def test_a_pick_that_nobody_measured_chooses_nothing() -> None:
    assert choose(front(KNEE, TWO), "latency") is None
    with pytest.raises(ValueError, match="unknown pick 'best'"):
        choose(front(KNEE, TWO), "best")


def test_where_filters_and_an_unmeasured_metric_satisfies_nothing() -> None:
    cheap = Constraint(metric="cost", bound=1.5)
    choice = choose(front(KNEE, TWO), "throughput", [cheap])
    assert choice is not None
    assert choice.candidate.trial == 2
    assert "the 1 of 3 allowed" in choice.reason
    assert choose(front(KNEE, TWO), "knee", [Constraint(metric="memory", bound=1e12)]) is None
    assert satisfying(KNEE, [Constraint(metric="throughput", bound=95, at_least=True)]) == tuple(KNEE[:2])


def test_one_objective_and_one_member() -> None:
    best = choose(front(KNEE, TWO[:1]), "knee")
    assert best is not None
    assert best.reason == "the best of the front: throughput 100/s"
    only = choose(front(KNEE[:1], TWO), "knee")
    assert only is not None
    assert only.reason.startswith("the only member of the front")


@pytest.mark.parametrize("pick", PICKS)
def test_an_empty_front_gives_nothing(pick: str) -> None:
    assert choose(front([], TWO), pick) is None


def test_by_trial_takes_even_what_is_not_on_the_front() -> None:
    choice = by_trial([*KNEE, candidate(4, 1, 1, feasible=False)], 4)
    assert choice is not None
    assert choice.reason == "trial 4 was asked for; it does not meet the SLO"
    assert by_trial(KNEE, 17) is None


def test_the_reason_of_a_race_names_what_its_starts_measured() -> None:
    one = Candidate(trial=3, metrics={"throughput": 200.0}, feasible=True, measured_by=(7, 9))
    assert by_race(one, TWO) == "by 2 starts: throughput 200/s"
    assert by_race(one, TWO[1:]) == "by 2 starts", "they lacked what the search had measured"


@given(candidates(), st.sampled_from(PICKS), st.randoms(use_true_random=False), st.integers(-10, 10))
def test_choice_is_a_member_whatever_the_order_and_the_units(
    found: list[Candidate], pick: str, random, power: int
) -> None:
    pareto = front(found, THREE)
    choice = choose(pareto, pick)
    assert (choice is None) == (not pareto.members)
    if choice is None:
        return
    assert choice.candidate in pareto.members
    random.shuffle(found)
    scaled = [
        Candidate(trial=c.trial, metrics={k: v * 2.0**power for k, v in c.metrics.items()}, feasible=c.feasible)
        for c in found
    ]
    again = choose(front(scaled, THREE), pick)
    assert again is not None
    assert again.candidate.trial == choice.candidate.trial
