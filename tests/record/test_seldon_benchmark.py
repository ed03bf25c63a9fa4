"""A study in the columns of Seldon's chart: what was measured, and nothing else."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from tests.builders import measurement, window
from tests.record.examples import space, summary
from tuner.manifests.seldon_benchmark.chart import COLUMNS
from tuner.record.seldon_benchmark import Table, table
from tuner.space.model import Configuration
from tuner.statistics.model import Estimate
from tuner.study.model import Summary
from tuner.trials.model import Measured, Referenced


def written(found: Summary) -> Table:
    def cell(configuration: Configuration) -> dict[str, str]:
        return {"serverWorkers": str(configuration.values["workers"]), "image": "iris:1"}

    return table(found, space(), cell)


def test_a_row_is_a_trial_in_milliseconds_and_counts() -> None:
    rows = written(summary()).rows
    assert all(tuple(row) == COLUMNS for row in rows)
    first = rows[0]
    assert first["iteration_name"] == "iris-0"
    assert (first["50th"], first["99th"]) == (5.0, 20.0)
    assert (first["throughputAchieved"], first["success"], first["errors"]) == (100.0, 500, 0)
    assert (first["apiType"], first["concurrency"], first["duration"], first["rate"]) == ("rest", "32", "5s", "100")
    assert (first["serverWorkers"], first["image"]) == ("1", "iris:1")


def test_errors_are_no_successes() -> None:
    broken = written(summary()).rows[6]
    assert (broken["success"], broken["errors"]) == (497, 3)


def test_what_was_not_measured_is_empty_and_said() -> None:
    found = written(summary())
    assert {row["mean"] for row in found.rows} == {None}
    failed = found.rows[4]
    assert all(failed[column] is None for column in ("50th", "99th", "throughputAchieved", "success", "errors", "rate"))
    said = "\n".join(found.said)
    assert "mean is empty" in said
    assert "benchmarkCpu is empty" in said
    assert "trial 4 was not measured: it failed at ready: OOMKilled" in said
    assert "trial 5 was not measured: it cannot run here" in said
    assert "trials 7 are fresh starts" in said
    assert "90th and 95th could not be told" in said


def test_a_quantile_beyond_the_timeout_is_no_number() -> None:
    late = window(latency_s={"latency_p50": Estimate(value=0.1)}, beyond_s={"latency_p99": 5.0})
    trials = (replace(summary().trials[0], outcome=Measured(measurement=measurement(late))),)
    found = written(replace(summary(), trials=trials))
    assert found.rows[0]["99th"] is None
    assert "99th is more than 5 s" in "\n".join(found.said)


def test_a_closed_loop_has_no_rate_and_a_replay_counts_nothing() -> None:
    closed = window(offered_rps=0.0, achieved_rps=87.5)
    replayed = window(requests=0)
    trials = tuple(
        replace(summary().trials[0], number=number, outcome=Measured(measurement=measurement(one)))
        for number, one in enumerate((closed, replayed))
    )
    first, second = written(replace(summary(), trials=trials)).rows
    assert (first["rate"], first["throughputAchieved"]) == ("0", 87.5)
    assert (second["throughputAchieved"], second["success"], second["errors"]) == (None, None, None)


def test_a_reference_is_no_row() -> None:
    reference = replace(summary().trials[0], purpose="reference", outcome=Referenced(measurement=measurement(window())))
    assert written(replace(summary(), trials=(reference,))).rows == ()


def test_the_csv_reads_back() -> None:
    found = written(summary())
    read = list(csv.DictReader(io.StringIO(found.csv())))
    assert [row["iteration_name"] for row in read] == [f"iris-{number}" for number in range(9)]
    assert read[0]["99th"] == "20.0"
    assert read[4]["99th"] == ""
    assert found.csv().splitlines()[0] == ",".join(COLUMNS)
