"""The loop on a fake clock with fake trials, over a real journal and a real advisor."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import THROUGHPUT, parameter
from tests.record.recording import Remembers
from tests.study.world import BASELINE, CPU, Runner, crashed, lost, measured, opened, serve, space_of
from tuner.errors import EnvironmentFailure
from tuner.front.model import Candidate
from tuner.search.model import Outlook
from tuner.space.model import Budget, Configuration, IntRange, SearchSpace
from tuner.study.advisor import SamplingAdvisor
from tuner.study.model import OneByOne, Proposal, Recorder, Summary
from tuner.study.summary import summarize
from tuner.trials.clock import Clock, FakeClock
from tuner.trials.journal import read
from tuner.trials.model import Failed, Infeasible, Interrupted, Outcome, Trial


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
    run_trial: Callable[[Proposal], Trial],
    *,
    clock: Clock | None = None,
    recorders: Sequence[Recorder] = (),
    notices: list[str] | None = None,
    pick: str = "knee",
) -> Summary:
    notice = (notices if notices is not None else []).append
    chosen_by = {"sampler": "random", "pick": pick}
    with opened(space, folder, clock or FakeClock(), recorders=recorders, notice=notice, **chosen_by) as study:
        return study.run(OneByOne(run_trial))


def chosen(summary: Summary) -> Candidate:
    assert summary.choice is not None
    return summary.choice.candidate


def purposes(summary: Summary) -> list[str]:
    return [trial.purpose for trial in summary.trials]


def test_a_study_from_baseline_to_verdict(folder: Path) -> None:
    runner = Runner()
    summary = run(folder, space_of(budget=Budget(trials=10)), runner)
    assert purposes(summary) == ["baseline", *["search"] * 9, *["confirm"] * 6]
    assert [trial.number for trial in summary.trials] == list(range(16))
    assert summary.ended_because == "all 10 trials were run"
    assert summary.baseline == 0
    assert chosen(summary).replicates == 4
    assert chosen(summary).measured_by == (11, 13, 15), "the fresh starts alone"
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
    assert {comparison.verdict for comparison in summary.comparisons} == {"undecided"}


def test_a_baseline_that_is_the_choice_races_alone(folder: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        best = proposal.configuration == BASELINE
        return measured(throughput=100.0 if best else 50.0, cost=1.0, latency_p99=0.01)

    summary = run(folder, space_of(budget=Budget(trials=6)), Runner(outcome))
    assert chosen(summary).trial == 0
    assert purposes(summary)[6:] == ["confirm"] * 3
    assert {comparison.ratio for comparison in summary.comparisons} == {1.0}


def test_nothing_feasible_is_no_choice_and_no_confirmation(folder: Path) -> None:
    slow = measured(throughput=1.0, cost=1.0, latency_p99=1.0)
    summary = run(folder, space_of(budget=Budget(trials=5)), Runner(lambda proposal: slow))
    assert summary.choice is None
    assert len(summary.trials) == 5


def oom(reason: str = "it needed more than its limit of 64 Mi") -> Failed:
    """What a configuration of another size may not run into."""
    return Failed(stage="ready", kind="OOMKilled", reason=reason)


def test_a_baseline_that_does_not_start_ends_the_study_and_says_what_to_change(folder: Path) -> None:
    space = space_of(budget=Budget(trials=5, confirm=0))
    summary = run(folder, space, Runner(lambda _: crashed("no model")))
    assert [trial.number for trial in summary.trials] == [0]
    assert summary.ended_because == (
        "the manifest as it stands does not start or does not answer (ready: Crashed, no model); make the manifest start "
        "as it stands; what it wrote last stands in the study's trials/0000/server.log, and run the study anew"
    )
    assert len(run(folder, space, Runner()).trials) == 5, "a resumed one goes on"


def test_a_baseline_that_answers_wrongly_ends_the_study_with_the_answer(folder: Path) -> None:
    told = "POST http://127.0.0.1:1/predict was answered wrongly: not 2xx (status 422, the answer begins 'no field x')"
    wrong = Failed(stage="verify", kind="WrongAnswer", reason=told)
    summary = run(folder, space_of(budget=Budget(trials=5)), Runner(lambda _: wrong))
    assert len(summary.trials) == 1
    assert summary.ended_because.startswith("the manifest as it stands answers wrongly (verify: WrongAnswer, POST ")
    assert "status 422, the answer begins 'no field x'" in summary.ended_because
    assert "change the request or the path" in summary.ended_because


@pytest.mark.parametrize(
    "outcome", [lost(), oom(), Failed(stage="measure", kind="NoCommonRate", reason="no rate could be derived")]
)
def test_a_baseline_that_fails_otherwise_does_not_end_it_alone(folder: Path, outcome: Outcome) -> None:
    space = space_of(budget=Budget(trials=3, confirm=0))
    good = measured(throughput=1.0, cost=1.0, latency_p99=0.01)
    assert len(run(folder, space, Runner(lambda p: good if p.number else outcome)).trials) >= 3


def test_a_study_whose_first_two_trials_fail_alike_ends_and_goes_on_when_that_is_put_right(folder: Path) -> None:
    """Their times and names differ, the reason does not."""

    def outcome(proposal: Proposal) -> Outcome:
        name = f"toy-ab12cd34-{proposal.number}"
        return oom(f"pod {name} was killed for memory within {proposal.number + 2} s of its start: no model")

    space = space_of(budget=Budget(trials=5, confirm=0))
    summary = run(folder, space, Runner(outcome))
    assert [trial.number for trial in summary.trials] == [0, 1]
    assert summary.ended_because.startswith("trial 0 (the baseline) and trial 1 failed alike at ready: OOMKilled, pod ")
    assert summary.ended_because.endswith("no model; put that right, then `tune resume` goes on")
    summary = run(folder, space, Runner())
    assert len(summary.trials) == 5
    assert summary.choice is not None


@pytest.mark.parametrize(
    ("baseline", "others"),
    [
        (oom("it needed more than its limit of 64 Mi"), oom("it needed more than its limit of 128 Mi")),
        (measured(throughput=1.0, cost=1.0, latency_p99=1.0), crashed()),
        (oom("it needed more than its limit of 64 Mi"), crashed("it exited with status 2")),
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
        return Infeasible(reason="too large") if proposal.number == 1 else oom()

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
    summary = run(
        folder, space_of(budget=Budget(time_s=time_s, confirm=1)), Runner(clock=clock, duration_s=10.0), clock=clock
    )
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


def test_a_leader_that_falls_gives_way_to_the_next(folder: Path) -> None:
    notices: list[str] = []
    runner = Runner(fickle(lambda proposal: crashed(), 1))
    summary = run(folder, space_of(budget=Budget(trials=10)), runner, notices=notices)
    fallen = next(
        number for number in range(10) if summary.trials[number].configuration == runner.ran[11].configuration
    )
    assert [p.configuration for p in runner.ran[10:]].count(runner.ran[11].configuration) == 1, "it is not tried again"
    assert [p.configuration for p in runner.ran[10:]].count(BASELINE) == 3
    assert notices == [f"trial {fallen} is out of the race: started again, it did not hold (it exited with status 1)"]
    assert chosen(summary).trial != fallen
    assert len(chosen(summary).measured_by) == 3


def test_what_is_chosen_had_its_starts_though_two_leaders_fell(folder: Path) -> None:
    runner = Runner(fickle(lambda proposal: crashed(), 2))
    summary = run(folder, space_of(budget=Budget(trials=10)), runner)
    assert len(chosen(summary).measured_by) == 3


def test_a_leader_that_is_slow_when_it_is_started_again_is_no_leader(folder: Path) -> None:
    slow = measured(throughput=1.0, cost=3.0, latency_p99=0.01)
    runner = Runner(fickle(lambda proposal: slow, 1))
    summary = run(folder, space_of(budget=Budget(trials=10)), runner)
    assert summary.trials[chosen(summary).trial].configuration != runner.ran[11].configuration


def test_one_that_meets_the_slo_by_luck_alone_is_not_chosen(folder: Path) -> None:
    """Two workers on one CPU serve the most, and break their bound in two starts of three."""

    def outcome(proposal: Proposal) -> Outcome:
        if proposal.configuration.values == {"workers": 2, "cpu": "1"}:
            latency = 0.09 if proposal.purpose != "confirm" else 0.098 + 0.004 * (proposal.number % 3)
            return measured(throughput=900.0, cost=0.4, latency_p99=latency)
        return serve(proposal.configuration.values)

    notices: list[str] = []
    summary = run(folder, space_of(budget=Budget(trials=24)), Runner(outcome), notices=notices)
    lucky = next(t for t in summary.trials if t.configuration.values == {"workers": 2, "cpu": "1"})
    assert summary.trials[chosen(summary).trial].configuration != lucky.configuration
    assert not any(member.trial == lucky.number for member in summary.front.members)


def test_of_equals_the_cheaper_is_chosen_and_both_are_named(tmp_path: Path) -> None:
    def outcome(proposal: Proposal) -> Outcome:
        cpu = {"500m": 0.5, "1": 1.0, "2": 2.0}[str(proposal.configuration.values["cpu"])]
        wobble = 1.0 + 0.002 * (proposal.number % 3)
        return measured(throughput=(300.0 if cpu >= 1.0 else 100.0) * wobble, cost=cpu, latency_p99=0.01)

    space = space_of([parameter("workers", IntRange(low=1, high=1)), CPU], objectives=(THROUGHPUT,))
    summary = run(tmp_path, space, Runner(outcome))
    assert summary.choice is not None
    by_cpu = {trial.configuration.values["cpu"]: trial.number for trial in summary.trials[:3]}
    assert summary.choice.candidate.trial == by_cpu["1"]
    assert summary.choice.equals == (by_cpu["2"],)
    assert summarize(read(tmp_path / "journal.jsonl")).choice == summary.choice


def test_a_race_that_the_time_ends_says_so(folder: Path) -> None:
    clock = FakeClock()
    runner = Runner(clock=clock, duration_s=10.0)
    summary = run(folder, space_of(budget=Budget(time_s=60.0)), runner, clock=clock)
    assert len(summary.trials) < 8
    assert summary.choice is not None
    assert summary.choice.reason.endswith("the time of 60 s is used up")


# money, and nothing more to gain


def test_money_ends_the_search_and_is_kept_for_the_race(folder: Path) -> None:
    """A trial takes 10 s of what costs 360 USD an hour: one USD."""
    space = space_of(budget=Budget(cost=10.0, confirm=1))
    start = {"sampler": "random", "price": lambda configuration: 360.0}
    with opened(space, folder, FakeClock(), **start) as study:
        summary = study.run(OneByOne(Runner()))
    assert purposes(summary) == ["baseline", *["search"] * 7, "confirm", "confirm"]
    assert summary.ended_because == "the money of 10 USD is used up"


class Foresees(SamplingAdvisor):
    """Each trial halves what ten more would bring."""

    def outlook(self, trials: int) -> Outlook | None:
        return Outlook(trials=trials, expected=0.5 ** (self._next + 1), most=0.5**self._next) if self._next else None


def test_nothing_more_to_gain_ends_the_search(folder: Path) -> None:
    space = space_of(budget=Budget(trials=20, gain=0.05))
    with opened(space, folder, FakeClock(), sampler="random", advisor=Foresees) as study:
        summary = study.run(OneByOne(Runner()))
    assert purposes(summary).count("search") == 4
    assert summary.ended_because == (
        "there is no more to gain: 10 more trials would bring less than 5 %, even with luck"
    )
    assert summary.outlook == Outlook(trials=10, expected=0.5**6, most=0.5**5)
    assert summarize(read(folder / "journal.jsonl")).outlook == summary.outlook


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


@pytest.mark.parametrize("at", [0, 1, 5, 9, 10, 11, 13, 15])
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
    assert len(runner.ran) == 16 - at


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
        assert study.run(OneByOne(Runner())).rate_rps == 120.0


def test_an_environment_that_fails_three_times_in_a_row_ends_the_study_with_the_state_kept(folder: Path) -> None:
    space = space_of()
    broken = Runner(lambda p: lost() if p.number >= 2 else serve(p.configuration.values))
    with pytest.raises(EnvironmentFailure, match=r"3 trials in a row .* the generator was late; .*tune resume"):
        run(folder, space, broken)
    assert len(read(folder / "journal.jsonl").trials) == 5
    summary = run(folder, space, Runner())
    assert sum(purpose != "confirm" for purpose in purposes(summary)) == 12


@pytest.mark.parametrize(("losses", "whole"), [(1, ["baseline", "again"]), (2, ["baseline", "again", "again"])])
def test_a_baseline_that_the_environment_lost_is_measured_again_though_no_trial_is_left(
    folder: Path, losses: int, whole: list[str]
) -> None:
    once = Runner(lambda p: lost() if p.number < losses else serve(p.configuration.values))
    space = space_of(budget=Budget(trials=1, confirm=0))
    with opened(space, folder, FakeClock(), sampler="random", disturbed="remeasure") as study:
        summary = study.run(OneByOne(once))
    assert purposes(summary) == whole
    assert summary.choice is not None


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
    assert kinds == ["start", *trial, *trial, "searched", *trial * 6, "chosen", "ended"]


def test_a_configuration_is_never_run_twice_but_to_confirm(folder: Path) -> None:
    runner = Runner()
    run(folder, space_of(budget=Budget(trials=24)), runner)
    searched: list[Configuration] = [p.configuration for p in runner.ran if p.purpose != "confirm"]
    assert len({configuration.digest for configuration in searched}) == len(searched) == 24


def test_what_was_never_proposed_is_told_and_written_down(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SamplingAdvisor, "left_out", lambda self: {"no more memory": 1200, "no room": 3})
    notices: list[str] = []
    run(folder, space_of(budget=Budget(trials=2, confirm=0)), Runner(), notices=notices)
    assert notices == [
        "valid, but not worth a trial, so that they were never proposed: 1,200: no more memory; 3: no room"
    ]
    contents = read(folder / "journal.jsonl")
    searched = next(event for event in contents.events if event.kind == "searched")
    assert searched.data["left_out"] == {"no more memory": 1200, "no room": 3}
