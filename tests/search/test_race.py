"""The race on worlds whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.builders import COST, THROUGHPUT
from tuner.search.race import ROUNDS, Step, step
from tuner.search.standings import Aim, Contender
from tuner.space.model import Constraint

BOUND = 0.1
P99 = Constraint(metric="latency_p99", bound=BOUND)
ONE = Aim(objectives=(THROUGHPUT,), slo=(P99,), pick="knee")
TWO = Aim(objectives=(THROUGHPUT, COST), slo=(P99,), pick="knee")
WANTED = 3


@dataclass
class World:
    """A search that went to the edge of the SLO: the more a configuration serves, the nearer it is to its bound, or
    beyond. Contender 0 is the baseline: safe, and slow."""

    seed: int
    noise: float
    """Standard deviation of a restart, in the logarithm."""
    configurations: int = 15
    contenders: list[Contender] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = np.random.default_rng(self.seed)
        edge = self.dice.uniform(-0.5, 0.12, self.configurations)
        edge[0] = -1.0
        self.latency = BOUND * np.exp(edge)
        self.throughput = 400.0 * np.exp(edge + self.dice.normal(0.0, 0.05, self.configurations))
        self.cost = np.round(self.dice.uniform(0.02, 0.05, self.configurations), 3)
        self.contenders = [
            Contender(trial=trial, searched=self.measured(trial), fresh={}) for trial in range(self.configurations)
        ]

    def measured(self, trial: int) -> dict[str, tuple[float, ...]]:
        throughput, latency = np.exp(self.dice.normal(0.0, self.noise, 2))
        return {
            "throughput": (float(self.throughput[trial] * throughput),),
            "latency_p99": (float(self.latency[trial] * latency),),
            "cost": (float(self.cost[trial]),),
        }

    def start(self, trial: int) -> None:
        one = self.contenders[trial]
        fresh = {name: one.fresh.get(name, ()) + found for name, found in self.measured(trial).items()}
        self.contenders[trial] = replace(one, fresh=fresh, starts=one.starts + 1)

    def best_seen(self) -> int:
        """What would be chosen without a race."""
        met = [one.trial for one in self.contenders if one.searched["latency_p99"][0] <= BOUND]
        return max(met, key=lambda trial: self.contenders[trial].searched["throughput"])

    def meets(self, trial: int) -> bool:
        return bool(self.latency[trial] <= BOUND)


def race(world: World, aim: Aim = ONE, most: int = 100) -> tuple[Step, list[int]]:
    """To its end; and who was started, one after the other."""
    started: list[int] = []
    while True:
        came = step(world.contenders, aim, baseline=0, wanted=WANTED, used=len(started))
        if came.start is None or len(started) == most:
            return came, started
        world.start(came.start)
        started.append(came.start)


def test_what_is_chosen_at_the_edge_truly_meets_the_slo() -> None:
    """At 7 % noise, where the best that was seen does in half of the studies."""
    kept = lucky = 0
    worth, flattered = [], []
    for seed in range(40):
        world = World(seed, noise=0.07)
        seen = world.best_seen()
        came, started = race(world)
        assert came.chosen is not None
        kept += world.meets(came.chosen)
        lucky += world.meets(seen)
        fresh = world.contenders[came.chosen].fresh
        assert len(fresh["throughput"]) >= WANTED
        assert started.count(0) == WANTED
        flattered.append(math.exp(np.mean(np.log(fresh["throughput"]))) / world.throughput[came.chosen])
        worth.append(world.throughput[came.chosen] / world.throughput[world.latency <= BOUND].max())
    assert kept >= 38
    assert lucky <= 30
    assert np.median(worth) >= 0.9
    assert np.median(flattered) == pytest.approx(1.0, abs=0.04)


def test_on_a_quiet_machine_the_race_is_as_short_as_can_be_and_finds_the_best() -> None:
    for seed in range(10):
        world = World(seed, noise=0.001, configurations=6)
        world.latency = np.full(6, 0.03)
        world.throughput = np.array([100.0, 200.0, 300.0, 240.0, 150.0, 120.0])
        world.__dict__["contenders"] = [
            Contender(trial=trial, searched=world.measured(trial), fresh={}) for trial in range(6)
        ]
        came, started = race(world)
        assert came.chosen == 2
        assert started == [0, 2] * WANTED, "in turn with the baseline"


@pytest.mark.parametrize("aim", [ONE, TWO, replace(TWO, pick="cost"), replace(TWO, pick="latency")])
def test_every_pick_comes_to_an_end_within_its_starts(aim: Aim) -> None:
    for seed in range(4):
        came, started = race(World(seed, noise=0.1), aim)
        assert came.start is None
        assert len(started) <= ROUNDS * WANTED + 2 * WANTED


def test_it_depends_on_what_was_measured_alone() -> None:
    world = World(3, noise=0.07)
    whole, started = race(world)
    again = World(3, noise=0.07)
    assert race(again) == (whole, started)
    assert step(world.contenders, ONE, baseline=0, wanted=WANTED, used=len(started)) == whole


def contender(trial: int, throughput: Sequence[float], latency: Sequence[float], cost: float, fresh: int) -> Contender:
    values = {
        "throughput": tuple(throughput),
        "latency_p99": tuple(latency),
        "cost": tuple(cost for _ in throughput),
    }
    return Contender(trial=trial, searched={} if fresh else values, fresh=values if fresh else {}, starts=fresh)


def test_of_equals_the_cheaper_is_chosen_and_the_dearer_is_named() -> None:
    dear = contender(1, [300.0, 303.0, 301.0], [0.03] * 3, 0.08, 3)
    cheap = contender(2, [299.0, 301.0, 300.0], [0.03] * 3, 0.02, 3)
    base = contender(0, [100.0, 101.0, 99.0], [0.03] * 3, 0.02, 3)
    came = step([base, dear, cheap], ONE, baseline=0, wanted=3, used=9, spent="the money is used up")
    assert (came.start, came.chosen, came.equals) == (None, 2, (1,))


def test_one_that_died_when_it_was_started_again_is_out() -> None:
    fallen = replace(contender(1, [900.0], [0.03], 0.02, 1), sound=False)
    came = step([contender(0, [100.0], [0.03], 0.02, 0), fallen], ONE, baseline=0, wanted=1, used=2)
    assert came.fallen == (1,)
    assert came.start == 0


def test_where_nothing_meets_the_slo_nothing_is_chosen() -> None:
    slow = contender(0, [100.0], [9.0], 0.02, 0)
    came = step([slow], ONE, baseline=0, wanted=3, used=0)
    assert (came.start, came.chosen) == (None, None)


def test_a_budget_that_is_spent_ends_it_at_once() -> None:
    came = step(World(1, noise=0.07).contenders, ONE, baseline=0, wanted=3, used=0, spent="the time is used up")
    assert came.start is None
    assert came.chosen is not None
    assert came.why == "the time is used up"
