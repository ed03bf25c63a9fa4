"""Processes that run trials beside each other: real ones, that speak as a worker does and measure nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.study.world import BASELINE, render
from tuner.errors import EnvironmentFailure
from tuner.trials.beside import WorkerProcesses
from tuner.trials.model import Measured, Proposal

SPEAKS = """
import json, os, signal, sys, threading, time
from pathlib import Path
from tests.study.world import serve, trial_of
from tuner.trials.codec import decode, encode
from tuner.trials.model import Attempt

folder, act = Path(sys.argv[1]), sys.argv[2]

def say(**message):
    print(json.dumps(message), flush=True)

for line in sys.stdin:
    order = json.loads(line)
    attempt = decode(Attempt, order["attempt"])
    with (folder / "ran").open("a") as ran:
        ran.write(f"{attempt.number} {os.getpid()}\\n")
    say(stage=[attempt.number, "deploy"])
    if act == "dies" or (act == "dies once" and not (folder / "died").exists()):
        (folder / "died").touch()
        print("out of luck", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "fails":
        say(failed="the cluster is gone")
        sys.exit(3)
    if act == "interrupted":
        say(interrupted="SIGTERM; what was deployed is taken down")
        sys.exit(130)
    if act == "waits":
        sys.stdin.read()
        (folder / f"down {attempt.number}").touch()
        break
    if attempt.number == 0:
        say(rate=120.0)
    say(notice="x" * 100000)
    say(trial=encode(trial_of(attempt.number, serve(attempt.configuration.values))))
"""


def proposal(number: int) -> Proposal:
    return Proposal(number=number, purpose="search", configuration=BASELINE, rendered=render(BASELINE))


class Heard:
    def __init__(self) -> None:
        self.stages: list[tuple[int, str]] = []
        self.rates: list[float] = []
        self.notices: list[str] = []


def workers(folder: Path, heard: Heard, number: int = 2, act: str = "works") -> WorkerProcesses:
    command: Sequence[str] = (sys.executable, "-c", SPEAKS, str(folder), act)
    return WorkerProcesses(
        [command] * number,
        on_stage=lambda trial, stage: heard.stages.append((trial, stage)),
        on_rate=heard.rates.append,
        notice=heard.notices.append,
    )


def ran(folder: Path) -> list[tuple[int, int]]:
    """(trial, process) in the order they began."""
    return [(int(line.split()[0]), int(line.split()[1])) for line in (folder / "ran").read_text().splitlines()]


def test_trials_run_beside_each_other_and_are_told_whole(tmp_path: Path) -> None:
    heard = Heard()
    with workers(tmp_path, heard) as beside:
        assert beside.number == 2
        assert beside.pids == (), "none is started before it is wanted"
        beside.start(proposal(0))
        first = beside.next()
        beside.start(proposal(1))
        beside.start(proposal(2))
        with pytest.raises(ValueError, match="no worker is free"):
            beside.start(proposal(3))
        others = {beside.next().number, beside.next().number}
        pids = beside.pids
    assert isinstance(first.outcome, Measured)
    assert (first.number, others) == (0, {1, 2})
    assert heard.rates == [120.0]
    assert {(0, "deploy"), (1, "deploy"), (2, "deploy")} == set(heard.stages)
    assert len({pid for _, pid in ran(tmp_path)}) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids), "they end with the context"


def test_one_that_dies_is_replaced_and_its_trial_runs_again(tmp_path: Path) -> None:
    heard = Heard()
    with workers(tmp_path, heard, act="dies once") as beside:
        beside.start(proposal(4))
        assert beside.next().number == 4
    assert [number for number, _ in ran(tmp_path)] == [4, 4]
    (notice,) = [one for one in heard.notices if "died" in one]
    assert "trial 4" in notice
    assert "by signal 9; it said: out of luck" in notice


def test_workers_that_keep_dying_end_the_study(tmp_path: Path) -> None:
    with workers(tmp_path, Heard(), act="dies") as beside:
        beside.start(proposal(4))
        with pytest.raises(EnvironmentFailure, match=r"3 workers died, .*out of luck.*`tune resume` goes on"):
            beside.next()
    assert len(ran(tmp_path)) == 3


def test_what_a_worker_cannot_do_ends_the_study(tmp_path: Path) -> None:
    with workers(tmp_path, Heard(), act="fails") as beside:
        beside.start(proposal(0))
        with pytest.raises(EnvironmentFailure, match="the cluster is gone"):
            beside.next()


def test_one_that_is_interrupted_interrupts_the_study(tmp_path: Path) -> None:
    with workers(tmp_path, Heard(), act="interrupted") as beside:
        beside.start(proposal(0))
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            beside.next()


def test_in_the_middle_of_a_trial_they_are_asked_to_take_it_down(tmp_path: Path) -> None:
    heard = Heard()
    with workers(tmp_path, heard, act="waits") as beside:
        beside.start(proposal(0))
        beside.start(proposal(1))
    assert (tmp_path / "down 0").exists()
    assert (tmp_path / "down 1").exists()


def test_they_notice_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Their standard input closes, whatever ended it."""
    child = os.fork()
    if child == 0:
        beside = workers(tmp_path, Heard(), act="waits")
        beside.start(proposal(0))
        while not (tmp_path / "ran").exists() or not (tmp_path / "ran").read_text():
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    ((_, pid),) = ran(tmp_path)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=30)
    assert (tmp_path / "down 0").exists()
