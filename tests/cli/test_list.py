"""`tune list`, `tune show` and the log, of studies that were replayed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.tune import COMMAND, TOY, Tune

ROWS = "workers,service,replicas,cpu,memory,throughput,latency_p99,error_ratio\n" + "".join(
    f"{workers},4,{replicas},{cpu}m,64Mi,{100.0 * workers * replicas * cpu / 500:.5g},{0.02 * workers:.5g},0\n"
    for workers in (1, 2, 3, 4)
    for replicas in (1, 2)
    for cpu in (250, 500)
)


@pytest.fixture(scope="module")
def tune(tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """Where the study `toy` was run to its end, and its log as JSON."""
    tune = Tune(tmp_path_factory.mktemp("list"))
    (tune.folder / "table.csv").write_text(ROWS)
    done = tune(
        *("run", TOY, "--backend", "replay", "--table", "table.csv", "--tracking-uri", "none", "--trials", "5"),
        *("--confirm", "1", "--log-format", "json"),
    )
    assert done.status == 0, done.err
    (tune.folder / "log.jsonl").write_text(done.err)
    return tune


def test_the_log_is_an_object_a_line(tune: Tune) -> None:
    events = [json.loads(line) for line in (tune.folder / "log.jsonl").read_text().splitlines()]
    kinds = [one["event"] for one in events]
    assert kinds.index("started") < kinds.index("proposed") < kinds.index("finished")
    assert kinds[-1] == "closed"
    finished = [one for one in events if one["event"] == "finished"]
    assert [one["trial"] for one in finished] == list(range(len(finished)))
    assert finished[0]["purpose"] == "baseline"
    assert finished[0]["metrics"]["throughput"] == 100.0
    assert finished[-1]["share"] == 1.0
    assert events[-1]["chosen"] is not None


def test_the_studies_are_listed_with_how_they_stand_and_their_best(tune: Tune) -> None:
    listed = tune("list")
    assert listed.status == 0, listed.err
    (row,) = [line for line in listed.out.splitlines() if line.startswith("toy")]
    assert " ended " in row
    assert " throughput " in row
    (one,) = tune("list", "--json").json
    assert (one["name"], one["state"]) == ("toy", "ended")
    assert one["over_baseline"]["ratio"] > 1.0
    shown = tune("show")
    assert (shown.status, shown.out) == (0, listed.out)


def test_what_cannot_be_read_hides_nothing(tune: Tune) -> None:
    broken = tune.folder / "studies" / "broken"
    broken.mkdir()
    (broken / "journal.jsonl").write_text("no journal\n")
    listed = tune("list")
    (broken / "journal.jsonl").unlink()
    assert listed.status == 0
    assert "unreadable" in listed.out
    assert "broken: " in listed.err
    assert "toy " in listed.out


def test_without_any_that_is_said(tune: Tune, tmp_path: Path) -> None:
    assert tune("list", "--studies", tmp_path).out == f"{tmp_path}/ holds no study; `tune run SPACE` makes one\n"
    assert tune("list", "--studies", tmp_path, "--json").json == []


def test_what_is_shown_ends_with_the_next_command(tune: Tune) -> None:
    assert tune("show", "toy").out.splitlines()[-2:] == [
        "next: tune export toy -o best.yaml",
        "      tune show toy --diff (what it changes), tune report toy (a page to send)",
    ]
    killed = tune.folder / "killed" / "toy"
    killed.mkdir(parents=True)
    lines = (tune.folder / "studies" / "toy" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (killed / "journal.jsonl").write_bytes(b"".join(lines[:4]))
    (killed / "journal.jsonl.lock").write_text("999999999\n")
    assert tune("show", "toy", "--studies", "killed").out.splitlines()[-1] == "next: tune resume killed/toy"
    assert " killed " in tune("list", "--studies", "killed").out
    (killed / "journal.jsonl.lock").write_text(f"{os.getpid()}\n")
    followed = f"next: tune report killed/toy --follow (process {os.getpid()} is running it)"
    assert tune("show", "toy", "--studies", "killed").out.splitlines()[-1] == followed


def test_the_front_states_what_the_annotations_state(tune: Tune) -> None:
    shown = tune("show", "toy").out
    exported = tune("export", "toy").out
    (told,) = [line.split(": ", 1)[1] for line in exported.splitlines() if "tuner.dev/measured-throughput" in line]
    front = re.split(r"^Pareto front *$", shown, flags=re.MULTILINE)[1]
    (row,) = [line for line in front.splitlines() if re.match(r" *\*b?\d", line)]
    assert told.strip("'\"").split(" (")[0] in row


def test_no_word_is_cut_at_80_columns(tune: Tune) -> None:
    ours, its = os.openpty()
    termios.tcsetwinsize(its, (24, 80))
    env = {name: value for name, value in tune.environment.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    running = subprocess.Popen([*COMMAND, "show", "toy"], cwd=tune.folder, env=env, stdout=its)
    os.close(its)
    read = b""
    with suppress(OSError):  # it hung up
        while found := os.read(ours, 4096):
            read += found
    os.close(ours)
    assert running.wait(60) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", read.decode()).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert any("workers" in line for line in lines[:6])
    assert "in all: memory=64Mi service=4" in [line.rstrip() for line in lines]
