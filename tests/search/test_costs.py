"""Costs known without a trial: exact, of few configurations looked at, and unknown rather than guessed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.builders import parameter, space_of
from tuner.search.candidates import Candidates
from tuner.search.costs import Costs, Demand
from tuner.space.model import Choices, Condition, Configuration, FloatRange, IntRange, SearchSpace
from tuner.units import quantity

WORKERS = parameter("workers", IntRange(low=1, high=40), "env/GUNICORN_WORKERS")
PODS = parameter("pods", IntRange(low=1, high=20), "replicas")
CPU = parameter("cpu", Choices(values=("250m", "500m", "1", "2")), "limits/cpu", "requests/cpu")
ANY_CPU = parameter("cpu", FloatRange(low=0.1, high=8.0), "limits/cpu", "requests/cpu")
MEMORY = parameter("memory", IntRange(low=2**27, high=2**33, step=2**20), "requests/memory")
FLAVOUR = parameter("flavour", Choices(values=("small", "large")), "path:/spec/template/metadata/labels/flavour")


class Counted:
    """So much for each pod, and a sidecar of a tenth of a core; more than 12 cores there are not."""

    def __init__(self, shape: Callable[[float], float] = lambda cores: cores) -> None:
        self.asked: list[Configuration] = []
        self._shape = shape

    def __call__(self, configuration: Configuration) -> Demand:
        self.asked.append(configuration)
        values = configuration.values
        pods = int(values.get("pods", 1))
        cores = pods * (self._shape(float(quantity(values["cpu"]))) + 0.1)
        memory = pods * float(values.get("memory", 2**28))
        price = 2.0 if values.get("flavour") == "large" else 1.0
        return Demand(
            cost_per_hour=price * (0.03 * cores + 0.004 * memory / 2**30),
            cores=cores,
            memory_bytes=memory,
            impossible="12 cores are all there are" if cores > 12 else None,
        )


def exact(space: SearchSpace, demand: Counted, configurations: tuple[Configuration, ...]) -> None:
    told = [Counted(demand._shape)(one) for one in configurations]
    costs = Costs(space, demand)
    assert costs(configurations) == pytest.approx(np.array([one.cost_per_hour for one in told]), rel=1e-9)


def test_what_only_the_server_sees_is_not_looked_at_again() -> None:
    demand, space = Counted(), space_of([WORKERS, PODS, CPU])
    listed = Candidates(space).listed
    exact(space, demand, listed)
    assert len(listed) == 40 * 20 * 4
    assert len(demand.asked) == 20 * 4


def test_many_combinations_are_worked_out_from_few_and_are_exact() -> None:
    demand, space = Counted(), space_of([WORKERS, PODS, ANY_CPU, MEMORY, FLAVOUR])
    listed = Candidates(space).listed
    exact(space, demand, listed)
    assert len(listed) > 10_000
    assert len(demand.asked) < 100


def test_what_is_not_linear_is_left_unknown() -> None:
    demand, space = Counted(lambda cores: cores**2), space_of([WORKERS, PODS, ANY_CPU, MEMORY])
    costs, listed = Costs(space, demand), Candidates(space).listed
    assert not costs.are_known(listed)
    assert costs.possible(listed).all()
    assert len(demand.asked) < 100
    few = listed[:50]
    assert costs(few) == pytest.approx([demand(one).cost_per_hour for one in few])


def test_a_parameter_that_sometimes_does_not_exist_is_worked_out_apart() -> None:
    when = Condition(parameter="flavour", values=("large",))
    sometimes = parameter("memory", IntRange(low=2**27, high=2**33, step=2**20), "requests/memory", when=when)
    space = space_of([FLAVOUR, sometimes, ANY_CPU, PODS])
    exact(space, Counted(), Candidates(space).listed)


def test_what_can_never_run_is_known_and_counted() -> None:
    space = space_of([WORKERS, PODS, CPU])
    costs, listed = Costs(space, Counted()), Candidates(space).listed
    possible = costs.possible(listed)
    assert {
        one.values["pods"] for one, can in zip(listed, possible, strict=True) if one.values["cpu"] == "2" and can
    } == {
        1,
        2,
        3,
        4,
        5,
    }
    assert costs.impossible(listed) == {"12 cores are all there are": int((~possible).sum())}


def test_a_baseline_outside_the_space_has_its_cost_too() -> None:
    space = space_of([WORKERS, PODS, CPU])
    baseline = Configuration(values={"workers": 1, "pods": 50, "cpu": "3"})
    assert Costs(space, Counted())([baseline]) == pytest.approx([Counted()(baseline).cost_per_hour])
