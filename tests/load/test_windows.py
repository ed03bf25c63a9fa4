"""Arrivals as the engine sends them, over real sockets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.load.engine.test_engine import run, statuses, target
from tests.load.sending import one_window
from tests.load.servers import CLOSING, Server, answer
from tuner.load.__main__ import main
from tuner.load.arrivals import schedule
from tuner.load.model import LoadWindow, Request
from tuner.load.process.lines import order_line, read_order
from tuner.load.windows import as_asked, closed, steady
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import OnOff, Spike, Trace


def thinking(users: int = 20, think_s: float = 0.05, duration_s: float = 0.5) -> LoadWindow:
    return LoadWindow(arrival="closed", duration_s=duration_s, connections=users, think_s=think_s, seed=1)


@pytest.mark.parametrize("reply", [answer(), CLOSING], ids=["kept", "closed after each"])
def test_users_think_between_an_answer_and_their_next_request(reply: bytes) -> None:
    samples = one_window(Server(reply), target, thinking())
    assert statuses(samples) == {200: len(samples)}
    expected = 20 * 0.5 / 0.05
    assert 20 <= len(samples) <= expected + 5 * expected**0.5, "no user is faster than his pauses"
    events = sorted([(at, 1) for at in samples.scheduled_s] + [(at, -1) for at in samples.finished_s])
    assert np.cumsum([step for _, step in events]).max() <= 20, "no user has two requests at a time"
    assert samples.scheduled_s[0] > 0, "all begin by thinking"
    assert (np.diff(samples.scheduled_s) >= 0).all()
    assert samples.offered_rps == 0


def test_users_who_think_longer_than_the_window_send_nothing() -> None:
    samples = one_window(Server(), target, thinking(users=2, think_s=1e6, duration_s=0.05))
    assert len(samples) == 0


def test_users_go_on_after_errors() -> None:
    samples = one_window(Server(lose_each=2), target, thinking(users=5, think_s=0.01))
    assert len(samples) > 10


def test_a_trace_is_sent_as_it_was_recorded_with_its_payloads() -> None:
    requests = [Request(method="POST", path="/", headers={}, body=b'{"n": %d}' % n) for n in range(3)]
    picks = (2, 0, 1, 1, 2)
    stage = LoadWindow(
        arrival="trace",
        rate_rps=25,
        duration_s=0.2,
        connections=1,
        due_s=(0.0, 0.02, 0.02, 0.05, 0.2),
        picks=picks,
    )
    with Server() as server:
        (samples,) = run(target(server.url, requests=requests, protocol="http"), stage)
    assert samples.scheduled_s == pytest.approx(stage.due_s, abs=1e-6)
    assert [int(body[-2:-1]) for body in server.requests] == list(picks)


def test_a_spike_reaches_the_server() -> None:
    profile = ((0.0, 50.0), (0.2, 50.0), (0.2, 500.0), (0.3, 500.0), (0.3, 50.0))
    stage = LoadWindow(arrival="constant", profile=profile, rate_rps=140, duration_s=0.5, connections=20)
    with Server() as server:
        (samples,) = run(target(server.url), stage)
    assert np.histogram(samples.scheduled_s, [0.0, 0.2, 0.3, 0.5])[0] == pytest.approx([10, 50, 10], abs=1)
    assert samples.scheduled_s == pytest.approx(schedule(stage), abs=1e-6)
    assert len(server.requests) == 70


WORKLOAD = WorkloadSpec(protocol="http", requests=(), arrival="gamma", cv=3.0, connections=7, timeout_s=2.0)


def test_the_windows_of_a_workload() -> None:
    assert steady(WORKLOAD, 100.0, 2.0, seed=4) == LoadWindow(
        arrival="gamma", cv=3.0, rate_rps=100.0, duration_s=2.0, connections=7, timeout_s=2.0, seed=4
    )
    assert as_asked(WORKLOAD, 100.0, 2.0, seed=4) == steady(WORKLOAD, 100.0, 2.0, seed=4)
    assert closed(WORKLOAD, 2.0, seed=1).connections == 7
    assert closed(WORKLOAD, 2.0, connections=3, seed=1).connections == 3


def test_rates_of_a_shape_are_its_own_or_multiples_of_the_common_rate() -> None:
    shape = Spike(base=1.0, peak=3.0, after_s=2.0, for_s=1.0, relative=True)
    stage = as_asked(workload(shape=shape), 100.0, 5.0, seed=0)
    assert stage.profile == ((0, 100), (2, 100), (2, 300), (3, 300), (3, 100))
    assert stage.rate_rps == pytest.approx(140)
    own = as_asked(workload(shape=OnOff(on=20.0, off=0.0, on_for_s=1.0, off_for_s=1.0)), 100.0, 5.0, seed=0)
    assert own.rate_rps == pytest.approx(12)
    assert (own.arrival, own.cv) == ("gamma", 3.0)


def test_users_who_think_are_asked_for_as_such_but_capacity_is_searched_with_an_open_loop() -> None:
    users = workload(arrival="closed", think_s=0.5)
    assert as_asked(users, 100.0, 2.0, seed=0) == closed(users, 2.0, think_s=0.5, seed=0)
    assert steady(users, 100.0, 2.0, seed=0).arrival == "poisson"


def test_of_a_trace_only_what_fits_the_window_is_sent(tmp_path: Path) -> None:
    trace = Trace(path=tmp_path / "t.csv", due_s=(0.0, 1.0, 2.0, 3.0), payloads=(0, 1, 0, 1))
    stage = as_asked(workload(shape=trace), 100.0, 2.0, seed=0)
    assert (stage.arrival, stage.due_s, stage.picks, stage.rate_rps) == ("trace", (0.0, 1.0, 2.0), (0, 1, 0), 1.5)


def workload(**changes: object) -> WorkloadSpec:
    return replace(WORKLOAD, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        (("--shape", "steps:50/s..200/s,each=200ms", "--arrival", "constant"), 50),
        (("--shape", "spike:1x..4x,after=200ms,for=100ms", "--rate", "100", "--arrival", "constant"), 80),
        (("--shape", "trace:{trace}"), 3),
        (("--arrival", "closed:think=1h", "--duration", "100ms"), 0),
    ],
)
def test_a_shape_from_a_shell(
    options: tuple[str, ...], requests: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("time\n5.0\n5.1\n5.2\n")
    with Server() as server:
        status = main(["--url", server.url, *(option.format(trace=trace) for option in options)])
    told = json.loads(capsys.readouterr().out)
    assert (status, told["requests"], told["good"]) == (0, requests, requests)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "how many requests are to be sent? give --rate"),
        (("--shape", "spike:1x..4x,after=1s,for=1s"), "how many requests are to be sent?"),
        (("--shape", "ramp:1/s"), "--shape: ramp has 2 rates"),
        (("--arrival", "gamma:cv=-1"), "--arrival: '-1' is no coefficient of variation"),
        (("--closed", "--rate", "5"), "--rate: a closed loop has no rate"),
        (("--shape", "trace:nowhere.csv"), "nowhere.csv: the trace cannot be read"),
    ],
)
def test_a_shape_that_is_none_from_a_shell(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--url", "http://127.0.0.1:1", *options]) == 2
    assert said in capsys.readouterr().err


def test_all_of_a_stage_is_told_to_the_generator() -> None:
    stage = LoadWindow(
        arrival="gamma",
        rate_rps=140.1,
        profile=((0.0, 0.1), (1 / 3, 5e-324)),
        cv=0.3,
        think_s=1e-9,
        due_s=(0.1, 0.1 + 2**-54),
        picks=(1, 0),
        duration_s=1 / 3,
        connections=7,
        seed=2**63,
    )
    assert read_order(order_line(stage)) == stage
