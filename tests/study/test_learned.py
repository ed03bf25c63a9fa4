"""What a journal teaches: against a server whose figures are arithmetic."""

from __future__ import annotations

from itertools import product

import pytest

from tests.builders import parameter, study_start
from tests.study.world import BASELINE, CPU, WORKERS, serve, space_of, trial_of
from tuner.front.model import Candidate, Choice
from tuner.search.costs import Demand
from tuner.space.model import Configuration
from tuner.study.learned import knowledge, prediction
from tuner.study.optuna_importance import optuna_importances
from tuner.trials.journal import JournalContents
from tuner.trials.model import Trial

SPACE = space_of((WORKERS, parameter("cpu", CPU.domain, "limits/cpu", "requests/cpu")))
BEST = Configuration(values={"workers": 5, "cpu": "1"})


def trials() -> tuple[Trial, ...]:
    others = [Configuration(values={"workers": w, "cpu": cpu}) for w, cpu in product((1, 3, 5, 8), ("500m", "1", "2"))]
    tried = [BASELINE, *(one for one in others if one != BASELINE)]
    return tuple(
        trial_of(number, serve(one.values), one, purpose="search" if number else "baseline")
        for number, one in enumerate(tried)
    )


def contents(found: tuple[Trial, ...]) -> JournalContents:
    start = study_start(objectives=SPACE.objectives, slo=SPACE.slo)
    return JournalContents(start=start, trials=found, events=())


def choice(found: tuple[Trial, ...]) -> Choice:
    number = next(one.number for one in found if one.configuration == BEST)
    candidate = Candidate(trial=number, metrics={}, feasible=True, replicates=1)
    return Choice(candidate=candidate, pick="knee", reason="")


def test_what_mattered_of_a_whole_grid() -> None:
    found = trials()
    learned = knowledge(contents(found), SPACE, choice(found))
    assert learned.too_few == ""
    assert learned.configurations == len(found)
    of_latency = next(one for one in learned.matters if one.metric == "latency_p99")
    assert [one.knob for one in of_latency.knobs] == ["workers", "cpu"]
    assert 0.3 < of_latency.knobs[0].alone.value < 0.8
    of_throughput = next(one for one in learned.matters if one.metric == "throughput")
    assert set(of_throughput.others) == {"fANOVA", "PED-ANOVA"}
    assert sum(of_throughput.others["fANOVA"].values()) == pytest.approx(1.0)
    assert [sorted(step.knobs) for step in learned.steps] in ([["workers"], ["cpu"]], [["cpu"], ["workers"]])
    last = learned.steps[-1].changes[0]
    assert last.metric == "throughput"
    assert last.after.low < 400.0 < last.after.high


def test_too_few_trials() -> None:
    found = trials()[:3]
    assert knowledge(contents(found), SPACE, None).too_few.startswith("3 configurations were measured")


def test_a_prediction_knows_costs_exactly_where_they_are_known() -> None:
    cores = {"500m": 0.5, "1": 1.0, "2": 2.0}

    def demand(configuration: Configuration) -> Demand:
        needed = cores[str(configuration.values["cpu"])]
        return Demand(cost_per_hour=needed, cores=needed, memory_bytes=0.0)

    untried = Configuration(values={"workers": 4, "cpu": "1"})
    found = prediction(contents(trials()), SPACE, untried, demand)
    assert found.metrics["cost"].low == pytest.approx(1.0)
    assert found.metrics["throughput"].low < 400.0 < found.metrics["throughput"].high
    assert found.nearest is not None
    assert set(found.nearest.differs) == {"workers"}
    assert found.lives == 1.0
    assert found.meets is not None
    assert found.meets > 0.5


def test_optuna_is_asked_only_of_objectives_and_of_enough_trials() -> None:
    assert optuna_importances(SPACE, trials(), "latency_p99") == {}
    assert optuna_importances(SPACE, trials()[:9], "throughput") == {}
    again = [*trials()[:9], *trials()[:9]]
    assert optuna_importances(SPACE, again, "throughput") == {}, "starts of the same configurations tell no more"
