"""`tune stress` as a user runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.cli.tune import TOY, Tune

SHORT = ("--shape", "ramp:100/s..200/s,over=0.4s")


def test_a_search_space_as_json_and_as_a_page(tune: Tune, tmp_path: Path) -> None:
    done = tune("stress", TOY, *SHORT, "--json", "--html", "a.html")
    assert done.status in (0, 1, 3), done.err  # the verdicts are of this machine, which may be busy
    told = json.loads(done.out)
    assert (told["kind"], told["target"], told["schema"]) == ("stress", str(TOY), 2)
    (run,) = told["runs"]
    assert run["load"] == "ramp:100/s..200/s,over=0.4s"
    assert run["verdicts"]
    assert told["state"] == {0: "fine", 1: "bad", 3: "undecided"}[done.status]
    assert run["load"] in (tmp_path / "a.html").read_text()
    assert "tune stress" in told["command"]


def test_what_is_printed_is_the_verdicts(tune: Tune) -> None:
    done = tune("stress", TOY, "--shape", "on_off:100/s..50/s,on_for=100ms,off_for=100ms")
    assert done.status in (0, 1, 3), done.err
    assert "on_off:100/s..50/s,on_for=0.1s,off_for=0.1s" in done.out
    assert "figures" in done.out
    assert "take down" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("http://127.0.0.1:1", "--shape", "rampe:1/s"), "--shape: no shape is called 'rampe'; did you mean 'ramp'?"),
        (("http://127.0.0.1:1", "--arrival", "gama"), "--arrival: 'gama' is no way to arrive; did you mean 'gamma'?"),
        (("http://127.0.0.1:1", "--soak", "5s"), "--soak: a soak of 5 s is too short"),
        (("http://127.0.0.1:1", "--soak", "5"), "has no unit"),
        (("http://127.0.0.1:1", "--html", "no/where.html"), "its folder is not there"),
        (("http://127.0.0.1:1", "--shape", "trace:t.csv"), "t.csv: the trace cannot be read"),
        (("nowhere.yaml", "--shape", "ramp"), "--shape: 'ramp' names no rates"),
    ],
)
def test_bad_input_starts_nothing(tune: Tune, arguments: tuple[str, ...], told: str) -> None:
    done = tune("stress", *arguments)
    assert (done.status, done.out) == (2, ""), done.err
    assert told in done.err


def test_ctrl_c_takes_down_what_was_started(tune: Tune) -> None:
    running = tune.start("stress", TOY, "--shape", "ramp:20/s..30/s,over=30s")
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("ramp:"):
            break
    children = psutil.Process(running.pid).children(recursive=True)
    assert children
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert "what was started is taken down" in err
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
