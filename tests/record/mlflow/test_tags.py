from __future__ import annotations

from dataclasses import replace

import pytest

from tests.record import examples
from tuner.record.mlflow.tags import command, first_of, run_name, source_tags, trial_tags, verdict_tags
from tuner.space.model import Budget
from tuner.trials.model import Purpose

TRIALS = examples.trials()


@pytest.mark.parametrize(
    ("purpose", "first", "name"),
    [
        ("search", 1, "12"),
        ("baseline", 12, "12 baseline"),
        ("confirm", 6, "12 restart of 6"),
        ("confirm", None, "12 restart"),
        ("again", 5, "12 measured again of 5"),
        ("reference", 0, "12 reference"),
    ],
)
def test_a_run_is_named_by_what_no_column_says(purpose: Purpose, first: int | None, name: str) -> None:
    assert run_name(replace(TRIALS[1], number=12, purpose=purpose), first) == name


def test_the_first_trial_of_a_manifest_is_known() -> None:
    assert first_of("b", [(3, "b"), (1, "a"), (2, "b")]) == 2
    assert first_of("c", [(3, "b")]) is None


def test_nothing_is_tagged_as_not_so() -> None:
    for trial in TRIALS:
        assert {"", "false"}.isdisjoint(trial_tags(trial).values())


def test_a_restart_carries_no_verdict() -> None:
    verdicts = verdict_tags(examples.summary())
    assert {number: set(tags) for number, tags in verdicts.items() if tags} == {1: {"pareto", "chosen"}, 2: {"pareto"}}


def test_a_study_without_a_choice_has_no_chosen_run() -> None:
    summary = replace(examples.summary(), choice=None, front=replace(examples.summary().front, members=()))
    assert set(verdict_tags(summary).values()) == {frozenset()}


def test_the_command_makes_the_study_again() -> None:
    start = replace(
        examples.start(), space_file="/my spaces/iris/space.yaml", budget=Budget(trials=9), seed=0, sampler="auto"
    )
    assert command(start) == "tune run '/my spaces/iris/space.yaml' --trials 9"
    replayed = replace(start, backend="replay", table="/tables/t.csv", seed=7, sampler="tpe", pick="cost")
    shown = "tune run iris --backend replay --table t.csv --trials 9 --sampler tpe --seed 7 --pick cost"
    assert command(replayed, whole=False) == shown


def test_what_is_not_known_of_a_source_is_not_tagged() -> None:
    assert set(source_tags(examples.start(), "", "")) == {"mlflow.source.name", "mlflow.source.type"}
