"""The sampler `auto`: nothing proposed for nothing, exhaustive where the budget allows, the same after a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import parameter
from tests.study.test_advisor import by_serving, go_on
from tests.study.world import BASELINE, CPU, WORKERS, crashed, measured, render, serve, space_of, start_of
from tuner.manifests.model import Rendered
from tuner.search.costs import Demand
from tuner.search.model import Observation
from tuner.space.model import Budget, Choices, Configuration, Constraint, Objective, SearchSpace
from tuner.study.advisor import SamplingAdvisor
from tuner.study.model import Proposal
from tuner.trials.model import Failed, Outcome

CORES = {"500m": 0.5, "1": 1.0, "2": 2.0}
SIZED = parameter("cpu", Choices(values=("500m", "1", "2")), "limits/cpu", "requests/cpu")
MEMORY = parameter("memory", Choices(values=("256Mi", "512Mi", "1Gi")), "limits/memory", "requests/memory")


def auto(space: SearchSpace, folder: Path, baseline: Configuration = BASELINE, **others: object) -> SamplingAdvisor:
    return SamplingAdvisor(
        start=start_of(space, folder, sampler="auto"),
        space=space,
        baseline=baseline,
        render=render,
        infeasible=lambda _: None,
        **others,  # type: ignore[arg-type]
    )


def demand(configuration: Configuration) -> Demand:
    cores = CORES[str(configuration.values["cpu"])]
    return Demand(cost_per_hour=cores, cores=cores, memory_bytes=2.0**30)


def test_the_best_is_found_in_a_dozen(folder: Path) -> None:
    """Of 24: at most 8 workers, 3 sizes; the best throughput that meets the SLO costs two cores."""
    proposals = go_on(auto(space_of(), folder, demand=demand), 12, by_serving)
    best = Configuration(values={"workers": 8, "cpu": "2"})
    assert best.digest in {proposal.configuration.digest for proposal in proposals}


def test_what_demand_rules_out_is_neither_proposed_nor_rendered(folder: Path) -> None:
    rendered: list[Configuration] = []

    def counted(configuration: Configuration) -> Rendered:
        rendered.append(configuration)
        return render(configuration)

    def small(configuration: Configuration) -> Demand:
        asked = demand(configuration)
        return replace(asked, impossible="only one core is here" if asked.cores > 1 else None)

    space = space_of([WORKERS, SIZED])
    advisor = SamplingAdvisor(
        start=start_of(space, folder, sampler="auto"),
        space=space,
        baseline=BASELINE,
        render=counted,
        infeasible=lambda _: None,
        demand=small,
    )
    proposals = go_on(advisor, 100, by_serving)
    assert len(proposals) == len(rendered) == 16
    assert advisor.left_out() == {"only one core is here": 8}


def test_what_cannot_run_for_another_reason_is_asked_one_by_one(folder: Path) -> None:
    def unrecorded(configuration: Configuration) -> str | None:
        return "nobody recorded it" if configuration.values["workers"] == 3 else None

    advisor = auto(space_of(), folder, impossible=unrecorded)
    proposals = go_on(advisor, 100, by_serving)
    assert len(proposals) == 21
    assert all(proposal.configuration.values["workers"] != 3 for proposal in proposals)


def test_what_certainly_dies_is_left_out_and_counted(folder: Path) -> None:
    """Of 72, those with more workers than the memory has room for are killed."""
    space = space_of([parameter("workers", WORKERS.domain, "env/GUNICORN_WORKERS"), SIZED, MEMORY])
    room = {"256Mi": 1, "512Mi": 2, "1Gi": 4}

    def outcome(proposal: Proposal) -> Outcome:
        values = proposal.configuration.values
        if int(values["workers"]) > room[str(values["memory"])]:
            return Failed(stage="ready", kind="OOMKilled", reason="killed")
        return serve(values)

    baseline = Configuration(values={"workers": 1, "cpu": "500m", "memory": "1Gi"})
    advisor = auto(space, folder, baseline)
    proposals = go_on(advisor, 100, outcome)
    died = [p for p in proposals if isinstance(outcome(p), Failed)]
    lived = [p for p in proposals if not isinstance(outcome(p), Failed)]
    assert len(lived) == 3 * (1 + 2 + 4)
    assert len(died) <= 40
    left_out = advisor.left_out()
    assert left_out == {"OOMKilled, and it has no more memory": 72 - len(proposals)}


def test_costs_that_are_not_what_was_measured_are_not_trusted(tmp_path: Path) -> None:
    """Bounded by a cost that is twice what demand tells: what would be left out by its own reckoning is tried."""
    space = space_of(
        objectives=(Objective(metric="throughput", direction="maximize"),),
        slo=(Constraint(metric="cost", bound=1.1),),
    )

    def outcome(proposal: Proposal) -> Outcome:
        cores = CORES[str(proposal.configuration.values["cpu"])]
        return measured(space.slo, throughput=100 * cores, cost=cores / 2, latency_p99=0.01)

    wrong = go_on(auto(space, tmp_path, demand=demand), 10, outcome)
    assert "2" in {proposal.configuration.values["cpu"] for proposal in wrong}


def test_proposals_under_way_are_not_proposed_again_and_are_told(folder: Path) -> None:
    advisor = auto(space_of(), folder)
    together = [advisor.ask() for _ in range(6)]
    assert len({proposal.configuration.digest for proposal in together if proposal is not None}) == 6


def test_what_was_observed_elsewhere_counts(tmp_path: Path) -> None:
    """Told of a whole study on the same space, the first proposal is among its best."""
    space = space_of(objectives=(Objective(metric="throughput", direction="maximize"),))
    earlier = []
    again = tmp_path / "again"
    again.mkdir()
    for proposal in go_on(auto(space, tmp_path), 24, by_serving):
        outcome = serve(proposal.configuration.values)
        assert not isinstance(outcome, Failed)
        metrics = outcome.measurement.metrics() if hasattr(outcome, "measurement") else {}
        earlier.append(Observation(configuration=proposal.configuration, metrics=metrics, source="before"))
    own: list[Observation] = []
    advisor = auto(space, again, observed=lambda: (*earlier, *own))
    first = advisor.ask()
    assert first is not None
    advisor.tell(0, serve(first.configuration.values))
    own.append(replace(next(one for one in earlier if one.configuration == first.configuration), source=""))
    second = advisor.ask()
    assert second is not None
    values = second.configuration.values
    assert min(int(values["workers"]), 4 * CORES[str(values["cpu"])]) >= 6


def test_a_study_in_which_everything_dies_goes_on_to_its_end(folder: Path) -> None:
    proposals = go_on(auto(space_of([WORKERS, CPU]), folder), 100, lambda _: crashed())
    assert len(proposals) == 24


@pytest.mark.parametrize("trials", [None, 3])
def test_a_budget_of_any_size(trials: int | None, folder: Path) -> None:
    space = space_of(budget=Budget(trials=trials, time_s=60.0))
    assert len(go_on(auto(space, folder), 5, by_serving)) == 5


def test_rules_that_leave_nothing_end_the_study_after_the_baseline(folder: Path) -> None:
    assert len(go_on(auto(space_of(rules=["workers > 8"]), folder), 5, by_serving)) == 1


def test_an_outlook_is_told_once_enough_is_known(folder: Path) -> None:
    advisor = auto(space_of(), folder, demand=demand)
    assert advisor.outlook(10) is None
    go_on(advisor, 10, by_serving)
    found = advisor.outlook(10)
    assert found is not None
    assert 0.0 <= found.expected <= found.most


def test_the_commonest_reasons_are_told_and_the_rest_counted(folder: Path) -> None:
    def impossible(configuration: Configuration) -> str | None:
        workers = int(configuration.values["workers"])
        return None if workers < 3 else f"no room for {workers if configuration.values['cpu'] == '2' else 3}"

    advisor = auto(space_of(), folder, impossible=impossible)
    go_on(advisor, 2, by_serving)
    left_out = advisor.left_out()
    assert next(iter(left_out.items())) == ("no room for 3", 13)
    assert len(left_out) == 5
    assert left_out["other reasons"] == 2
    assert sum(left_out.values()) == 18
