"""Recording a grid: what is disturbed is measured again, and an interruption loses nothing."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders import measurement, window
from tests.cli.tune import TOY
from tests.repository.checkout import ROOT
from tuner.measure.model import Usage
from tuner.space.file.read import read as read_space
from tuner.space.model import Configuration
from tuner.trials.model import Failed, Measured, Trial

sys.path.insert(0, str(ROOT / "scripts" / "benchmark"))  # its modules know each other by their bare names

import record
from studies import Pace, done_of

SPACE = """\
name: two
manifest: deployment.yaml
parameters: {service: {choices: ["2", "4"], set: env/TOY_SERVICE_MS}}
workload: {protocol: seldon, request: request.json, rate: 100/s, warm_up: 100ms, duration: 500ms, step: 200ms}
slo: {latency_p50: 200ms}
objectives: {throughput: maximize}
budget: {trials: 2}
local: {command: [python, toy.py], folder: .}
"""
TABLE = "# source: a test\nservice,throughput,study,trial\n2,300,pass-1,0\n4,200,pass-1,1\n2,310,pass-2,0\n"


def trial(number: int, service: str, *, others: float = 0.0, outcome: Any = None, purpose: Any = "search") -> Trial:
    configuration = Configuration(values={"service": service})
    found = measurement(window(), usage=Usage(others_cores=others))
    return Trial(
        number=number,
        purpose=purpose,
        configuration=configuration,
        manifest_digest=service,
        outcome=outcome or Measured(measurement=found),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        duration_s=1.0,
        overhead_s=0.0,
    )


def lost(blame: Any) -> Failed:
    return Failed(stage="measure", kind="Late", reason="late", blame=blame)


def test_what_was_disturbed_or_lost_is_wanting_until_there_are_enough_others() -> None:
    grid = [Configuration(values={"service": service}) for service in ("2", "4", "8", "16")]
    trials = [
        trial(0, "2", purpose="baseline"),
        trial(1, "4", others=0.7),
        trial(2, "8", outcome=lost("environment")),
        trial(3, "2"),
        trial(4, "4"),
        trial(5, "8", outcome=lost("configuration")),
        trial(6, "8", outcome=lost("configuration")),
    ]
    assert record.wanting(grid, trials, 2) == [grid[1]]  # of the last nobody knows a trial: it cannot run here
    assert record.disturbed({"pass-1": trials}, 2) == {("pass-1", 2)}
    assert record.disturbed({"pass-1": trials, "again-1": [trial(0, "4")]}, 2) == {("pass-1", 1), ("pass-1", 2)}


def test_rows_are_left_out_and_that_is_said() -> None:
    assert record.without(TABLE, set()) == TABLE
    lines = record.without(TABLE, {("pass-1", 0)}).splitlines()
    assert lines[1] == "# left out: 1 starts that others disturbed, measured again since"
    assert lines[2:] == ["service,throughput,study,trial", "4,200,pass-1,1", "2,310,pass-2,0"]


def test_numbers_are_rounded_and_nothing_else() -> None:
    table = "# at: 1.23456789\na,b,c\n1.23456789,>=0.123456789,2026-01-01T00:00:00.123456789+00:00\n0.5,12345678,\n"
    assert record.rounded(table).splitlines()[2:] == [
        "1.23457,>=0.123457,2026-01-01T00:00:00.123456789+00:00",
        "0.5,12345678,",
    ]


@pytest.mark.parametrize("local", ["local: {folder: model}\n", "local:\n  command: [x]   # why\n\n  folder: model\n"])
def test_what_only_this_machine_has_is_left_out(local: str) -> None:
    assert record.without_local(f"name: x\n{local}budget: {{trials: 2}}\n") == "name: x\nbudget: {trials: 2}\n"
    assert record.without_local(f"name: x\n\n{local}".rstrip()) == "name: x\n"


def test_known_configurations_are_added_to_a_space() -> None:
    text = record.with_known("name: x\n", [Configuration(values={"cpu": "1", "workers": 2, "on": True})])
    assert text == 'name: x\n\nknown:\n  - {cpu: "1", on: true, workers: 2}\n'


def test_the_progress_of_a_study_is_read_and_told() -> None:
    assert done_of(b"37 of 97 trials, about 9 min left\n") == 37
    assert done_of(b"trial 3: measure at 100/s\n") is None
    assert done_of(b"most of 97 trials, x\n") is None
    now = iter([0.0, 30.0, 60.0])
    pace = Pace(lambda: next(now))
    assert pace.line(4).startswith("4 to come, about 2 min, until ")
    assert pace.line(2).startswith("2 to come, about 1 min, until ")


def test_a_grid_is_recorded_whole_though_it_is_interrupted(tmp_path: Path) -> None:
    space = tmp_path / "toy"
    space.mkdir()
    for file in ("deployment.yaml", "request.json", "../toy.py"):
        shutil.copy(TOY / file, space)
    (space / "space.yaml").write_text(SPACE)
    command = [
        ROOT / "scripts" / "benchmark" / "record",
        space,
        tmp_path / "recorded",
        "--restarts",
        "1",
        "--again",
        "0",
    ]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert running.stdout is not None
    assert any(line.startswith("pass-1: 1 of 3 trials") for line in running.stdout)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "the same command goes on" in told
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| the best that meet the SLO" in done.stdout
    text = (tmp_path / "recorded" / "kept" / "table.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert {(row["study"], row["service"]) for row in rows} >= {("pass-1", "2"), ("pass-1", "4")}
    assert (tmp_path / "recorded" / "kept" / "README.md").read_text().startswith("# two")
    space, problems = read_space(tmp_path / "recorded" / "kept" / "space.yaml")
    assert problems == ()
    assert space is not None


def test_a_budget_of_time_is_refused(tmp_path: Path) -> None:
    shutil.copytree(TOY, tmp_path / "toy")
    (tmp_path / "toy" / "space.yaml").write_text(SPACE.replace("trials: 2", "time: 1m"))
    with pytest.raises(SystemExit, match="measured whole"):
        record.inputs(tmp_path / "toy", tmp_path / "recorded")
