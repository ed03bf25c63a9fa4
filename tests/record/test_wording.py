from __future__ import annotations

from dataclasses import replace

import pytest

from tests.record import examples
from tuner.record.wording import (
    broken_text,
    caveat_lines,
    comparison_lines,
    constraint_text,
    estimate_text,
    metric_text,
    outcome_text,
    outlook_text,
    trials_text,
)
from tuner.search.model import Outlook
from tuner.space.model import Objective
from tuner.statistics.model import Estimate
from tuner.trials.model import Failed


@pytest.mark.parametrize(
    ("metric", "estimate", "text"),
    [
        ("latency_p99", Estimate(value=0.011, low=0.0099, high=0.0132), "11 ms (9.9-13.2)"),
        ("latency_p99", Estimate(value=0.0011, low=0.0009, high=0.0012), "1.1 ms (900 us-1.2 ms)"),
        ("latency_p99", Estimate(value=0.011), "11 ms"),
        ("throughput", Estimate(value=390.0, low=390.0, high=429.0), "390/s (390-429)"),
        ("error_ratio", Estimate(value=0.0, low=0.0, high=0.0), "0 %"),
        ("cost", Estimate(value=0.016), "0.016 EUR/h"),
    ],
)
def test_an_interval_is_short(metric: str, estimate: Estimate, text: str) -> None:
    assert estimate_text(metric, estimate, "EUR") == text


def test_what_was_not_measured_is_a_dash() -> None:
    assert metric_text(examples.trials()[3], "throughput") == "-"
    assert metric_text(examples.trials()[4], "latency_p99") == "-"


def test_every_outcome_is_said_with_its_reason() -> None:
    assert [outcome_text(trial) for trial in examples.trials()] == [
        "ok",
        "ok",
        "ok",
        "breaks the SLO: latency_p99 by 30 %",
        "failed at ready: OOMKilled, replica 0 was killed for memory (limit 256Mi)",
        "cannot run here: requests 4 cores, this machine has 2",
        "cut short: latency_p99 is at least 360 ms, the SLO allows 100 ms",
        "ok",
        "interrupted: interrupted by the user",
    ]


def test_what_lies_far_beyond_its_bound_is_told_as_a_factor() -> None:
    assert (
        broken_text([("latency_p99", 9.5), ("error_ratio", 411.0)])
        == "latency_p99 by 950 %, error_ratio by a factor of 412"
    )


def test_a_failure_of_the_environment_is_not_blamed_on_the_configuration() -> None:
    failed = Failed(stage="measure", kind="Untrusted", reason="the generator was late", blame="environment")
    text = outcome_text(examples.trial(1, examples.SMALL, failed))
    assert text.endswith("(not the configuration's fault)")


def test_bounds_are_said_in_the_users_units() -> None:
    assert [constraint_text(constraint) for constraint in examples.SLO] == [
        "latency_p99 <= 100 ms",
        "error_ratio <= 0.1 %",
    ]


def test_the_comparison_is_no_more_certain_than_the_noise_floor_allows() -> None:
    summary = examples.summary()
    noisy = replace(
        summary,
        comparisons=(
            replace(summary.comparisons[2], verdict="no difference"),
            replace(summary.comparisons[0], verdict="undecided"),
        ),
    )
    lines = comparison_lines(noisy)
    assert lines[0].startswith("chosen (knee): trial 1 (cpu=500m threads=4 workers=2)")
    assert lines[1] == (
        "latency_p99: 11.5 ms, baseline 20 ms (0.575x): "
        "no difference beyond the noise floor (restarts of one configuration differ by 1.3x)"
    )
    assert "undecided: the noise floor was not measured" in lines[2]
    alike = replace(summary, noise_floor=dict.fromkeys(summary.noise_floor, 1.0))
    assert not [line for line in comparison_lines(alike) if "restarts of one configuration" in line]


def test_a_tie_is_told_as_a_tie() -> None:
    assert comparison_lines(examples.summary())[-1] == (
        "a tie: trial 2 is as near to the ideal, the knee of two points: each is the best in one objective and the "
        "worst in the other; --pick says which objective counts"
    )


def test_an_equal_is_told_by_what_is_not_as_in_the_choice_and_with_what_is_known_of_it() -> None:
    summary = examples.summary()
    assert summary.choice is not None
    large = replace(summary.front.members[0], least=("throughput",))
    equal = replace(summary, choice=replace(summary.choice, equals=(2,)), candidates=(large,))
    assert comparison_lines(equal)[-1] == (
        "as good within the noise: trial 2 (cpu=1 workers=4 no threads, else the same): >= 640/s, 0.031 USD/h"
    )


def test_a_baseline_that_is_the_choice_was_not_beaten() -> None:
    summary = examples.summary()
    assert summary.choice is not None
    own = replace(summary.choice, candidate=replace(summary.choice.candidate, trial=0))
    assert comparison_lines(replace(summary, choice=own))[1].startswith("the baseline was not beaten")


def test_a_missing_baseline_is_said_with_its_reason() -> None:
    summary = examples.summary()
    failed = replace(summary.trials[0], outcome=summary.trials[4].outcome)
    without = replace(summary, baseline=None, trials=(failed, *summary.trials[1:]))
    assert "OOMKilled" in comparison_lines(without)[1]


def test_nothing_chosen_says_whether_anything_could_be_measured() -> None:
    summary = replace(examples.summary(), choice=None)
    assert "met the SLO" in comparison_lines(summary)[0]
    failed = replace(summary, trials=(summary.trials[4],))
    assert "could be measured" in comparison_lines(failed)[0]


def test_what_the_figures_must_be_read_with_is_said_once_with_its_trials() -> None:
    lines = caveat_lines(examples.summary())
    assert lines[0].startswith("not enforced: memory limit: no right to write cgroups (trials 0, ")
    assert lines[1].startswith("warning: few samples beyond p99.9 (trials 0, ")
    assert "other trials have warnings" in lines[2]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("expected", "most", "text"),
    [
        (0.004, 0.03, "10 more trials would probably bring 0.4 % more throughput (up to 3 %)"),
        (0.0004, 0.03, "10 more trials would probably bring less than 0.1 % more throughput (up to 3 %)"),
        (0.0, 0.0005, "10 more trials would probably bring nothing"),
        (32.0, 100.0, "what 10 more trials would bring cannot be told yet: it could be more than all so far"),
    ],
)
def test_what_more_trials_would_bring_is_said_with_its_uncertainty(expected: float, most: float, text: str) -> None:
    objectives = (Objective(metric="throughput", direction="maximize"),)
    assert outlook_text(Outlook(trials=10, expected=expected, most=most), objectives) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([3], "trial 3"), ([0, 1], "trials 0, 1"), ([0, 2, 5, 6, 7, 9], "trials 0, 2, 5 to 7, 9")],
)
def test_trials_are_named_in_a_few_words(numbers: list[int], text: str) -> None:
    assert trials_text(numbers) == text
