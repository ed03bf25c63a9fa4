"""The benchmark of the search: its arithmetic, and whole studies through it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.checkout import ROOT

sys.path.insert(0, str(ROOT / "scripts" / "benchmark"))  # its modules know each other by their bare names

import adopt
import public
import search
import worlds

TABLE = "# objective: maximize throughput\n# slo: latency_p99 <= 0.1\nthreads,mode,throughput,latency_p99\n"
ROWS = [
    f"{threads},{mode},{threads * 10 + place},{threads / 50}\n"
    for threads in range(1, 9)
    for place, mode in enumerate("ab")
]


def test_domains_are_the_values_that_occur() -> None:
    assert adopt.domain(["3", "1", "2", "1"], sample=False) == "int: [1, 3]"
    assert adopt.domain(["100", "1", "1.00E+06"], sample=False) == "choices: [1, 100, 1.00E+06]"
    assert adopt.domain(["b", "a"], sample=False) == 'choices: ["a", "b"]'
    assert adopt.domain([str(one * 7) for one in range(1, 60)], sample=True) == "int: [7, 413], log: true"


def test_columns_of_others_are_named_and_scaled() -> None:
    text = "# licence: MIT\nMax, Latency-\n1,250\n"
    assert adopt.renamed(text, ["Latency-=latency_p99/1000"]) == "# licence: MIT\nMax,latency_p99\n1,0.25\n"


def test_public_measurements_are_tables_of_one_revision_in_our_units_and_of_what_varies() -> None:
    storm = "a,b,Throughput+,Latency-\n1.000,1,30,100\n2.000,1,20,300\n2.000,1,-1,200\n"
    assert public.table(public.storm("A"), storm) == (
        "a,throughput,latency_p99\n1,30,0.1\n2,20,0.3\n",
        ["latency_p99 <= 0.2"],
    )
    database = "root;mode;revision;performance;energy\n1;x;8.3;0.5;7\n1;y;8.3;0.7;7\n1;y;9.1;0.6;7\n"
    told = public.table(public.timed("PostgreSQL", only_first="revision"), database)
    assert told == ("mode,latency_p99\nx,0.5\ny,0.7\n", [])


def test_the_area_that_points_dominate() -> None:
    assert worlds.dominated([(-0.5, -0.5)]) == pytest.approx(0.25)
    assert worlds.dominated([(-1.0, -0.25), (-0.5, -0.5), (-0.4, -0.4)]) == pytest.approx(0.25 + 0.25 * 0.5)
    assert worlds.dominated([]) == 0.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.csv").write_text(TABLE + "".join(ROWS))
    return tmp_path


def test_the_best_is_the_best_that_meets_the_slo(folder: Path) -> None:
    (world,) = worlds.worlds([folder], ["small"], two=False)
    assert (world.tried, world.best) == (16, 51)
    assert world.worth({"throughput": 25.5, "latency_p99": 0.05}) == 0.5
    assert world.worth({"throughput": 80.0, "latency_p99": 0.16}) == 0.0


def test_whole_studies_are_run_kept_and_gone_on_with(folder: Path) -> None:
    command = [
        *(
            sys.executable,
            str(ROOT / "scripts" / "benchmark" / "search.py"),
            "--tables",
            str(folder),
            "--only",
            "small",
        ),
        *("--samplers", "random,plain-tpe", "--noisy-samplers", "random", "--seeds", "1", "--noisy-trials", "8"),
        *("--parts", "found,two,noise", "--results", str(folder / "kept.jsonl")),
    ]
    first = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert first.returncode == 0, first.stderr
    kept = [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]
    assert len(kept) == 2 + 2 + 4
    assert not any("error" in told for told in kept)
    assert all(told["found"] == sorted(told["found"]) for told in kept), "what was found stays found"
    found = [told for told in kept if " 40 one " in told["case"]]
    assert all(told["found"][-1] == 1.0 for told in found), "40 trials are more than there are configurations"
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[1:] == first.stdout.splitlines()[1:], "nothing was run again"
    assert search.first([0.2, 0.96], 0.95) == 2
