"""Optuna's samplers by name: what they are told, what they draw, and the last resort."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution

from tests.builders import parameter, space_of
from tests.study import world
from tests.study.test_advisor import by_serving, go_on
from tuner.space.model import Budget, Choices, Configuration, FloatRange, IntRange
from tuner.space.values import Value
from tuner.study import names, samplers
from tuner.study.model import Proposal
from tuner.study.optuna_trial import as_drawn, drawn_from, ordered
from tuner.trials.model import Outcome

MIXED = space_of(
    [
        parameter("cpu", Choices(values=("2", "500m", 1))),
        parameter("wait", Choices(values=("1s", "50ms"))),
        parameter("kind", Choices(values=("sync", "gthread"))),
        parameter("on", Choices(values=(True, False))),
        parameter("batch", Choices(values=("auto", 1, 8, 64))),
        parameter("workers", IntRange(low=2, high=8, step=2)),
        parameter("share", FloatRange(low=0.1, high=0.9)),
    ]
)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("cpu", ("500m", 1, "2")),
        ("wait", ("50ms", "1s")),
        ("kind", None),
        ("on", None),
        ("batch", None),
        ("workers", None),
    ],
)
def test_choices_that_are_numbers_have_an_order(name: str, choices: tuple[Value, ...] | None) -> None:
    domain = MIXED.parameter(name).domain
    assert ordered(domain) == choices
    if choices is not None:
        assert drawn_from(domain) == IntDistribution(0, len(choices) - 1)
    elif isinstance(domain, Choices):
        assert drawn_from(domain) == CategoricalDistribution(domain.values)


@given(st.sampled_from([("cpu", ("2", "500m", 1)), ("wait", ("1s", "50ms"))]), st.data())
def test_a_choice_is_drawn_as_its_place_in_order(one: tuple[str, tuple[Value, ...]], data: st.DataObject) -> None:
    name, values = one
    value = data.draw(st.sampled_from(values))
    drawn = as_drawn(MIXED, Configuration(values={name: value}))
    choices = ordered(MIXED.parameter(name).domain)
    assert choices is not None
    assert choices[int(drawn[name])] == value


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ({"cpu": "4"}, {"cpu": 2}),
        ({"cpu": "1500m"}, {"cpu": 2}),
        ({"cpu": "100m"}, {"cpu": 0}),
        ({"workers": 99}, {"workers": 8}),
        ({"workers": 3}, {"workers": 4}),
        ({"workers": 0}, {"workers": 2}),
        ({"share": 7.0}, {"share": 0.9}),
        ({"share": 0.25}, {"share": 0.25}),
        ({"kind": "gevent", "on": True}, {"on": True}),
        ({"cpu": "lots"}, {}),
    ],
)
def test_for_a_baseline_outside_the_space_the_nearest_stands(values: dict[str, Value], drawn: dict[str, Value]) -> None:
    assert as_drawn(MIXED, Configuration(values=values)) == pytest.approx(drawn)


def test_the_store_holds_the_values_themselves_for_people(folder: Path) -> None:
    space = world.space_of()
    go_on(world.advisor_of(world.start_of(space, folder, stored=True), space), 4, by_serving)
    for trial in world.optuna_study(space, folder).get_trials():
        assert trial.params["cpu"] in ("500m", "1", "2")
        assert trial.distributions["cpu"] == CategoricalDistribution(("500m", "1", "2"))


def test_tpe_learns_the_order_of_quantities(new_folder: Callable[[], Path]) -> None:
    """Of nine sizes the sixth is best, and those beside it are next: late draws are near it, blind ones are not."""
    sizes = ("100m", "200m", "400m", "800m", "1500m", "3", "6", "12", "24")
    space = world.space_of([parameter(name, Choices(values=sizes)) for name in "ab"], budget=Budget(trials=40), slo=())

    def away(proposal: Proposal) -> float:
        return mean(abs(sizes.index(str(value)) - 5) for value in proposal.configuration.values.values())

    def outcome(proposal: Proposal) -> Outcome:
        return world.measured((), throughput=100.0 / (1.0 + away(proposal)), cost=1.0 + away(proposal))

    baseline = Configuration(values={"a": "100m", "b": "100m"})
    usual = {}
    for sampler in ("tpe", "random"):
        advisor = world.advisor_of(world.start_of(space, new_folder(), sampler=sampler), space, baseline)
        usual[sampler] = mean(away(proposal) for proposal in go_on(advisor, 30, outcome)[8:])
    assert usual["tpe"] < usual["random"] - 0.4


@pytest.mark.parametrize(("trials", "blind"), [(None, 5), (8, 3), (20, 4), (40, 8), (200, 10)])
def test_few_trials_are_blind(trials: int | None, blind: int) -> None:
    assert samplers._blind(space_of(MIXED.parameters, budget=Budget(trials=trials, time_s=60.0))) == blind


def test_the_last_resort_is_spread_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that draws nothing: what is tried then is not in the order of the file."""

    class Silent(samplers.Grid):
        def draw(self, number: int):  # type: ignore[no-untyped-def]
            yield from ()

    monkeypatch.setitem(samplers.SAMPLERS, "qmc", Silent)
    monkeypatch.setitem(samplers.SAMPLERS, "random", Silent)
    space = world.space_of()
    proposals = go_on(world.advisor_of(world.start_of(space, folder, sampler="qmc"), space), 100, by_serving)
    assert len(proposals) == 24
    first = [int(proposal.configuration.values["workers"]) for proposal in proposals[1:7]]
    assert first != sorted(first)
    assert len(set(first)) >= 4


def test_the_names_are_those_there_are() -> None:
    assert set(names.SAMPLERS) == {names.AUTO, *samplers.SAMPLERS}
