"""Proposals: valid, untried, the same for the same observations, and good ones soon."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.builders import COST, THROUGHPUT, parameter, space_of
from tuner.search.candidates import Candidates
from tuner.search.design import design_size
from tuner.search.encoding import Encoding
from tuner.search.model import Observation
from tuner.search.proposer import Proposer
from tuner.space.model import Choices, Configuration, Constraint, IntRange, SearchSpace
from tuner.statistics.model import FloatArray

WORKERS = parameter("workers", IntRange(low=1, high=12))
THREADS = parameter("threads", IntRange(low=1, high=8))
MODE = parameter("mode", Choices(values=("sync", "async")))
SPACE = space_of([WORKERS, THREADS, MODE], objectives=(THROUGHPUT,))
SLO = (Constraint(metric="latency_p99", bound=0.05),)


def measured(configuration: Configuration) -> dict[str, float]:
    """A server of four cores: workers beyond them only queue, threads help `sync` alone."""
    workers, threads = float(configuration.values["workers"]), float(configuration.values["threads"])
    parallel = workers * (threads**0.4 if configuration.values["mode"] == "sync" else 1.3)
    rate = 100 * parallel / (1 + (parallel / 6) ** 2)
    return {"throughput": rate, "latency_p99": 0.01 * (1 + workers * threads / 10), "cost": cost(configuration)}


def cost(configuration: Configuration) -> float:
    return 0.1 * float(configuration.values["workers"])


def costs(configurations: Sequence[Configuration]) -> FloatArray:
    return np.array([cost(one) for one in configurations])


def proposer(space: SearchSpace = SPACE, seed: int = 0, **others: Any) -> Proposer:
    return Proposer(space, Encoding(space), Candidates(space, seed), seed=seed, **others)


def observed(configuration: Configuration, **others: Any) -> Observation:
    return Observation(configuration=configuration, metrics=measured(configuration), **others)


def study(
    one: Proposer, trials: int, measure: Callable[[Configuration], Observation] = observed, **first: Any
) -> list[Observation]:
    found = [measure(Configuration(values={"workers": 1, "threads": 1, "mode": "sync"} | first))]
    for number in range(1, trials):
        proposed = next(one.propose(number, found), None)
        if proposed is None:
            break
        found.append(measure(proposed))
    return found


def values(observations: Sequence[Observation], metric: str = "throughput") -> list[float]:
    return [one.metrics[metric] for one in observations]


def best(space: SearchSpace, ok: Callable[[dict[str, float]], bool] = lambda _: True) -> float:
    return max(found["throughput"] for one in Candidates(space).listed if ok(found := measured(one)))


@pytest.mark.parametrize("seed", range(3))
def test_a_dozen_trials_find_nearly_the_best_of_two_hundred(seed: int) -> None:
    found = study(proposer(seed=seed), 12)
    assert max(values(found)) >= 0.95 * best(SPACE)


@pytest.mark.parametrize("seed", range(3))
def test_a_dozen_trials_find_nearly_the_best_that_meets_the_slo(seed: int) -> None:
    space = space_of([WORKERS, THREADS, MODE], objectives=(THROUGHPUT,), slo=SLO)
    found = [one for one in study(proposer(space, seed), 14) if one.metrics["latency_p99"] <= 0.05]
    assert max(values(found)) >= 0.95 * best(space, lambda metrics: metrics["latency_p99"] <= 0.05)


def test_nothing_is_proposed_twice_until_nothing_is_left() -> None:
    space = space_of([parameter("workers", IntRange(low=1, high=9)), MODE], objectives=(THROUGHPUT,))
    one = proposer(space)
    found = [observed(Configuration(values={"workers": 1, "mode": "sync", "threads": 1}))]
    given = {found[0].configuration.digest}
    for number in range(1, 19):
        proposed = next(one.propose(number, found))
        assert proposed.digest not in given
        given.add(proposed.digest)
        full = Configuration(values={**proposed.values, "threads": 1})
        found.append(Observation(configuration=proposed, metrics=measured(full)))
    assert list(one.propose(19, found)) == []


def test_what_was_tried_elsewhere_or_is_under_way_is_not_proposed() -> None:
    one = proposer()
    found = study(one, 8)
    first, second = itertools.islice(one.propose(8, found), 2)
    assert next(one.propose(8, found, {first.digest})) == second
    waiting = [*found, Observation(configuration=first, lived=None)]
    assert first not in list(one.propose(9, waiting))


def test_a_study_taken_up_again_goes_on_as_if_it_had_not_been_left() -> None:
    found = study(proposer(), 9)
    fresh = list(itertools.islice(proposer().propose(9, found), 5))
    one = proposer()
    for number in range(1, 9):
        next(one.propose(number, found[:number]))
    assert list(itertools.islice(one.propose(9, found), 5)) == fresh


def test_the_design_comes_first_and_differs_by_seed() -> None:
    size = design_size(3)
    designs = {tuple(one.configuration.digest for one in study(proposer(seed=seed), size + 1)) for seed in range(4)}
    assert len(designs) > 1


def test_an_earlier_study_stands_in_for_the_design() -> None:
    earlier = [observed(one, source="before") for one in Candidates(SPACE).listed[::12]]
    start = observed(Configuration(values={"workers": 1, "threads": 1, "mode": "sync"}))
    proposed = next(proposer().propose(1, [*earlier, start]))
    assert measured(proposed)["throughput"] >= 0.9 * best(SPACE)


def test_while_nothing_is_feasible_the_likeliest_is_tried() -> None:
    space = space_of(
        [WORKERS, THREADS, MODE], objectives=(THROUGHPUT,), slo=(Constraint(metric="latency_p99", bound=0.013),)
    )
    found = study(proposer(space), 14, workers=12, threads=8)
    assert min(values(found, "latency_p99")) <= 0.013


def test_what_breaks_a_bound_of_cost_is_never_tried() -> None:
    bounds = (Constraint(metric="cost", bound=0.45),)
    space = space_of([WORKERS, THREADS, MODE], objectives=(THROUGHPUT,), slo=bounds)
    found = study(proposer(space, costs=costs), 15)
    assert max(values(found, "cost")) <= 0.45
    assert max(values(found)) >= 0.95 * best(space, lambda metrics: metrics["cost"] <= 0.45)


def test_where_cost_alone_counts_nothing_dearer_than_a_sure_one_is_tried() -> None:
    bounds = (Constraint(metric="throughput", bound=150.0, at_least=True),)
    space = space_of([WORKERS, THREADS, MODE], objectives=(COST,), slo=bounds)
    found = study(proposer(space, costs=costs), 30, workers=6)
    feasible = [one for one in found if one.metrics["throughput"] >= 150]
    assert min(values(feasible, "cost")) == pytest.approx(0.1)
    assert max(values(found[1:], "cost")) < 0.6
    assert len(found) < 30


def test_two_objectives_fill_the_front() -> None:
    space = space_of([WORKERS, THREADS, MODE])
    found = study(proposer(space, costs=costs), 20)
    for price in (0.2, 0.4):
        affordable, possible = (
            max(metrics["throughput"] for metrics in group if metrics["cost"] <= price + 1e-9)
            for group in ([one.metrics for one in found], [measured(one) for one in Candidates(space).listed])
        )
        assert affordable >= 0.9 * possible


def test_what_is_to_be_gained_dwindles() -> None:
    one = proposer()
    found = study(one, 30)
    early, late = one.gain(found[:5]), one.gain(found)
    assert 0 <= late < 0.05
    assert late < early
    assert one.gain(found[:5], 10) >= early
    assert one.gain(found[:1]) >= 0


def test_two_objectives_gain_by_their_volume() -> None:
    one = proposer(space_of([WORKERS, THREADS, MODE]), costs=costs)
    found = study(one, 25)
    assert 0 <= one.gain(found, 5) < one.gain(found[:6], 5)


def test_while_nothing_is_known_all_is_to_be_gained() -> None:
    dead = Observation(configuration=Configuration(values={"workers": 1, "threads": 1, "mode": "sync"}), lived=False)
    for observations in ([], [dead]):
        assert proposer().gain(observations) == math.inf
        assert proposer().outlook(observations, 10) is None


def test_an_outlook_says_what_is_likely_and_what_is_possible() -> None:
    one = proposer()
    outlook = one.outlook(study(one, 8), 10)
    assert outlook is not None
    assert outlook.trials == 10
    assert 0 <= outlook.expected <= outlook.most


def test_where_all_was_tried_nothing_is_to_be_gained() -> None:
    one = proposer()
    outlook = one.outlook([observed(each) for each in Candidates(SPACE).listed], 10)
    assert outlook is not None
    assert outlook.most == 0


def test_what_kills_servers_is_avoided() -> None:
    def measure(configuration: Configuration) -> Observation:
        if float(configuration.values["workers"]) > 5:
            return Observation(configuration=configuration, lived=False, failure="OOMKilled")
        return observed(configuration)

    found = study(proposer(), 16, measure)
    assert sum(one.lived is True for one in found) >= 8
    assert max(one.metrics["throughput"] for one in found if one.lived) > 0.9 * max(
        measured(one)["throughput"] for one in Candidates(SPACE).listed if float(one.values["workers"]) <= 5
    )


def test_where_the_baseline_died_what_lives_is_looked_for() -> None:
    def measure(configuration: Configuration) -> Observation:
        if configuration.values["mode"] == "sync":
            return Observation(configuration=configuration, lived=False, failure="NotReady")
        return observed(configuration)

    found = study(proposer(), 8, measure)
    assert sum(one.lived is True for one in found) >= 3


def test_a_space_too_large_to_list_is_searched_too() -> None:
    space = space_of([parameter(name, IntRange(low=1, high=64)) for name in "abcd"], objectives=(THROUGHPUT,))
    one = proposer(space)

    def measure(configuration: Configuration) -> Observation:
        away = sum(math.log(float(configuration.values[name]) / 20) ** 2 for name in "abcd")
        return Observation(configuration=configuration, metrics={"throughput": 100 * math.exp(-away / 2)})

    found = [measure(Configuration(values=dict.fromkeys("abcd", 1)))]
    for number in range(1, 25):
        found.append(measure(next(one.propose(number, found))))
    assert max(values(found)) > 90
