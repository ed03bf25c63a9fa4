"""The file of a recorded table: what is read is what was written, and every mistake has its line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import parameter
from tuner.backends.replay.columns import read, write
from tuner.backends.replay.model import Start
from tuner.errors import InputError
from tuner.space.model import Choices, Configuration, IntRange
from tuner.statistics.model import Estimate

WORKERS = parameter("workers", IntRange(low=1, high=8))
CPU = parameter("cpu", Choices(values=("500m", "1")))
EAGER = parameter("eager", Choices(values=(True, False)))
PARAMETERS = (WORKERS, CPU, EAGER)


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "table.csv"
    file.write_text(text)
    return file


def problems(tmp_path: Path, text: str) -> list[str]:
    file = table(tmp_path, text)
    with pytest.raises(InputError) as raised:
        read(file, PARAMETERS)
    return [str(problem).removeprefix(str(file)) for problem in raised.value.problems]


def test_a_row_is_a_start_with_amounts_in_any_unit(tmp_path: Path) -> None:
    text = (
        "# machine: 2 CPUs\n# licence: MIT\n"
        "workers,cpu,eager,throughput,latency_p99,latency_p99_high,measured_cpu,memory,error_ratio,colour\n"
        "2,500m,true,198/s,46ms,0.05,0.4,180Mi,0.1%,red\n"
    )
    contents = read(table(tmp_path, text), PARAMETERS)
    (start,) = contents.starts
    assert start.configuration.values == {"workers": 2, "cpu": "500m", "eager": True}
    assert start.metrics == {
        "throughput": Estimate(value=198.0),
        "latency_p99": Estimate(value=0.046, high=0.05),
        "cpu": Estimate(value=0.4),
        "memory": Estimate(value=180 * 2**20),
        "error_ratio": Estimate(value=0.001),
    }
    assert contents.said == {"machine": "2 CPUs", "licence": "MIT"}
    assert contents.unknown == ("colour",)


def test_what_does_not_exist_there_and_what_was_not_measured_is_absent(tmp_path: Path) -> None:
    contents = read(table(tmp_path, "workers,cpu,eager,throughput,latency_p99\n2,,false,100,\n"), PARAMETERS)
    (start,) = contents.starts
    assert start.configuration.values == {"workers": 2, "eager": False}
    assert list(start.metrics) == ["throughput"]


def test_a_latency_that_is_at_least_so_much_fell_on_unanswered_requests(tmp_path: Path) -> None:
    contents = read(table(tmp_path, "workers,cpu,eager,throughput,latency_p99\n2,1,true,>=100,>=5\n"), PARAMETERS)
    (start,) = contents.starts
    assert start.metrics == {"throughput": Estimate(value=100.0, is_least=True)}
    assert start.beyond_s == {"latency_p99": 5.0}


def test_mistakes_are_told_with_line_value_and_what_to_do(tmp_path: Path) -> None:
    head = "# licence: MIT\nworkers,cpu,eager,throughput,latency_p99,latency_p99_low,outcome,speed\n"
    rows = (
        "2,1,true,fast,,,,\n"
        "2,1,true,100,46 parsecs,,,\n"
        "2,1,true,100,-1,,,\n"
        "2,1,true,100,0.1,0.2,,\n"
        "2,1,true,,,,dead,\n"
        "2,1,true,,,,,\n"
        "2,1\n"
        "2,1,true,100,,,,0\n"
        "2,1,true,nan,,,,\n"
    )
    assert problems(tmp_path, head + rows) == [
        ":3: throughput: 'fast' is not a rate; write for example 100/s, 6000/m or 1.5k/s",
        ":4: latency_p99: '46 parsecs' is not a duration; write for example 250us, 100ms, 2s, 10m or 1h30m",
        ":5: latency_p99: '-1' is negative; write a number of at least 0; of what was not measured nothing",
        ":6: latency_p99: '0.1' lies outside its interval; put latency_p99_low and latency_p99_high right",
        ":7: outcome: 'dead' is none; write measured, stopped, failed, infeasible, or nothing (measured)",
        ":8: nothing was measured, and nothing says why; write failed or infeasible into `outcome`",
        ":9: 2 cells stand under 8 columns: '2,1'; write as many, and quotes around a text that holds commas",
        ":10: speed: '0' is no speed; 1 is a quiet machine's, 0.5 half of it",
        ":11: throughput: 'nan' is not a rate; write for example 100/s, 6000/m or 1.5k/s",
    ]


def test_a_column_that_is_missing_or_there_twice_is_told(tmp_path: Path) -> None:
    told = problems(tmp_path, "worker,cpu,cpu\n1,2,3\n")
    assert told[:-1] == [
        ":1: there are two columns 'cpu'; leave one of them out",
        ":1: there is no column of the parameter 'workers' (space.yaml:7); name one so; of the columns, "
        "did you mean 'worker'?",
        ":1: there is no column of the parameter 'eager' (space.yaml:7); name one so; of the columns, "
        "use one of: worker",
    ]
    assert told[-1].startswith(":1: no column is a metric; name one of throughput, ")
    assert "measured_cpu" in told[-1], "where a parameter is called like a metric"


@pytest.mark.parametrize("text", ["", "# source: nowhere\n", "\n"])
def test_without_a_head_one_problem_is_told(tmp_path: Path, text: str) -> None:
    assert [told.partition(": ")[2] for told in problems(tmp_path, text)] == [
        "there is no line that names the columns; record a table: `tune record STUDY -o TABLE`"
    ]


def test_other_separators_are_one_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "workers;cpu;eager;throughput\n1;1;true;10\n") == [
        ":1: the columns are not separated by commas: 'workers;cpu;eager;throughput'; write , in place of ';'"
    ]


def test_no_rows_and_no_file_are_told(tmp_path: Path) -> None:
    assert "it has no rows" in problems(tmp_path, "workers,cpu,eager,throughput\n")[0]
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.csv", PARAMETERS)


def test_of_many_problems_the_first_are_told(tmp_path: Path) -> None:
    told = problems(tmp_path, "workers,cpu,eager,throughput\n" + "2,1,true,fast\n" * 50)
    assert len(told) == 21
    assert "30 more problems like these" in told[-1]


amounts = st.floats(min_value=1e-9, max_value=1e9)
estimates = st.builds(
    lambda value, low, high: Estimate(value=value, low=low and value * low, high=high and value * high),
    amounts,
    st.none() | st.floats(min_value=0.1, max_value=1.0),
    st.none() | st.floats(min_value=1.0, max_value=10.0),
)
words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)
starts = st.builds(
    Start,
    configuration=st.builds(
        lambda workers, cpu, eager: Configuration(values={"workers": workers, "cpu": cpu, "eager": eager}),
        st.integers(min_value=1, max_value=8),
        st.sampled_from(("500m", "1")),
        st.booleans(),
    ),
    ending=st.sampled_from(("measured", "stopped")),
    metrics=st.dictionaries(st.sampled_from(("throughput", "cpu", "latency_p99.9")), estimates, min_size=1),
    reason=words,
    rate_rps=st.none() | amounts,
    duration_s=st.none() | amounts,
    speed=st.none() | amounts,
    study=words,
    trial=st.none() | st.integers(min_value=0, max_value=1000),
)


@given(st.lists(starts, min_size=1, max_size=5))
def test_what_is_read_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, told: list[Start]) -> None:
    file = tmp_path_factory.getbasetemp() / "written.csv"
    file.write_text(write(told, ["workers", "cpu", "eager"], {"licence": "MIT"}), encoding="utf-8")
    contents = read(file, PARAMETERS)
    assert contents.starts == tuple(told)
    assert contents.said == {"licence": "MIT"}
    assert contents.unknown == ()


@given(st.text())
def test_any_text_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_text(text, encoding="utf-8", errors="replace")
    with suppress(InputError):
        read(file, PARAMETERS)
