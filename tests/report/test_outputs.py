"""What a study found, for what goes on from it: a verdict that is no guess."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.record.examples import summary
from tuner.front.model import Choice
from tuner.report.outputs import OUTPUTS, is_measured, outputs, verdict
from tuner.study.model import Summary


def chosen(trial: int) -> Summary:
    found = summary()
    assert found.choice is not None
    return replace(
        found, choice=Choice(candidate=replace(found.choice.candidate, trial=trial), pick="knee", reason="r")
    )


def with_verdicts(**verdicts: str) -> Summary:
    found = summary()
    told = tuple(replace(one, verdict=verdicts.get(one.metric, one.verdict)) for one in found.comparisons)
    return replace(found, comparisons=told)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (summary(), "better"),
        (with_verdicts(throughput="no difference"), "no-gain"),
        (with_verdicts(throughput="undecided", cost="worse"), "no-gain"),
        (with_verdicts(throughput="worse", cost="better"), "better"),
        (chosen(0), "no-gain"),
        (replace(summary(), baseline=None, comparisons=()), "better"),
        (replace(summary(), choice=None, comparisons=()), "nothing-met"),
    ],
)
def test_the_verdict(found: Summary, wanted: str) -> None:
    assert verdict(found) == wanted


def test_every_output_has_its_text() -> None:
    texts = outputs(summary(), "kind: Deployment\n")
    assert list(texts) == list(OUTPUTS)
    assert (texts["verdict"], texts["trial"], texts["gain"]) == ("better", "1", "1.83x")
    assert json.loads(texts["numbers"])["throughput"]["chosen"] == 385.0
    assert texts["manifest"] == "kind: Deployment\n"


def test_of_nothing_that_was_chosen_there_is_no_manifest() -> None:
    texts = outputs(replace(summary(), choice=None, comparisons=()), "of before\n")
    assert texts == {"verdict": "nothing-met", "trial": "", "gain": "", "numbers": "{}", "manifest": ""}


def test_nothing_goes_on_from_a_study_that_has_not_ended() -> None:
    assert is_measured(replace(summary(), state="ended"))
    assert not is_measured(summary())
    assert not is_measured(replace(summary(), state="ended", trials=summary().trials[4:6]))
