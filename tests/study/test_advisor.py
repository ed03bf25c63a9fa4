"""The advisor, over a real SQLite store: what it proposes, what it never proposes, and what Optuna is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from optuna.trial import TrialState

from tests.builders import parameter
from tests.study.world import (
    BASELINE,
    CPU,
    RATIO,
    WORKERS,
    advisor_of,
    crashed,
    digest,
    lost,
    measured,
    optuna_study,
    render,
    serve,
    space_of,
    start_of,
    stopped,
    trial_of,
)
from tuner.errors import InputError, StoreFailure
from tuner.manifests.model import Rendered
from tuner.space.active import active
from tuner.space.domain import contains
from tuner.space.model import Budget, Choices, Condition, Configuration, FloatRange, IntRange
from tuner.study.advisor import SamplingAdvisor
from tuner.study.model import Proposal
from tuner.trials.model import Attempt, Infeasible, Interrupted, Outcome

FEW_WORKERS = parameter("workers", IntRange(low=1, high=4))
SAMPLERS = ("auto", "tpe", "random", "nsga2", "qmc", "grid")


def go_on(advisor: SamplingAdvisor, trials: int, outcome: Callable[[Proposal], Outcome]) -> list[Proposal]:
    proposals = []
    for _ in range(trials):
        proposal = advisor.ask()
        if proposal is None:
            break
        proposals.append(proposal)
        advisor.tell(proposal.number, outcome(proposal))
    return proposals


def by_serving(proposal: Proposal) -> Outcome:
    return serve(proposal.configuration.values)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_configuration_is_proposed_once_and_then_none(sampler: str, folder: Path) -> None:
    space = space_of([FEW_WORKERS, CPU])
    advisor = advisor_of(start_of(space, folder, sampler=sampler), space)
    proposals = go_on(advisor, 100, by_serving)
    assert [proposal.number for proposal in proposals] == list(range(12))
    assert proposals[0].attempt == Attempt(number=0, purpose="baseline", configuration=BASELINE)
    assert len({proposal.configuration.digest for proposal in proposals}) == 12
    assert {proposal.purpose for proposal in proposals[1:]} == {"search"}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_rules_and_what_can_never_run_are_respected(sampler: str, folder: Path) -> None:
    space = space_of([FEW_WORKERS, CPU], rules=["workers <= 3"])
    advisor = advisor_of(
        start_of(space, folder, sampler=sampler),
        space,
        infeasible=lambda rendered: "too much" if rendered.objects[0]["cpu"] == "2" else None,
    )
    proposals = go_on(advisor, 100, by_serving)
    assert len(proposals) == 6
    assert all(p.configuration.values["workers"] <= 3 and p.configuration.values["cpu"] != "2" for p in proposals)


def test_configurations_of_one_manifest_are_one(folder: Path) -> None:
    """Two values may be written the same way: what is deployed counts, not how it was reached."""
    space = space_of()
    advisor = advisor_of(
        start_of(space, folder), space, render=lambda c: Rendered(text=f"{c.values['workers']}", objects=())
    )
    assert len(go_on(advisor, 100, by_serving)) == 8


def test_a_configuration_is_rendered_once_and_its_proposal_carries_the_manifest(folder: Path) -> None:
    space, seen = space_of([FEW_WORKERS, CPU]), list[Configuration]()

    def counted(configuration: Configuration) -> Rendered:
        seen.append(configuration)
        return render(configuration)

    advisor = advisor_of(start_of(space, folder), space, render=counted)
    first, *searched = go_on(advisor, 100, by_serving)
    assert [seen.count(proposal.configuration) for proposal in searched] == [1] * 11
    assert all(proposal.rendered == render(proposal.configuration) for proposal in (first, *searched))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_known_to_be_impossible_is_never_rendered(sampler: str, folder: Path) -> None:
    space, seen = space_of([FEW_WORKERS, CPU]), list[Configuration]()

    def counted(configuration: Configuration) -> Rendered:
        seen.append(configuration)
        return render(configuration)

    advisor = SamplingAdvisor(
        start=start_of(space, folder, sampler=sampler),
        space=space,
        baseline=BASELINE,
        render=counted,
        infeasible=lambda _: None,
        impossible=lambda configuration: "not recorded" if configuration.values["cpu"] == "2" else None,
    )
    assert len(go_on(advisor, 100, by_serving)) == 8
    assert all(configuration.values["cpu"] != "2" for configuration in seen)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_are_repeatable_and_a_restored_advisor_goes_on_as_if_nothing_happened(
    sampler: str, new_folder: Callable[[], Path]
) -> None:
    parameters = [WORKERS, CPU, parameter("threads", IntRange(low=1, high=16, log=True))]
    if sampler not in ("auto", "grid"):
        parameters.append(RATIO)
    space = space_of(parameters, budget=Budget(trials=24))

    def outcome(proposal: Proposal) -> Outcome:
        return crashed() if proposal.number % 5 == 3 else serve(proposal.configuration.values)

    first = {"workers": 1, "cpu": "500m", "threads": 1, "ratio": 0.5}
    baseline = Configuration(values={one.name: first[one.name] for one in parameters})
    whole = go_on(advisor_of(start_of(space, new_folder(), sampler=sampler), space, baseline), 24, outcome)
    again = go_on(advisor_of(start_of(space, new_folder(), sampler=sampler), space, baseline), 24, outcome)
    assert whole == again

    trials = [trial_of(p.number, outcome(p), p.configuration, purpose=p.purpose) for p in whole[:14]]
    resumed = advisor_of(start_of(space, new_folder(), sampler=sampler), space, baseline)
    resumed.restore(trials)
    assert go_on(resumed, 10, outcome) == whole[14:]


def test_other_seeds_propose_otherwise(new_folder: Callable[[], Path]) -> None:
    space = space_of([WORKERS, CPU, RATIO])
    baseline = Configuration(values={**BASELINE.values, "ratio": 0.5})
    ways = [
        go_on(advisor_of(start_of(space, new_folder(), seed=seed), space, baseline), 6, by_serving) for seed in (1, 2)
    ]
    assert ways[0][1:] != ways[1][1:]


def test_parameters_exist_only_while_their_condition_holds(folder: Path) -> None:
    pool = parameter("pool", IntRange(low=1, high=64, log=True), when=Condition(parameter="mode", values=("pooled",)))
    mode = parameter("mode", Choices(values=("single", "pooled")))
    space = space_of([pool, mode, WORKERS], budget=Budget(trials=40))
    baseline = Configuration(values={"mode": "single", "workers": 1})
    advisor = advisor_of(start_of(space, folder), space, baseline)
    proposals = go_on(advisor, 30, lambda p: measured(throughput=p.number + 1.0, cost=1.0, latency_p99=0.01))
    assert {"pool" in p.configuration.values for p in proposals} == {True, False}
    for proposal in proposals:
        assert dict(proposal.configuration.values) == active(space.parameters, proposal.configuration.values)
        assert ("pool" in proposal.configuration.values) == (proposal.configuration.values["mode"] == "pooled")


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_every_value_is_one_of_its_domain(sampler: str, folder: Path) -> None:
    parameters = [
        parameter("a", IntRange(low=1, high=10, step=4)),
        parameter("b", FloatRange(low=0.0, high=1.0, step=0.1)),
        parameter("c", FloatRange(low=0.001, high=1.0, log=True)),
        parameter("d", IntRange(low=1, high=1000, log=True)),
        parameter("e", Choices(values=(True, "500m", 3))),
        parameter("f", IntRange(low=5, high=5)),
    ]
    space = space_of(parameters, budget=Budget(trials=30))
    baseline = Configuration(values={"a": 1, "b": 0.5, "c": 0.5, "d": 1, "e": 3, "f": 5})
    advisor = advisor_of(start_of(space, folder, sampler=sampler), space, baseline)
    trials = 8 if sampler == "auto" else 30
    for proposal in go_on(advisor, trials, lambda p: measured(throughput=p.number + 1.0, cost=1.0, latency_p99=0.01)):
        for name, value in proposal.configuration.values.items():
            assert contains(space.parameter(name).domain, value)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "grid"])
def test_a_baseline_outside_the_space_is_no_obstacle(sampler: str, folder: Path) -> None:
    space = space_of()
    baseline = Configuration(values={"workers": 99, "cpu": "750m"})
    proposals = go_on(
        advisor_of(start_of(space, folder, sampler=sampler), space, baseline),
        12,
        lambda p: measured(throughput=p.number + 1.0, cost=1.0, latency_p99=0.01),
    )
    assert len({proposal.configuration.digest for proposal in proposals}) == 12


def test_a_baseline_outside_the_space_is_kept_with_the_values_optuna_can_hold(folder: Path) -> None:
    space = space_of()
    baseline = Configuration(values={"workers": 99, "cpu": "1"})
    advisor = advisor_of(start_of(space, folder, stored=True), space, baseline)
    go_on(advisor, 12, by_serving)
    trials = optuna_study(space, folder).get_trials()
    assert trials[0].params == {"cpu": "1"}
    assert all(trial.params.keys() == {"workers", "cpu"} for trial in trials[1:])


def test_what_optuna_is_told(folder: Path) -> None:
    space = space_of(budget=Budget(trials=30))
    advisor = advisor_of(start_of(space, folder, stored=True), space)
    outcomes: list[tuple[Outcome, TrialState, list[float] | None, dict[str, float]]] = [
        (
            measured(throughput=50.0, cost=2.0, latency_p99=0.05),
            TrialState.COMPLETE,
            [50.0, 2.0],
            {"latency_p99": -0.5},
        ),
        (measured(throughput=9.0, cost=1.0, latency_p99=0.2), TrialState.COMPLETE, [9.0, 1.0], {"latency_p99": 1.0}),
        (stopped(cost=2.0, latency_p99=0.3), TrialState.PRUNED, None, {"latency_p99": pytest.approx(2.0)}),
        (measured(cost=2.0, latency_p99=0.05), TrialState.PRUNED, None, {"latency_p99": -0.5, "failed": 100.0}),
        (measured(throughput=9.0, cost=2.0), TrialState.PRUNED, None, {"failed": 100.0}),
        (crashed(), TrialState.PRUNED, None, {"failed": 100.0}),
        (Infeasible(reason="no room"), TrialState.PRUNED, None, {"failed": 100.0}),
        (lost(), TrialState.FAIL, None, {}),
        (Interrupted(reason="Ctrl-C"), TrialState.FAIL, None, {}),
    ]
    proposals = go_on(advisor, len(outcomes), lambda proposal: outcomes[proposal.number][0])
    trials = optuna_study(space, folder).get_trials()
    for proposal, trial, (outcome, state, values, constraints) in zip(proposals, trials, outcomes, strict=True):
        assert trial.number == proposal.number
        assert (trial.state, trial.values, trial.constraints) == (state, values, constraints)
        assert trial.params == dict(proposal.configuration.values)
        assert trial.user_attrs["digest"] == digest(proposal.configuration)
        assert trial.user_attrs["outcome"] == type(outcome).__name__
        assert trial.user_attrs["reason"] == getattr(outcome, "reason", "")


def test_a_configuration_that_the_environment_failed_gets_one_more_chance(folder: Path) -> None:
    space = space_of([parameter("workers", IntRange(low=1, high=2))])
    advisor = advisor_of(start_of(space, folder), space, Configuration(values={"workers": 1}))
    proposals = go_on(advisor, 10, lambda proposal: lost())
    assert sorted(p.configuration.values["workers"] for p in proposals) == [1, 1, 2, 2]


def test_a_repeat_is_a_trial_of_its_own(folder: Path) -> None:
    space = space_of()
    advisor = advisor_of(start_of(space, folder, stored=True), space)
    first = go_on(advisor, 3, by_serving)
    again = advisor.repeat(1)
    assert again.attempt == Attempt(number=3, purpose="confirm", configuration=first[1].configuration)
    advisor.tell(3, serve(again.configuration.values))
    kept = optuna_study(space, folder).get_trials()
    assert kept[3].user_attrs["digest"] == kept[1].user_attrs["digest"]
    following = advisor.ask()
    assert following is not None
    assert following.number == 4


def test_only_the_next_trial_can_be_told(folder: Path) -> None:
    space = space_of()
    advisor = advisor_of(start_of(space, folder), space)
    with pytest.raises(KeyError):
        advisor.tell(0, lost())
    advisor.ask()
    with pytest.raises(KeyError, match="next to be told is 0"):
        advisor.tell(1, lost())


@pytest.mark.parametrize(
    "bad",
    [
        crashed(),
        Infeasible(reason="no room"),
        stopped(cost=1.0, latency_p99=0.5),
        measured(throughput=10.0, cost=1.0, latency_p99=0.5),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_tpe_keeps_away_from_the_half_that_fails(bad: Outcome, folder: Path) -> None:
    """Blind draws would put half of the proposals there; whatever way they fail, TPE puts less than a quarter."""
    space = space_of([parameter("x", FloatRange(low=0.0, high=1.0)), RATIO], budget=Budget(trials=40))
    advisor = advisor_of(start_of(space, folder), space, Configuration(values={"x": 0.2, "ratio": 0.5}))

    def outcome(proposal: Proposal) -> Outcome:
        x, ratio = (float(proposal.configuration.values[name]) for name in ("x", "ratio"))
        good = measured(throughput=100 - 100 * (x - 0.25) ** 2 - 10 * ratio, cost=2 - ratio, latency_p99=0.01)
        return bad if x > 0.5 else good

    late = go_on(advisor, 40, outcome)[15:]
    failing = sum(float(proposal.configuration.values["x"]) > 0.5 for proposal in late)
    assert failing <= len(late) // 4, f"{failing} of {len(late)} proposals were in the failing half"


def test_tpe_draws_nearer_to_the_best_than_blind_draws(new_folder: Callable[[], Path]) -> None:
    space = space_of([parameter(name, FloatRange(low=0.0, high=1.0)) for name in "abc"], budget=Budget(trials=30))
    baseline = Configuration(values={"a": 0.9, "b": 0.9, "c": 0.9})

    def loss(proposal: Proposal) -> float:
        return sum((float(value) - 0.3) ** 2 for value in proposal.configuration.values.values())

    def outcome(proposal: Proposal) -> Outcome:
        return measured(throughput=100 - 100 * loss(proposal), cost=1 + loss(proposal), latency_p99=0.01)

    usual = {}
    for sampler in ("tpe", "random"):
        advisor = advisor_of(start_of(space, new_folder(), sampler=sampler), space, baseline)
        usual[sampler] = median(loss(proposal) for proposal in go_on(advisor, 30, outcome)[15:])
    assert usual["tpe"] < usual["random"]


@pytest.mark.parametrize(
    ("sampler", "parameters", "words"),
    [
        ("magic", (WORKERS,), "use one of auto, tpe, random, nsga2, gp, qmc, grid"),
        ("grid", (WORKERS, RATIO), "give it a step"),
        ("grid", tuple(parameter(f"p{i}", IntRange(low=1, high=100)) for i in range(3)), "1,000,000"),
    ],
)
def test_a_sampler_that_cannot_be_used_says_why(sampler: str, parameters: tuple, words: str, folder: Path) -> None:
    space = space_of(parameters)
    with pytest.raises(InputError, match=words):
        advisor_of(start_of(space, folder, sampler=sampler), space)


def test_gp_names_the_package_it_lacks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.study.samplers.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs scipy and torch"):
        advisor_of(start_of(space_of(), folder, sampler="gp"), space_of())


def test_a_store_that_cannot_be_opened_hides_the_password(folder: Path) -> None:
    space = space_of()
    start = replace(start_of(space, folder), storage_url=f"sqlite:///{folder}/absent/optuna.db")
    with pytest.raises(StoreFailure, match=r"absent/optuna\.db"):
        advisor_of(start, space)
    start = replace(start, storage_url="nonsense://user:secret@host/db")
    with pytest.raises(StoreFailure) as caught:
        advisor_of(start, space)
    assert "secret" not in str(caught.value)


def test_nothing_is_printed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pool = parameter("pool", IntRange(low=1, high=64), when=Condition(parameter="cpu", values=("1",)))
    space = space_of([WORKERS, CPU, pool])
    go_on(advisor_of(start_of(space, folder), space), 14, by_serving)
    assert capfd.readouterr() == ("", "")


KNOWN = (
    Configuration(values={"workers": 7, "cpu": "2"}),
    Configuration(values={"workers": 5, "cpu": "1"}),
    BASELINE,
)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_configurations_are_tried_first_whatever_the_sampler(tmp_path: Path, sampler: str) -> None:
    space = space_of()
    advisor = SamplingAdvisor(
        start=start_of(space, tmp_path, sampler=sampler),
        space=space,
        baseline=BASELINE,
        render=render,
        infeasible=lambda _: None,
        known=KNOWN,
    )
    proposals = go_on(advisor, 4, by_serving)
    assert [one.purpose for one in proposals] == ["baseline", "search", "search", "search"]
    assert [one.configuration for one in proposals[1:3]] == list(KNOWN[:2])
    assert proposals[3].configuration not in KNOWN


def test_a_study_taken_up_does_not_repeat_what_is_known(tmp_path: Path) -> None:
    space = space_of()
    start = start_of(space, tmp_path)
    done = [trial_of(0, serve(BASELINE.values)), trial_of(1, serve(KNOWN[0].values), KNOWN[0])]
    advisor = SamplingAdvisor(
        start=start, space=space, baseline=BASELINE, render=render, infeasible=lambda _: None, known=KNOWN
    )
    advisor.restore(done)
    proposals = go_on(advisor, 2, by_serving)
    assert proposals[0].configuration == KNOWN[1]
    assert proposals[1].configuration not in KNOWN


def test_a_known_configuration_that_can_never_run_here_is_passed_over(tmp_path: Path) -> None:
    space = space_of()
    never = digest(KNOWN[0])
    advisor = SamplingAdvisor(
        start=start_of(space, tmp_path),
        space=space,
        baseline=BASELINE,
        render=render,
        infeasible=lambda rendered: "too large" if rendered.digest == never else None,
        known=KNOWN,
    )
    assert [one.configuration for one in go_on(advisor, 2, by_serving)] == [BASELINE, KNOWN[1]]
