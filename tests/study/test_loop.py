"""The loop on a fake clock with fake trials, over a real journal and a real advisor."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import parameter
from tests.record.recording import Remembers
from tests.study.world import BASELINE, CPU, Runner, crashed, lost, measured, opened, serve, space_of
from tuner.errors import EnvironmentFailure
from tuner.front.model import Candidate
from tuner.space.model import Budget, Configuration, IntRange, SearchSpace
from tuner.study.loop import RunTrial
from tuner.study.model import Proposal, Recorder, Summary
from tuner.study.summary import summarize
from tuner.trials.clock import Clock, FakeClock
from tuner.trials.journal import read
from tuner.trials.model import Infeasible, Interrupted, Outcome, Trial


class Ear(Remembers):
    """Hears of a trial after the journal; `fails` names what it fails at."""

    def __init__(self, journal: Path, fails: str = "") -> None:
        super().__init__()
        self._journal = journal
        self._fails = fails

    def finished(self, trial: Trial) -> None:
        assert read(self._journal).trials[-1] == trial, "the journal has it first"
        super().finished(trial)

    def _call(self, name: str) -> None:
        super()._call(name)
        if self._fails and name.startswith(self._fails):
            raise OSError("no route to host")


def run(
    folder: Path,
    space: SearchSpace,
    run_trial: RunTrial,
    *,
    clock: Clock | None = None,
    recorders: Sequence[Recorder] = (),
    notices: list[str] | None = None,
    pick: str = "knee",
) -> Summary:
    notice = (notices if notices is not None else []).append
    chosen_by = {"sampler": "random", "pick": pick}
    with opened(space, folder, clock or FakeClock(), recorders=recorders, notice=notice, **chosen_by) as study:
        return study.run(run_trial)


def chosen(summary: Summary) -> Candidate:
    assert summary.choice is not None
    return summary.choice.candidate


def purposes(summary: Summary) -> list[str]:
    return [trial.purpose for trial in summary.trials]


def test_a_study_from_baseline_to_verdict(folder: Path) -> None:
    runner = Runner()
    summary = run(folder, space_of(budget=Budget(trials=10)), runner)
    assert purposes(summary) == ["baseline", *["search"] * 9, "confirm", "confirm"]
    assert [trial.number for trial in summary.trials] == list(range(12))
    assert summary.ended_because == "all 10 trials were run"
    assert summary.baseline == 0
    assert chosen(summary).replicates == 2
    assert runner.ran[10].configuration == BASELINE
    assert runner.ran[11].configuration == summary.trials[chosen(summary).trial].configuration
    assert summary.noise_floor == {"throughput": 1.0, "cost": 1.0, "latency_p99": 1.0}
    assert [comparison.metric for comparison in summary.comparisons] == ["throughput", "cost", "latency_p99"]
    assert summary.comparisons[0].verdict == "better"


def test_the_summary_is_that_of_the_journal(folder: Path) -> None:
    summary = run(folder, space_of(), Runner())
    assert summarize(read(folder / "journal.jsonl")) == summary


def test_confirmations_take_turns_and_are_as_many_as_asked_for(folder: Path) -> None:
    runner = Runner()
    summary = run(folder, space_of(budget=Budget(trials=8, confirm=3)), runner)
    best = summary.trials[chosen(summary).trial].configuration
    assert [proposal.configuration for proposal in runner.ran[8:]] == [BASELINE, best] * 3


def test_without_confirmation_there_is_a_choice_and_no_verdict(folder: Path) -> None:
    summary = run(folder, space_of(budget=Budget(trials=5, confirm=0)), Runner())
    assert len(summary.trials) == 5
    assert summary.choice is not None
    assert {comparison.verdict for comparison in summary.comparisons} == {"unknown"}


def test_a_baseline_that_is_the_choice_is_confirmed_once(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        best = proposal.configuration == BASELINE
        return measured(throughput=100.0 if best else 50.0, cost=1.0, latency_p99=0.01)

    summary = run(folder, space_of(budget=Budget(trials=6)), Runner(outcome))
    assert chosen(summary).trial == 0
    assert purposes(summary)[6:] == ["confirm"]
    assert {comparison.ratio for comparison in summary.comparisons} == {1.0}


def test_nothing_feasible_is_no_choice_and_no_confirmation(folder: Path) -> None:
    slow = measured(throughput=1.0, cost=1.0, latency_p99=1.0)
    summary = run(folder, space_of(budget=Budget(trials=5)), Runner(lambda proposal: slow))
    assert summary.choice is None
    assert len(summary.trials) == 5


def test_a_study_whose_first_two_trials_fail_alike_ends_and_goes_on_when_that_is_put_right(folder: Path) -> None:
    """Their times and names differ, the reason does not."""

    def outcome(proposal: Proposal) -> Outcome:
        name = f"toy-ab12cd34-{proposal.number}"
        return crashed(f"pod {name} exited with status 1 within {proposal.number + 2} s of its start: no model")

    space = space_of(budget=Budget(trials=5, confirm=0))
    summary = run(folder, space, Runner(outcome))
    assert [trial.number for trial in summary.trials] == [0, 1]
    assert summary.ended_because.startswith("trial 0 (the baseline) and trial 1 failed alike at ready: Crashed, pod ")
    assert summary.ended_because.endswith("no model; put that right, then `tune resume` goes on")
    summary = run(folder, space, Runner())
    assert len(summary.trials) == 5
    assert summary.choice is not None


@pytest.mark.parametrize(
    ("baseline", "others"),
    [
        (crashed("it needed more than its limit of 64 Mi"), crashed("it needed more than its limit of 128 Mi")),
        (measured(throughput=1.0, cost=1.0, latency_p99=1.0), crashed()),
        (crashed("it exited with status 1"), crashed("it exited with status 2")),
    ],
)
def test_trials_that_fail_otherwise_or_after_one_that_was_measured_do_not_end_it(
    folder: Path, baseline: Outcome, others: Outcome
) -> None:
    space = space_of(budget=Budget(trials=4, confirm=0))
    summary = run(folder, space, Runner(lambda p: others if p.number else baseline))
    assert len(summary.trials) == 4
    assert summary.ended_because == "all 4 trials were run"


def test_what_can_never_run_here_is_not_the_next_trial(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        return Infeasible(reason="too large") if proposal.number == 1 else crashed()

    summary = run(folder, space_of(budget=Budget(trials=5)), Runner(outcome))
    assert [trial.number for trial in summary.trials] == [0, 1, 2]


def test_a_space_that_is_used_up_ends_the_search(folder: Path) -> None:
    space = space_of([parameter("workers", IntRange(low=1, high=2)), CPU], budget=Budget(trials=50))
    summary = run(folder, space, Runner())
    assert purposes(summary).count("search") == 5
    assert summary.ended_because == "every configuration that can run here was tried"


@pytest.mark.parametrize(("time_s", "searched"), [(100.0, 8), (94.0, 7), (10.0, 1), (1.0, 1)])
def test_time_ends_the_search_and_is_kept_for_confirmation(time_s: float, searched: int, folder: Path) -> None:
    """Trials take 10 s each; two are needed in the end; one that would end less than half late is begun."""
    clock = FakeClock()
    summary = run(folder, space_of(budget=Budget(time_s=time_s)), Runner(clock=clock, duration_s=10.0), clock=clock)
    assert sum(purpose != "confirm" for purpose in purposes(summary)) == searched
    assert summary.ended_because.startswith("the time of ")


def fickle(worse: Callable[[Proposal], Outcome], configurations: int) -> Callable[[Proposal], Outcome]:
    """A server that does not keep what the search promised, for the first so many configurations confirmed."""
    fallen: list[str] = []

    def outcome(proposal: Proposal) -> Outcome:
        name = proposal.configuration.digest
        if proposal.purpose == "confirm" and proposal.configuration != BASELINE:
            if name not in fallen and len(fallen) < configurations:
                fallen.append(name)
            if name in fallen:
                return worse(proposal)
        return serve(proposal.configuration.values)

    return outcome


def test_a_choice_that_falls_gives_way_to_a_runner_up_that_is_confirmed_too(folder: Path) -> None:
    notices: list[str] = []
    runner = Runner(fickle(lambda proposal: crashed(), 1))
    summary = run(folder, space_of(budget=Budget(trials=10)), runner, notices=notices)
    assert purposes(summary)[10:] == ["confirm"] * 3, "the baseline is not measured a third time"
    assert chosen(summary).replicates == 2
    fallen = next(
        number for number in range(10) if summary.trials[number].configuration == runner.ran[11].configuration
    )
    assert notices == [
        f"trial {fallen} was chosen first, but did not meet the SLO when it was measured again; "
        f"now trial {chosen(summary).trial} is chosen"
    ]
    assert f"trial {fallen} was chosen first" in summary.choice.reason


def test_after_two_fell_what_was_confirmed_is_preferred_and_nothing_more_is_measured(folder: Path) -> None:
    runner = Runner(fickle(lambda proposal: crashed(), 2))
    summary = run(folder, space_of(budget=Budget(trials=10)), runner)
    assert purposes(summary)[10:] == ["confirm"] * 3
    assert summary.choice is not None
    confirmed = {trial.manifest_digest for trial in summary.trials if trial.purpose == "confirm"}
    best = summary.trials[chosen(summary).trial]
    on_front = {member.trial for member in summary.front.members}
    if 0 in on_front:
        assert best.number == 0
    else:
        assert best.manifest_digest not in confirmed
        assert "it was not measured again" in summary.choice.reason


def test_a_choice_that_is_dominated_after_confirmation_falls(folder: Path) -> None:
    notices: list[str] = []
    slow = measured(throughput=1.0, cost=3.0, latency_p99=0.01)
    run(folder, space_of(budget=Budget(trials=10)), Runner(fickle(lambda proposal: slow, 1)), notices=notices)
    assert "fell off the Pareto front" in notices[0]


# interruption


class Ctrl:
    """Ctrl-C in the trial of a given number."""

    def __init__(self, runner: Runner, at: int) -> None:
        self._runner = runner
        self._at = at

    def __call__(self, proposal: Proposal) -> Trial:
        if proposal.number == self._at:
            raise KeyboardInterrupt
        return self._runner(proposal)


@pytest.mark.parametrize("at", [0, 1, 5, 9, 10, 11])
def test_an_interrupted_study_goes_on_as_if_nothing_had_happened(at: int, new_folder: Callable[[], Path]) -> None:
    space, whole, cut = space_of(budget=Budget(trials=10)), new_folder(), new_folder()
    expected = run(whole, space, Runner())
    with pytest.raises(KeyboardInterrupt):
        run(cut, space, Ctrl(Runner(), at))
    kept = read(cut / "journal.jsonl")
    assert (kept.events[-1].kind, kept.events[-1].data) == ("interrupted", {"number": at})
    assert "resume" in summarize(kept).ended_because

    runner = Runner()
    summary = run(cut, space, runner)
    assert summary.trials == expected.trials
    assert summary.choice == expected.choice
    assert runner.ran[0].number == at
    assert len(runner.ran) == 12 - at


def test_a_trial_that_says_it_was_interrupted_interrupts_the_study(folder: Path) -> None:
    runner = Runner(lambda p: Interrupted(reason="SIGTERM") if p.number == 2 else serve(p.configuration.values))
    with pytest.raises(KeyboardInterrupt):
        run(folder, space_of(), runner)
    assert len(read(folder / "journal.jsonl").trials) == 2


def test_a_finished_study_stays_as_it_is_and_goes_on_with_a_larger_budget(folder: Path) -> None:
    space = space_of(budget=Budget(trials=6))
    first = run(folder, space, Runner())
    idle = Runner()
    assert run(folder, space, idle).trials == first.trials
    assert idle.ran == []

    more = Runner()
    summary = run(folder, replace(space, budget=Budget(trials=9)), more)
    assert summary.start.budget.trials == 9
    assert [p.purpose for p in more.ran][:3] == ["search"] * 3
    assert summary.trials[: len(first.trials)] == first.trials
    assert summary.ended_because == "all 9 trials were run"
    assert chosen(summary).replicates >= 2


# recorders, and what may go wrong


def test_recorders_hear_everything_after_the_journal(folder: Path) -> None:
    ear = Ear(folder / "journal.jsonl")
    run(folder, space_of(budget=Budget(trials=2, confirm=0)), Runner(), recorders=[ear])
    assert ear.calls == ["started", "proposed 0", "finished 0", "proposed 1", "finished 1", "closed"]


def test_a_recorder_that_fails_is_dropped_and_the_others_go_on(folder: Path) -> None:
    good, bad = Ear(folder / "journal.jsonl"), Ear(folder / "journal.jsonl", fails="finished 1")
    notices: list[str] = []
    summary = run(folder, space_of(), Runner(), recorders=[bad, good], notices=notices)
    assert bad.calls[-1] == "finished 1"
    assert good.calls[-1] == "closed"
    assert notices == ["Ear failed and is told no more (OSError: no route to host); the study goes on"]
    assert summary.choice is not None
    dropped = [event.data for event in read(folder / "journal.jsonl").events if event.kind == "recorder_dropped"]
    assert dropped == [{"recorder": "Ear", "error": "OSError: no route to host"}]


def test_the_common_rate_is_kept(folder: Path) -> None:
    space = space_of(budget=Budget(trials=3, confirm=0))
    with opened(space, folder, FakeClock(), sampler="random") as study:
        assert study.rate_rps is None
        study.fix_rate(120.0)
        assert study.rate_rps == 120.0
        assert study.run(Runner()).rate_rps == 120.0


def test_an_environment_that_fails_three_times_in_a_row_ends_the_study_with_the_state_kept(folder: Path) -> None:
    space = space_of()
    broken = Runner(lambda p: lost() if p.number >= 2 else serve(p.configuration.values))
    with pytest.raises(EnvironmentFailure, match=r"3 trials in a row .* the generator was late; .*tune resume"):
        run(folder, space, broken)
    assert len(read(folder / "journal.jsonl").trials) == 5
    summary = run(folder, space, Runner())
    assert sum(purpose != "confirm" for purpose in purposes(summary)) == 12


def test_what_is_no_number_becomes_a_failed_trial(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        if proposal.number == 1:
            return measured(throughput=float("nan"), cost=1.0, latency_p99=0.01)
        return serve(proposal.configuration.values)

    summary = run(folder, space_of(), Runner(outcome))
    failed = summary.trials[1].outcome
    assert getattr(failed, "kind", None) == "NotANumber"
    assert "throughput_rps: value: nan is not a finite number" in getattr(failed, "reason", "")


def test_the_journal_tells_the_whole_story(folder: Path) -> None:
    run(folder, space_of(budget=Budget(trials=2)), Runner(), pick="throughput")
    kinds = [json.loads(line)["kind"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    trial = ["proposed", "trial"]
    assert kinds == ["start", *trial, *trial, "searched", "chosen", *trial, *trial, "ended"]


def test_a_configuration_is_never_run_twice_but_to_confirm(folder: Path) -> None:
    runner = Runner()
    run(folder, space_of(budget=Budget(trials=24)), runner)
    searched: list[Configuration] = [p.configuration for p in runner.ran if p.purpose != "confirm"]
    assert len({configuration.digest for configuration in searched}) == len(searched) == 24
