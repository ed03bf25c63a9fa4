"""`tune record` and `tune run --backend replay`: what was measured is told again, by the command as users type it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.study import journal
from tests.cli.tune import TOY, Tune
from tests.repository.checkout import ROOT
from tuner.trials.model import Failed, Infeasible, Measured, Stopped, Trial

IRIS = ROOT / "search_spaces" / "iris"


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    (tmp_path / "server.json").write_text('{"simulated": {"memory_worker": "60Mi"}, "noise": 0.05}')
    return Tune(tmp_path)


def run(tune: Tune, table: str, *more: str) -> int:
    done = tune("run", IRIS, "--backend", "replay", "--table", table, "--tracking-uri", "none", *more)
    assert done.status in (0, 1), done.err
    return done.status


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in file.read_text().splitlines() if not line.startswith("#")))


def told(trial: Trial) -> object:
    match trial.outcome:
        case Measured(measurement=found):
            return {name: (one.value, one.low, one.high) for name, one in found.estimates().items()}, trial.state
        case Stopped(measurement=found, reason=reason):
            return found.metrics(), reason
        case Failed(kind=kind, stage=stage, reason=reason):
            return kind, stage, reason
        case Infeasible(reason=reason):
            return reason
    return None


def test_what_was_recorded_is_replayed_to_the_same_outcomes(tune: Tune) -> None:
    run(tune, "server.json", "--name", "first", "--seed", "3", "--trials", "12")
    recorded = tune("record", "first", "-o", "first.csv", "--json").json
    assert recorded["rows"] == len(rows(tune.folder / "first.csv")) >= 12
    run(tune, "first.csv", "--name", "again", "--trials", "100", "--time", "1d")

    by_configuration: dict[str, list[object]] = {}
    for trial in journal(tune.folder, "first").trials:
        by_configuration.setdefault(trial.configuration.digest, []).append(told(trial))
    found = journal(tune.folder, "again").trials
    assert {trial.configuration.digest for trial in found} == by_configuration.keys(), "each configuration was tried"
    for trial in found:
        assert told(trial) in by_configuration[trial.configuration.digest]
    assert any(isinstance(trial.outcome, Failed) for trial in found), "failures are told again, too"


def test_several_studies_of_one_space_are_one_table(tune: Tune) -> None:
    for seed in ("1", "2"):
        run(tune, "server.json", "--name", f"s{seed}", "--seed", seed, "--trials", "4")
    tune("record", "s1", "s2", "-o", "both.csv")
    found = rows(tune.folder / "both.csv")
    assert {row["study"] for row in found} == {"s1", "s2"}
    text = (tune.folder / "both.csv").read_text()
    assert "# source: tune record of s1, s2, tuner" in text
    assert "# machine: simulated: {" in text


def test_studies_of_different_parameters_are_refused(tune: Tune) -> None:
    run(tune, "server.json", "--name", "whole", "--trials", "3")
    shutil.copytree(IRIS, tune.folder / "iris")
    space = tune.folder / "iris" / "space.yaml"
    lines = [
        line for line in space.read_text().splitlines() if not line.strip().startswith(("threads:", "- workers * "))
    ]
    space.write_text("\n".join(lines))
    done = tune(
        *("run", "iris", "--backend", "replay", "--table", "server.json"),
        *("--tracking-uri", "none", "--name", "part", "--trials", "3"),
    )
    assert done.status in (0, 1), done.err
    refused = tune("record", "whole", "part")
    assert refused.status == 2
    assert "its parameters are not those of whole: threads" in refused.err


def test_a_budget_of_time_counts_what_the_trials_took_when_they_were_recorded(tune: Tune) -> None:
    run(tune, "server.json", "--name", "timed", "--trials", "100", "--time", "4m", "--confirm", "0")
    trials = [trial for trial in journal(tune.folder, "timed").trials if trial.purpose in ("baseline", "search")]
    assert 5 <= len(trials) <= 8, "of 30 s each"


def test_a_study_is_taken_up_with_its_table(tune: Tune) -> None:
    run(tune, "server.json", "--name", "more", "--trials", "4", "--confirm", "0")
    done = tune("resume", "more", "--trials", "6")
    assert done.status in (0, 1), done.err
    searched = [trial for trial in journal(tune.folder, "more").trials if trial.purpose in ("baseline", "search")]
    assert len(searched) == 6


def test_a_table_that_changed_since_is_told_and_the_studys_copy_is_replayed_on(tune: Tune) -> None:
    run(tune, "server.json", "--name", "more", "--trials", "3", "--confirm", "0")
    tune("record", "more", "-o", "more.csv")
    run(tune, "more.csv", "--name", "again", "--trials", "2", "--confirm", "0")
    table = tune.folder / "more.csv"
    table.write_text("workers\n1\n")
    done = tune("resume", "again", "--trials", "3")
    assert done.status in (0, 1), done.err
    assert f"{table} changed since study again began, which goes on with its copy in studies/again/inputs" in done.err
    assert len([one for one in journal(tune.folder, "again").trials if one.purpose in ("baseline", "search")]) == 3
    (copied,) = (tune.folder / "studies" / "again" / "inputs").rglob("more.csv")
    copied.write_text(copied.read_text() + "\n")
    done = tune("resume", "again", "--trials", "4")
    assert done.status == 2
    assert "the search space, its manifest or the table changed since study again began" in done.err


def test_check_says_what_the_table_has(tune: Tune) -> None:
    run(tune, "server.json", "--name", "few", "--trials", "3", "--confirm", "0")
    tune("record", "few", "-o", "few.csv")
    done = tune("check", IRIS, "--backend", "replay", "--table", "few.csv", "--json")
    assert "few.csv has 3 rows of 3 configurations" in done.json["foreseen"][0]
    assert "have no row: they count as what cannot run here" in done.json["foreseen"][1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backend", "replay"), "a replay needs a table of what was measured; name it with --table"),
        (("--table", "server.json"), "the process backend measures anew; write --backend replay, or leave it out"),
        (("--backend", "replay", "--table", "none.csv"), "none.csv: cannot be read"),
    ],
)
def test_a_table_goes_with_a_replay(tune: Tune, options: tuple[str, ...], message: str) -> None:
    done = tune("check", TOY, *options)
    assert done.status == 2
    assert message in done.err


def test_a_study_that_was_replayed_is_no_server_to_measure(tune: Tune) -> None:
    run(tune, "server.json", "--name", "few", "--trials", "3", "--confirm", "0")
    done = tune("bench", "study:few")
    assert done.status == 2
    assert "study few was replayed" in done.err


def test_a_study_is_made_of_a_table_of_others(tune: Tune) -> None:
    """By the benchmark's script: values that occur are the domains."""
    text = "# objective: minimize latency_p99\n# slo: cpu <= 2.5\nthreads,mode,latency_p99,cpu\n"
    text += "".join(f"{threads},{mode},{1 / threads},{threads / 4}\n" for threads in (1, 2, 8) for mode in ("a", "b"))
    (tune.folder / "others.csv").write_text(text)
    made = [sys.executable, str(ROOT / "scripts" / "benchmark" / "adopt.py"), "others.csv", "made"]
    subprocess.run(made, cwd=tune.folder, check=True, capture_output=True, timeout=60)
    done = tune("run", "made", "--backend", "replay", "--table", "made/table.csv", "--tracking-uri", "none", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["choice"]["candidate"]["metrics"]["latency_p99"] == 0.125
