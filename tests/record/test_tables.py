"""The tables of trials: whole words and one line a trial, whatever the width."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from tests.record import examples
from tuner.record.tables import pareto_table, trials_table
from tuner.space.model import Configuration
from tuner.study.model import Summary


def printed(renderable: RenderableType, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width, height=24, _environ={}).print(renderable)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("table", [pareto_table, trials_table])
def test_tables_fit_and_cut_nothing(table: Callable[[Summary], RenderableType], width: int) -> None:
    text = printed(table(examples.summary()), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_choice_the_front_and_the_baseline_are_marked(width: int) -> None:
    text = printed(trials_table(examples.summary()), width)
    starts = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert {"b0", "*1", "+2"} <= set(starts)


def test_an_empty_front_is_said() -> None:
    summary = examples.summary()
    assert "no configuration certainly met the SLO" in printed(
        pareto_table(replace(summary, front=replace(summary.front, members=()))), 80
    )


def test_user_data_is_never_markup() -> None:
    summary = examples.summary()
    odd = examples.trial(0, {"flag": "[bold]x[/bold]"}, summary.trials[0].outcome, "baseline")
    assert "in all: flag=[bold]x[/bold]" in printed(trials_table(replace(summary, trials=(odd,))), 120)
    varied = printed(trials_table(replace(summary, trials=(odd, *summary.trials[1:]))), 120)
    assert "b0  [bold]x[/bold]" in varied


def test_each_trial_has_one_line_and_only_what_differs_a_column() -> None:
    summary = examples.summary()
    same = tuple(
        replace(one, configuration=Configuration(values={**one.configuration.values, "replicas": 1}))
        for one in summary.trials
    )
    lines = printed(trials_table(replace(summary, trials=same)), 80).splitlines()
    rule = next(place for place, line in enumerate(lines) if line.startswith("──"))
    rows = lines[rule + 1 : rule + 1 + len(same)]
    assert [row.split()[0].strip("*+b") for row in rows] == [str(one.number) for one in same]
    assert not any("replicas" in line for line in lines[: rule + 1])
    assert lines[-1] == "in all: replicas=1"


def test_what_has_no_room_is_named_and_the_knobs_that_matter_most_stay() -> None:
    summary = examples.summary()
    many = tuple(
        replace(
            one,
            configuration=Configuration(values={f"a_knob_{n}": f"{n}-of-trial-{one.number}" for n in range(31)}),
        )
        for one in summary.trials
    )
    share = {"value": 0.9, "low": 0.8, "high": 1.0}
    known = {"matters": [{"knobs": [{"knob": "a_knob_23", "alone": share, "in_all": share}]}]}
    text = printed(trials_table(replace(summary, trials=many, knowledge=known)), 80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "23-of-trial-0" in text
    assert "(--json has all)" in text
    assert len([line for line in lines if line.lstrip("*+b ")[:2] in {f"{n} " for n in range(9)}]) == 9


def test_of_several_starts_the_front_has_the_median_with_their_range_as_the_annotations_have() -> None:
    summary = examples.summary()
    middle = replace(summary.front.members[1], metrics={"throughput": 385.0, "cost": 0.016}, measured_by=(1, 7))
    front = replace(summary.front, members=(middle,))
    assert "385/s (380-429)" in printed(pareto_table(replace(summary, front=front)), 120)


def test_no_colour_when_it_is_not_wanted() -> None:
    file = io.StringIO()
    made = Console(file=file, width=80, force_terminal=True, _environ={"NO_COLOR": "1"})
    made.print(trials_table(examples.summary()))
    assert "\x1b[32m" not in file.getvalue()
