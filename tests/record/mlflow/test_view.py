from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests import builders
from tests.builders import parameter
from tests.record import examples
from tuner.record.mlflow.view import path, trials_view
from tuner.space.model import Choices, IntRange, SearchSpace


def state(space: SearchSpace) -> dict[str, Any]:
    whole = trials_view(examples.start(), space, "run")
    assert len(whole) <= 5000, "MLflow keeps no more of an experiment's tag"
    return dict(json.loads(whole))


def test_the_page_is_that_for_runs_and_not_for_language_models() -> None:
    assert path("7") == "/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=tuner"


def test_the_columns_stand_in_the_order_in_which_they_are_read() -> None:
    shown = state(examples.space())
    names = [column.split("`")[1] for column in shown["selectedColumns"]]
    assert names[:4] == ["throughput_rps", "latency_p99_ms", "cost_per_hour", "vs_baseline_pct/throughput"]
    assert names[4:8] == ["workers", "threads", "cpu", "error_ratio"]
    assert shown["columnOrder"][2:] == shown["selectedColumns"]
    assert set(shown["columnOrder"]) == set(shown["columnWidths"])


def test_what_is_aimed_at_and_the_knobs_fit_beside_side_bar_and_assistant() -> None:
    knobs = [
        parameter("workers", IntRange(low=1, high=4), "env/WORKERS"),
        parameter("threads", IntRange(low=1, high=8), "env/THREADS"),
        parameter("replicas", IntRange(low=1, high=2), "replicas"),
        parameter("cpu", Choices(values=("500m", "1")), "limits/cpu"),
        parameter("memory", Choices(values=("256Mi", "512Mi")), "limits/memory"),
    ]
    space = builders.space_of(knobs, name="iris", file=examples.space().file)
    widths = state(space)["columnWidths"]
    seen = [width for column, width in widths.items() if not column.startswith("tags.") and "error_ratio" not in column]
    assert 73 + sum(seen) <= 820
    assert 73 + sum(state(examples.space())["columnWidths"][one] for one in list(widths)[:6]) <= 820


def test_every_list_that_the_page_looks_into_is_there() -> None:
    lists = {"selectedColumns", "columnOrder", "runsPinned", "runsHidden"}
    assert {name for name, value in state(examples.space()).items() if isinstance(value, list)} >= lists


def test_charts_have_numbers_as_axes() -> None:
    parallel, objectives, _ = state(examples.space())["compareRunCharts"]
    assert parallel["selectedParams"] == ["workers", "threads", "cpu_cores"]
    assert [objectives[axis]["key"] for axis in ("xaxis", "yaxis")] == ["latency_p99_ms", "throughput_rps"]


def test_a_space_of_very_many_knobs_still_has_its_first_columns() -> None:
    many = [parameter(f"a_knob_with_a_rather_long_name_{n}", IntRange(low=1, high=9), f"env/K{n}") for n in range(90)]
    shown = state(builders.space_of(many, name="iris", file=examples.space().file))
    assert shown["selectedColumns"][0] == "metrics.`throughput_rps`"
    assert shown["columnOrder"] == []


def test_without_an_objective_the_latest_come_last() -> None:
    bare = json.loads(trials_view(replace(examples.start(), objectives=(), slo=()), examples.space()))
    assert bare["orderByKey"] == "attributes.start_time"
