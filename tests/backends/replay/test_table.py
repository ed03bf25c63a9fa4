"""Restarts are drawn from the rows of a configuration; what has no row cannot run, or has the nearest one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import parameter, space_of
from tuner.backends.replay.table import Table
from tuner.errors import InputError
from tuner.space.model import Choices, Configuration, IntRange

SPACE = space_of(
    (parameter("workers", IntRange(low=1, high=64)), parameter("cpu", Choices(values=("500m", "1")))), slo=()
)
ROWS = (
    "workers,cpu,throughput,outcome,kind,reason\n"
    "1,500m,10,,,\n1,500m,11,,,\n1,500m,12,,,\n"
    "2,1000m,20,,,\n"
    "8,1,,failed,OOMKilled,too much\n"
    "64,1,,infeasible,,Insufficient cpu\n"
)


def opened(tmp_path: Path, text: str = ROWS, seed: int = 0) -> Table:
    file = tmp_path / "table.csv"
    file.write_text(text)
    return Table.open(file, SPACE, seed)


def of(workers: int, cpu: str = "500m") -> Configuration:
    return Configuration(values={"workers": workers, "cpu": cpu})


def told(table: Table, configuration: Configuration, times: int = 1) -> list[float]:
    return [table.start(configuration).metrics["throughput"].value for _ in range(times)]


def test_no_restart_is_told_twice_before_all_were(tmp_path: Path) -> None:
    found = told(opened(tmp_path), of(1), 6)
    assert sorted(found[:3]) == [10, 11, 12]
    assert found[3:] == found[:3]


def test_the_seed_decides_the_order(tmp_path: Path) -> None:
    orders = {tuple(told(opened(tmp_path, seed=seed), of(1), 3)) for seed in range(20)}
    assert len(orders) > 1
    assert told(opened(tmp_path, seed=7), of(1), 3) == told(opened(tmp_path, seed=7), of(1), 3)


def test_a_study_taken_up_goes_on_with_the_restarts_not_told_yet(tmp_path: Path) -> None:
    whole, taken_up = opened(tmp_path), opened(tmp_path)
    found = told(whole, of(1), 3)
    taken_up.take_up([of(1), of(2, "1"), of(1), of(5)])
    assert told(taken_up, of(1)) == found[2:]


def test_another_spelling_is_the_same_configuration(tmp_path: Path) -> None:
    assert told(opened(tmp_path), of(2, "1")) == [20]


def test_what_has_no_row_cannot_run(tmp_path: Path) -> None:
    table = opened(tmp_path)
    assert table.infeasible(of(3)) == "table.csv has no row of cpu=500m workers=3"
    assert table.infeasible(of(64, "1")) == "Insufficient cpu"
    assert table.infeasible(of(8, "1")) is None
    assert table.start(of(8, "1")).kind == "OOMKilled"


def test_of_a_sample_the_nearest_row_not_used_yet_is_told(tmp_path: Path) -> None:
    table = opened(tmp_path, "# sample: true\n" + ROWS)
    near = table.start(of(3, "1"))
    assert near.configuration.values["workers"] == 2
    assert near.stands_for == of(3, "1")
    assert table.start(of(3, "1")).configuration == near.configuration, "a restart is of the same row"
    assert table.start(of(2, "1")).configuration != near.configuration, "it stands for another one already"


def test_a_sample_is_used_up(tmp_path: Path) -> None:
    table = opened(tmp_path, "# sample: true\nworkers,cpu,throughput\n1,1,10\n")
    assert table.start(of(9)).metrics["throughput"].value == 10
    assert table.infeasible(of(10)) == "every row of table.csv stands for another configuration already"
    assert table.infeasible(of(9)) is None


def test_thousands_of_candidates_of_a_sample_are_looked_up_without_their_nearest_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = opened(tmp_path, "# sample: true\n" + ROWS)

    def looked(*_: object) -> float:
        raise AssertionError("it was compared with a row")

    monkeypatch.setattr(Table, "_distance", looked)
    assert [table.infeasible(of(workers, "1")) for workers in range(50, 60)] == [None] * 10


def test_a_row_of_a_sample_that_could_not_run_stands_for_nothing_else(tmp_path: Path) -> None:
    rows = "workers,cpu,throughput,outcome,reason\n1,1,10,,\n2,1,,infeasible,no room\n"
    table = opened(tmp_path, "# sample: true\n" + rows)
    assert table.infeasible(of(2, "1")) == "no room"
    assert table.start(of(3, "1")).metrics["throughput"].value == 10


def test_it_is_said_what_the_table_lacks_and_what_is_passed_over(tmp_path: Path) -> None:
    said = opened(tmp_path, "workers,cpu,throughput,colour\n1,1,10,red\n").foreseen()
    assert said[0].startswith("table.csv has 1 rows of 1 configurations")
    assert "127 configurations of the space have no row" in said[1]
    assert said[2].endswith("passed over: colour")


def test_a_sample_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sample: 'perhaps' is neither true nor false"):
        opened(tmp_path, "# sample: perhaps\n" + ROWS)
