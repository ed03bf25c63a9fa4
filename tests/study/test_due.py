"""What is due besides the search, on a machine whose speed wanders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.builders import COST, THROUGHPUT
from tests.measure.test_conditions import conditions
from tests.study.world import BASELINE, Runner, lost, measured, opened, serve, space_of, stopped, trial_of
from tuner.measure.conditions import Conditions
from tuner.space.model import Budget, Configuration, Objective
from tuner.study.candidates import candidates
from tuner.study.due import AGAIN, EVERY, Due, due
from tuner.study.model import OneByOne, Proposal
from tuner.trials.clock import FakeClock
from tuner.trials.model import Infeasible, Measured, Outcome, Purpose, Referenced, Trial

NOISY = conditions(others_cores=0.5, own_cores=0.5)
AIMS = (THROUGHPUT, COST)


def under(conditions: Conditions, outcome: Outcome) -> Outcome:
    assert isinstance(outcome, Measured)
    return replace(outcome, measurement=replace(outcome.measurement, conditions=conditions))


def tried(number: int, *, throughput: float = 100.0, noisy: bool = False, purpose: Purpose = "search") -> Trial:
    """Of a configuration of its own, which is as many workers as the number."""
    outcome = measured(throughput=throughput, cost=1.0, latency_p99=0.05)
    if noisy:
        outcome = under(NOISY, outcome)  # type: ignore[assignment]
    return trial_of(number, outcome, Configuration(values={"workers": number, "cpu": "1"}), purpose=purpose)


def first(outcome: Outcome | None = None) -> Trial:
    outcome = outcome or measured(throughput=100.0, cost=1.0, latency_p99=0.05)
    return trial_of(0, outcome, BASELINE, purpose="baseline")


REFERENCE = Due(number=0, purpose="reference")


def test_the_baseline_is_a_reference_every_few_trials() -> None:
    trials = [first(), *(tried(number) for number in range(1, EVERY))]
    assert due(trials, AIMS) is None
    trials.append(tried(EVERY))
    assert due(trials, AIMS) == REFERENCE
    reference = trial_of(EVERY + 1, Referenced(measurement=first().measurement), purpose="reference")  # type: ignore[arg-type]
    assert due([*trials, reference], AIMS) is None
    assert due([*trials, trial_of(EVERY + 1, lost(), purpose="reference")], AIMS) is None, "one that failed was one"


def test_what_cannot_run_takes_no_time_and_counts_for_nothing() -> None:
    infeasible = [
        trial_of(number, Infeasible(reason="too large"), Configuration(values={"workers": number}))
        for number in range(1, 10)
    ]
    assert due([first(), *infeasible], AIMS) is None


def test_a_baseline_that_does_not_bear_the_common_rate_is_no_reference() -> None:
    assert due([first(stopped(latency_p99=2.0)), *(tried(number) for number in range(1, 9))], AIMS) is None


def test_a_baseline_that_the_environment_lost_is_measured_again_at_once_and_not_for_ever() -> None:
    trials = [first(lost())]
    assert due(trials, AIMS) == Due(number=0, purpose="again")
    trials += [trial_of(number, lost(), purpose="again") for number in range(1, 1 + AGAIN)]
    assert due(trials, AIMS) is None


def test_a_disturbed_trial_is_measured_again_when_another_was_not_disturbed() -> None:
    trials = [first(), tried(1, noisy=True)]
    assert due(trials, AIMS) is None, "the machine is not quiet"
    trials.append(tried(2))
    assert due(trials, AIMS) == Due(number=1, purpose="again")
    assert due([*trials, replace(tried(1, purpose="again"), number=3)], AIMS) is None


def test_the_most_promising_comes_first() -> None:
    trials = [
        first(),
        tried(1, throughput=100, noisy=True),
        tried(2, throughput=200, noisy=True),
        tried(3, throughput=250),
    ]
    assert due(trials, AIMS) == Due(number=2, purpose="again")


def test_a_latency_promises_by_the_speed_of_its_own_window() -> None:
    def at(number: int, latency_p99: float, at_rate: Conditions, searched: Conditions) -> Trial:
        told = measured(throughput=100.0, cost=1.0, latency_p99=latency_p99).measurement
        told = replace(told, conditions=at_rate, search_conditions=searched)
        configuration = Configuration(values={"workers": number, "cpu": "1"})
        return trial_of(number, Measured(measurement=told), configuration, purpose="search")

    slower = conditions(others_cores=0.8, own_cores=0.2)
    trials = [
        first(),
        at(1, 0.10, at_rate=slower, searched=NOISY),
        at(2, 0.08, at_rate=NOISY, searched=slower),
        tried(3),
    ]
    quickest = (Objective(metric="latency_p99", direction="minimize"),)
    assert due(trials, quickest) == Due(number=1, purpose="again"), "20 ms on a quiet machine, not 40"


def test_what_stays_disturbed_is_given_up() -> None:
    trials = [first(), tried(1, noisy=True)]
    trials += [replace(tried(1, noisy=True, purpose="again"), number=number) for number in range(2, 2 + AGAIN)]
    trials.append(tried(8))
    assert due(trials, AIMS) is None


def test_a_restart_that_was_disturbed_does_not_count_beside_one_that_was_not() -> None:
    noisy, quiet = tried(1, throughput=50, noisy=True), replace(tried(1, throughput=90, purpose="again"), number=4)
    (found,) = candidates([noisy, quiet], ())
    assert (found.trial, found.metrics["throughput"], found.replicates) == (1, 90.0, 1)
    (alone,) = candidates([noisy], ())
    assert alone.metrics["throughput"] == 50.0


def test_a_study_measures_references_and_what_was_disturbed_and_its_budget_does_not_count_them(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        found = serve(proposal.configuration.values)
        if proposal.purpose == "reference":
            assert isinstance(found, Measured)
            return Referenced(measurement=found.measurement)
        return under(NOISY, found) if proposal.number == 2 else found

    runner = Runner(outcome)
    space = space_of(budget=Budget(trials=10, confirm=0))
    with opened(space, folder, FakeClock(), sampler="random", disturbed="remeasure") as study:
        summary = study.run(OneByOne(runner))
    purposes = [trial.purpose for trial in summary.trials]
    assert purposes.count("search") == 9
    assert purposes[4] == "again"
    assert runner.ran[4].configuration == runner.ran[2].configuration
    assert [index for index, purpose in enumerate(purposes) if purpose == "reference"] == [6]
    assert all(runner.ran[index].configuration == BASELINE for index in (0, 6))
    base = summary.trials[6]
    assert base.measurement is None, "a reference is no candidate"


def test_a_study_that_accepts_what_is_disturbed_does_nothing_of_it(folder: Path) -> None:
    runner = Runner(lambda proposal: under(NOISY, serve(proposal.configuration.values)))
    with opened(space_of(budget=Budget(trials=10, confirm=0)), folder, FakeClock(), sampler="random") as study:
        summary = study.run(OneByOne(runner))
    assert {trial.purpose for trial in summary.trials} == {"baseline", "search"}
