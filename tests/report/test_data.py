from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.record import examples
from tuner.report.data import SCHEMA, data, plain, write


def test_it_is_plain_json_that_reads_back_the_same() -> None:
    made = data(examples.summary(), examples.space())
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["schema"] == SCHEMA


def test_it_holds_what_a_report_needs() -> None:
    made = data(examples.summary(), examples.space())
    assert made["study"]["name"] == "iris"
    assert [trial["number"] for trial in made["trials"]] == list(range(9))
    first = made["trials"][1]
    assert first["configuration"] == {"cpu": "500m", "threads": 4, "workers": 2}
    assert first["metrics"]["latency_p99"] == {
        "value": 0.011,
        "low": 0.011 * 0.9,
        "high": 0.011 * 1.2,
        "is_least": False,
    }
    assert [window["offered_rps"] for window in first["measurement"]["curve"]] == [100.0, 200.0, 400.4]
    assert [member["trial"] for member in made["front"]["members"]] == [2, 1]
    assert made["choice"]["candidate"]["trial"] == 1
    assert made["comparisons"][0]["verdict"] == "better"
    assert made["noise_floor"] == {"throughput": 1.03, "latency_p99": 1.3}
    assert made["knobs"][1]["domain"] == {"kind": "int", "low": 1, "high": 8, "step": 1, "log": True}
    assert made["knobs"][1]["when"] == {"parameter": "workers", "values": [1, 2]}
    assert made["knobs"][2]["domain"] == {"kind": "choices", "values": ["500m", "1"]}


def test_outcomes_are_named_and_give_their_reason() -> None:
    outcomes = [trial["outcome"] for trial in data(examples.summary())["trials"]]
    assert [outcomes[n]["name"] for n in (0, 4, 5, 6, 8)] == [
        "measured",
        "failed",
        "infeasible",
        "stopped",
        "interrupted",
    ]
    assert outcomes[3]["broken"] == [{"metric": "latency_p99", "excess": 0.3}]
    assert outcomes[4]["logs"] == "booting worker\nkilled\n"
    assert "measurement" not in outcomes[0]


def test_what_was_not_measured_is_absent_or_null() -> None:
    trials = data(examples.summary())["trials"]
    assert trials[4]["measurement"] is None
    assert trials[4]["metrics"] == {}
    assert "throughput" not in trials[3]["metrics"]
    assert trials[3]["measurement"]["throughput_rps"] is None


def test_credentials_are_left_out() -> None:
    summary = examples.summary()
    start = replace(summary.start, tracking_uri="http://me:hidden@host", storage_url="postgresql://me:hidden@db/x")
    assert "hidden" not in json.dumps(data(replace(summary, start=start)))


def test_without_the_search_space_the_knobs_are_unknown() -> None:
    assert data(examples.summary())["knobs"] is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_becomes_null(value: float) -> None:
    assert plain({"a": [value]}) == {"a": [None]}


def test_writing_replaces_the_file_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "iris" / "report.json"
    write(path, examples.summary())
    write(path, examples.summary(), examples.space())
    assert json.loads(path.read_text()) == data(examples.summary(), examples.space())
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write(path, examples.summary())
    old = path.read_text()
    wrong = replace(examples.summary(), rate_rps=math.nan)
    with pytest.raises(ValueError, match="JSON compliant"):
        write(path, wrong)
    assert path.read_text() == old
