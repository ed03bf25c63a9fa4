"""What a study teaches, as a user meets it: in `tune run`, `tune show`, its JSON and the report; and warm starts."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from tests.cli.tune import TOY, Tune


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every configuration of the toy space: throughput follows from workers, replicas and service, and CPU helps."""
    rows = ["workers,service,replicas,cpu,memory,throughput,latency_p99,error_ratio"]
    for workers, service, replicas, cpu, memory in product((1, 2, 3, 4), (2, 4, 8), (1, 2), (250, 500), (64, 128)):
        rate = 400.0 * workers**0.8 * replicas / service * (cpu / 500) ** 0.3
        p99 = 0.004 * service * (1.0 + workers / 4) * (500 / cpu) ** 0.5
        rows.append(f"{workers},{service},{replicas},{cpu}m,{memory}Mi,{rate:.5g},{p99:.5g},0")
    file = tmp_path_factory.mktemp("table") / "table.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Tune:
    """Where the study `toy` has been run."""
    tune = Tune(tmp_path_factory.mktemp("study"))
    done = tune("run", TOY, "--backend", "replay", "--table", table, "--trials", "10", "--tracking-uri", "none")
    assert done.status == 0, done.err
    assert "what mattered, by the model after" in done.out
    return tune


def test_what_a_study_taught_is_in_its_journal_its_report_and_what_is_shown(study: Tune) -> None:
    folder = study.folder / "studies" / "toy"
    report = json.loads((folder / "report.json").read_text())
    learned = report["knowledge"]
    assert learned["too_few"] == ""
    knobs = {one["knob"]: one for one in learned["matters"][0]["knobs"]}
    assert set(knobs) == {"workers", "service", "replicas", "cpu", "memory"}
    assert "fANOVA" in learned["matters"][0]["others"]
    (event,) = [
        json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines() if '"knowledge"' in line
    ]
    assert {**event["data"], "trials": 0} == {**learned, "trials": 0}
    shown = study("show", "toy")
    assert shown.status == 0, shown.err
    assert "from the baseline to the choice" in shown.out
    assert study("show", "toy", "--json").json["knowledge"] == learned
    again = study("show", "toy", "--pick", "cost")
    assert again.status == 0, again.err
    assert "what mattered" in again.out


def test_what_is_believed_of_a_configuration_nobody_tried(study: Tune) -> None:
    done = study("show", "toy", "--predict", "workers=3,cpu=0.5,service=2")
    assert done.status == 0, done.err
    assert "predicted: cpu=500m" in done.out
    assert "throughput" in done.out
    found = study("show", "toy", "--predict", "workers=3,service=2,replicas=1,cpu=500m,memory=64Mi", "--json").json
    truth = 400.0 * 3**0.8 / 2
    assert found["metrics"]["throughput"]["low"] < truth < found["metrics"]["throughput"]["high"]
    assert found["cost_known"] == pytest.approx(0.5 * 0.03 + 64 / 1024 * 0.004)
    assert found["nearest"]["starts"] >= 1


def test_a_prediction_of_what_is_not_in_the_space_names_the_knob_and_what_is_allowed(study: Tune) -> None:
    done = study("show", "toy", "--predict", "workers=9,wrkers=1")
    assert done.status == 2
    assert "workers cannot be '9'; it is a whole number from 1 to 4" in done.err
    assert "'wrkers' is no parameter of toy; did you mean 'workers'?" in done.err


def test_a_study_with_too_few_trials_says_so(tune: Tune, table: Path) -> None:
    done = tune("run", TOY, "--backend", "replay", "--table", table, "--trials", "3", "--tracking-uri", "none")
    assert done.status == 0, done.err
    assert "which knobs mattered: 3 configurations were measured" in done.out


def test_a_study_learns_from_an_earlier_one_and_keeps_it(study: Tune, table: Path) -> None:
    replay = ("--backend", "replay", "--table", table, "--tracking-uri", "none")
    done = study("run", TOY, *replay, "--trials", "3", "--name", "second", "--warm-start", "toy")
    assert done.status == 0, done.err
    assert "learns from" in done.err
    assert "trials of study toy" in done.err
    (study.folder / "studies" / "toy").rename(study.folder / "gone")
    resumed = study("resume", "second", "--trials", "4")
    (study.folder / "gone").rename(study.folder / "studies" / "toy")
    assert resumed.status == 0, resumed.err
    shown = study("show", "second", "--json").json
    assert [(one["name"], one["trials"] >= 9) for one in shown["study"]["warm_start"]] == [("toy", True)]
    assert shown["knowledge"]["configurations"] >= 9


def test_other_samplers_do_not_learn_from_earlier_studies(study: Tune, table: Path) -> None:
    done = study("run", TOY, "--backend", "replay", "--table", table, "--sampler", "tpe", "--warm-start", "toy")
    assert done.status == 2
    assert "the sampler tpe does not learn from earlier studies; use --sampler auto" in done.err
