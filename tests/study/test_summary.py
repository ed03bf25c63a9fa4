"""Candidates and the summary, from trials alone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.study.world import P99, crashed, lost, measured, space_of, start_of, stopped, trial_of
from tuner.errors import InputError
from tuner.record.console import PlainConsole
from tuner.record.mlflow.tags import trial_tags
from tuner.record.wording import comparison_lines, metric_text, outcome_text, outcome_word
from tuner.report.provenance import provenance
from tuner.space.model import Configuration, Constraint
from tuner.study.candidates import baseline, candidates
from tuner.study.events import CHOSEN, ENDED, INTERRUPTED, PROPOSED, RATE, last, since
from tuner.study.summary import summarize
from tuner.trials.journal import JournalContents
from tuner.trials.model import Event, Infeasible, Measured, Trial

ONE, TWO, THREE = (Configuration(values={"workers": n, "cpu": "1"}) for n in (1, 2, 3))


def contents(trials: list[Trial], *events: Event) -> JournalContents:
    return JournalContents(start=start_of(space_of(), Path("/nowhere")), trials=tuple(trials), events=events)


def good(throughput: float, cost: float = 1.0, latency_p99: float = 0.05):
    return measured(throughput=throughput, cost=cost, latency_p99=latency_p99)


def test_restarts_of_one_manifest_are_one_candidate_with_the_medians_of_the_fresh_ones() -> None:
    trials = [
        trial_of(0, good(100.0, latency_p99=0.02), ONE),
        trial_of(1, good(300.0), TWO),
        trial_of(2, good(80.0, latency_p99=0.06), ONE, purpose="confirm"),
        trial_of(3, good(90.0, latency_p99=0.08), ONE, purpose="confirm"),
    ]
    one, two = candidates(trials, (P99,))
    assert (one.trial, one.replicates, one.feasible, one.measured_by) == (0, 3, True, (2, 3))
    assert (one.metrics["throughput"], one.metrics["latency_p99"]) == (85.0, 0.07)
    assert (two.trial, two.replicates, two.feasible) == (1, 1, True)


def test_fresh_starts_that_meet_a_bound_too_closely_leave_it_undecided() -> None:
    trials = [
        trial_of(0, good(100.0, latency_p99=0.08), ONE),
        trial_of(1, good(100.0, latency_p99=0.094), ONE, purpose="confirm"),
        trial_of(2, good(100.0, latency_p99=0.102), ONE, purpose="confirm"),
        trial_of(3, good(100.0, latency_p99=0.098), ONE, purpose="confirm"),
    ]
    (one,) = candidates(trials, (P99,))
    assert (one.feasible, one.undecided) == (False, ("latency_p99",))


@pytest.mark.parametrize(
    ("outcomes", "feasible"),
    [
        ([good(1.0)], True),
        ([good(1.0, latency_p99=0.2)], False),
        ([good(1.0), crashed()], False),
        ([good(1.0), lost()], True),
        ([good(1.0), stopped(cost=1.0, latency_p99=0.3)], False),
        ([measured(throughput=1.0, cost=1.0)], False),
        ([Infeasible(reason="no room"), good(1.0)], False),
    ],
)
def test_when_a_candidate_is_feasible(outcomes: list, feasible: bool) -> None:
    (one,) = candidates([trial_of(n, outcome) for n, outcome in enumerate(outcomes)], (P99,))
    assert one.feasible is feasible


def test_a_bound_that_could_not_be_judged_is_undecided_and_neither_met_nor_broken() -> None:
    outcome = replace(measured(throughput=1.0, cost=1.0), undecided=("latency_p99",))
    trials = [trial_of(0, outcome, ONE)]
    (one,) = candidates(trials, (P99,))
    assert (one.feasible, one.undecided) == (False, ("latency_p99",))
    assert (trials[0].state, trials[0].feasible) == ("undecided", False)
    summary = summarize(contents(trials))
    said = " ".join([*comparison_lines(summary), outcome_text(trials[0]), outcome_word(trials[0])])
    assert "none of the 1 measured configurations certainly met the SLO; of 1 it is undecided" in said
    assert "undecided: latency_p99 could not be told" in said
    assert trial_tags(trials[0])["slo"] == "undecided"
    stream = io.StringIO()
    console = PlainConsole(space_of(), Console(file=stream, width=200))
    console.started(summary.start)
    console.closed(summary)
    assert "1 trials, 0 met the SLO, 1 undecided, 0 on the Pareto front" in stream.getvalue()


def least(outcome: Measured) -> Measured:
    bound = replace(outcome.measurement.throughput_rps, is_least=True)
    return replace(outcome, measurement=replace(outcome.measurement, throughput_rps=bound))


@pytest.mark.parametrize(
    ("before", "after", "ratio", "verdict"),
    [
        (good(100.0), least(good(300.0)), ">= 3x", "better"),
        (least(good(100.0)), good(300.0), "<= 3x", "undecided"),
        (least(good(100.0)), least(good(300.0)), "?", "undecided"),
        (good(300.0), least(good(100.0)), ">= 0.333x", "undecided"),
        (least(good(300.0)), good(100.0), "<= 0.333x", "worse"),
    ],
)
def test_a_lower_bound_is_one_wherever_it_is_shown(before: Measured, after: Measured, ratio: str, verdict: str) -> None:
    trials = [
        trial_of(0, before, ONE, purpose="baseline"),
        trial_of(1, after, TWO),
        trial_of(2, before, ONE, purpose="confirm"),
        trial_of(3, after, TWO, purpose="confirm"),
    ]
    summary = summarize(contents(trials), trial=1)
    found = next(one for one in summary.comparisons if one.metric == "throughput")
    assert (found.ratio_text, found.verdict) == (ratio, verdict)
    is_least = after.measurement.throughput_rps is not None and after.measurement.throughput_rps.is_least
    shown = metric_text(trials[1], "throughput")
    assert shown.startswith(">= ") == is_least
    assert trial_tags(trials[1]).get("lower_bounds") == ("throughput" if is_least else None)
    notes = provenance(summary, trials[1])
    assert notes["tuner.dev/measured-throughput"].startswith(">= ") == is_least
    assert f"throughput {ratio}, {verdict}" in notes["tuner.dev/against-baseline"]
    (line,) = [line for line in comparison_lines(summary) if line.startswith("throughput")]
    assert f"({ratio})" in line


def test_what_was_never_measured_is_no_candidate() -> None:
    assert candidates([trial_of(0, crashed(), ONE), trial_of(1, lost(), TWO)], (P99,)) == ()


def test_a_candidate_goes_by_the_first_trial_that_measured_it_and_the_baseline_is_found_by_it() -> None:
    trials = [trial_of(0, lost(), ONE, purpose="baseline"), trial_of(1, good(2.0), TWO), trial_of(2, good(1.0), ONE)]
    found = candidates(trials, ())
    assert [candidate.trial for candidate in found] == [2, 1]
    base = baseline(trials, found)
    assert base is not None
    assert base.trial == 2
    assert baseline(trials[1:2], found) is None


def study_of_five() -> list[Trial]:
    """The baseline (100/s), a better one (300/s) and a dear one (310/s), the first two measured twice."""
    return [
        trial_of(0, good(100.0), ONE, purpose="baseline"),
        trial_of(1, good(300.0), TWO),
        trial_of(2, good(310.0, cost=9.0), THREE),
        trial_of(3, good(110.0), ONE, purpose="confirm"),
        trial_of(4, good(330.0, latency_p99=0.07), TWO, purpose="confirm"),
    ]


def test_the_summary_of_a_study() -> None:
    events = (
        Event(kind=RATE, data={"rate_rps": 80.0}),
        Event(kind=CHOSEN, data={"trial": 1, "pick": "knee", "reason": "the nearest", "note": ""}),
        Event(kind=ENDED, data={"because": "all 3 trials were run"}),
    )
    summary = summarize(contents(study_of_five(), *events))
    assert summary.baseline == 0
    assert summary.rate_rps == 80.0
    assert summary.ended_because == "all 3 trials were run"
    assert summary.choice is not None
    assert summary.choice.candidate.trial == 1
    assert summary.choice.reason == "the nearest"
    assert [member.trial for member in summary.front.members] == [1]
    assert summary.noise_floor["throughput"] == pytest.approx(1.1)
    assert summary.noise_floor["cost"] == 1.0
    throughput, cost, latency = summary.comparisons
    assert (throughput.metric, throughput.verdict) == ("throughput", "better")
    assert throughput.ratio == pytest.approx(315 / 105)
    assert (cost.metric, cost.verdict) == ("cost", "no difference")
    assert (latency.metric, latency.verdict) == ("latency_p99", "no difference")


def test_before_a_choice_was_made_the_summary_says_what_it_would_be() -> None:
    summary = summarize(contents(study_of_five()[:1]))
    assert summary.choice is not None
    assert summary.choice.candidate.trial == 0
    assert {comparison.verdict for comparison in summary.comparisons} == {"undecided"}
    assert summary.noise_floor == {}
    assert summary.rate_rps is None
    assert summary.ended_because == "it has not ended"


def test_a_study_of_nothing_but_failures_has_no_choice() -> None:
    summary = summarize(contents([trial_of(0, crashed(), ONE, purpose="baseline")]))
    assert (summary.choice, summary.baseline, summary.comparisons, summary.front.members) == (None, None, (), ())


def test_a_metric_whose_baseline_is_zero_has_no_ratio() -> None:
    slo = (P99, Constraint(metric="error_ratio", bound=0.01))
    start = start_of(space_of(slo=slo), Path("/nowhere"))
    trials = [
        trial_of(0, good(1.0), ONE, purpose="baseline"),
        trial_of(1, measured(throughput=9.0, cost=1.0, latency_p99=0.01, error_ratio=0.005), TWO),
    ]
    summary = summarize(JournalContents(start=start, trials=tuple(trials), events=()))
    assert [comparison.metric for comparison in summary.comparisons] == ["throughput", "cost", "latency_p99"]


def test_one_may_choose_again() -> None:
    made = Event(kind=CHOSEN, data={"trial": 1, "pick": "knee", "reason": "the nearest", "note": ""})
    trials = [*study_of_five()[:2], trial_of(2, good(400.0, cost=9.0), THREE), *study_of_five()[3:]]
    study = contents(trials, made)
    fastest = summarize(study, pick="throughput").choice
    assert fastest is not None
    assert fastest.candidate.trial == 2
    cheap = summarize(study, pick="throughput", where=[Constraint(metric="cost", bound=2.0)]).choice
    assert cheap is not None
    assert cheap.candidate.trial == 1
    assert summarize(study, where=[Constraint(metric="cost", bound=0.5)]).choice is None
    asked = summarize(study, trial=4).choice
    assert asked is not None
    assert (asked.candidate.trial, asked.pick) == (1, "trial")
    with pytest.raises(InputError, match="trial 7 was not measured; those that were: 0, 1, 2"):
        summarize(study, trial=7)


def test_a_study_that_goes_on_has_not_ended() -> None:
    ended, interrupted, proposed = (Event(kind=kind, data={"because": kind}) for kind in (ENDED, INTERRUPTED, PROPOSED))
    assert "resume" in summarize(contents(study_of_five(), proposed, interrupted)).ended_because
    assert summarize(contents(study_of_five(), ended, proposed)).ended_because == "it has not ended"


def test_events_are_found_from_the_end() -> None:
    events = [Event(kind=kind, data={"at": at}) for at, kind in enumerate("abab")]
    assert last(events, "a") == {"at": 2}
    assert last(events, "c") is None
    assert [event.data["at"] for event in since(events, "a")] == [3]
    assert since(events, "c") == events
