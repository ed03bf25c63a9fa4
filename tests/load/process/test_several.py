"""Several engine processes that send one window together, and how their samples become one."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.process.test_generator import ProcessConformance
from tests.load.sending import load
from tests.load.servers import Server, answer
from tests.measure.timed import rows
from tuner.errors import GeneratorFailure
from tuner.load.arrivals import schedule
from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import LocalGenerator, ProcessPipe, local_generator
from tuner.load.process.several import SeveralGenerator
from tuner.measure.joined import merge
from tuner.measure.samples import Samples, Tokens
from tuner.statistics.model import FloatArray

OPEN = LoadWindow(arrival="poisson", rate_rps=600, duration_s=0.5, connections=7, seed=5)
CLOSED = LoadWindow(arrival="closed", duration_s=0.3, connections=7)


def request(name: str, weight: float = 1.0) -> Request:
    return Request(method="POST", path=f"/{name}", headers={}, body=name.encode(), weight=weight)


def target(*urls: str, requests: Sequence[Request] = (request("a"),), cpus: tuple[int, ...] = ()) -> Target:
    return Target(urls=urls, protocol="http", requests=tuple(requests), cpus=cpus)


def several(to: Target, processes: int) -> SeveralGenerator:
    return SeveralGenerator(to, ProcessPipe, processes)


class TestSeveral(ProcessConformance):
    def generator(self, target: Target) -> SeveralGenerator:
        def start() -> ProcessPipe:
            pipe = ProcessPipe()
            self.started.append(pipe.pid)
            return pipe

        return SeveralGenerator(target, start, 2)


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
def test_the_merged_window_is_the_schedule_row_for_row(arrival: Literal["constant", "poisson"]) -> None:
    stage = replace(OPEN, arrival=arrival)
    weighted = [request("often", 3.0), request("rare")]
    with Server() as one, LocalGenerator(target(one.url, requests=weighted)) as generator:
        alone = generator.run(stage)
    with Server() as server, several(target(server.url, requests=weighted), 3) as generator:
        together = generator.run(stage)
    assert together.scheduled_s == pytest.approx(schedule(stage), abs=1e-6)
    assert len(together) == len(alone) == len(server.requests)
    assert (together.status == 200).all()
    assert (together.sent_s >= together.scheduled_s).all()
    assert together.offered_rps == alone.offered_rps == 600
    # the same requests, as drawn from the seed, whoever sent them
    assert Counter(server.requests) == Counter(
        sent.replace(one.url.encode()[7:], server.url.encode()[7:]) for sent in one.requests
    )


def test_connections_are_divided() -> None:
    with Server() as a, Server() as b, several(target(a.url, b.url), 3) as generator:
        first = generator.run(CLOSED)
        second = generator.run(CLOSED)
        assert (a.connections, b.connections) == (4, 3)
    assert first.connections == second.connections == 7
    assert (first.connects, second.connects) == (7, 0)
    assert (np.diff(first.scheduled_s) >= 0).all()
    assert len(first) + len(second) == len(a.requests) + len(b.requests)


def test_more_processes_than_connections_to_each_replica_leave_some_idle() -> None:
    stage = replace(OPEN, connections=3)
    with Server() as a, Server() as b, several(target(a.url, b.url), 3) as generator:
        few = generator.run(stage)
        many = generator.run(replace(OPEN, connections=6))
        again = generator.run(stage)
        assert (a.connections, b.connections) == (4, 4) or a.connections + b.connections == 8
    for samples in (few, many, again):
        assert samples.scheduled_s == pytest.approx(schedule(stage), abs=1e-6)
        assert set(samples.replica) == {0, 1}
    assert (few.connections, many.connections, again.connections) == (3, 6, 3)


def test_each_process_has_its_own_cpus() -> None:
    cpus = tuple(sorted(os.sched_getaffinity(0)))[:2]
    if len(cpus) < 2:
        pytest.skip("this process may use one CPU only")
    started = []

    def start() -> ProcessPipe:
        started.append(ProcessPipe())
        return started[-1]

    with Server() as server, SeveralGenerator(target(server.url, cpus=cpus), start, 2) as generator:
        samples = generator.run(OPEN)
        assert [os.sched_getaffinity(pipe.pid) for pipe in started] == [{cpus[0]}, {cpus[1]}]
    assert samples.busiest_cpu_ratio is not None
    mean = samples.generator_cpu_s / samples.generator_elapsed_s / 2
    assert samples.generator_cpu_ratio == samples.busiest_cpu_ratio >= mean * 0.99
    with pytest.raises(ValueError, match="3 load generator processes need a CPU each, and there are 2"):
        SeveralGenerator(target(server.url, cpus=cpus), start, 3)
    with pytest.raises(ValueError, match="at least 1"):
        SeveralGenerator(target(server.url), start, 0)


def test_as_many_processes_as_there_are_cpus_for_them() -> None:
    with ExitStack() as stack:
        for cpus, kind in (((), LocalGenerator), ((0,), LocalGenerator), ((0, 0), SeveralGenerator)):
            to = target("http://127.0.0.1:1", cpus=cpus)
            assert isinstance(stack.enter_context(local_generator(to)), kind)


def test_a_process_that_dies_in_the_middle_fails_the_window() -> None:
    pipes = []

    def start() -> ProcessPipe:
        pipes.append(ProcessPipe())
        return pipes[-1]

    def reply(number: int, request: bytes) -> bytes:
        if number == 50:
            with suppress(ProcessLookupError):
                os.kill(pipes[1].pid, signal.SIGKILL)
        return answer()

    with Server(reply) as server, SeveralGenerator(target(server.url), start, 2) as generator:
        for _ in range(2):
            with pytest.raises(GeneratorFailure, match="by signal 9"):
                generator.run(OPEN)


def test_several_from_a_shell(tmp_path: Path) -> None:
    out = tmp_path / "samples.npz"
    with Server() as server:
        given = ["--url", server.url, "--rate", "400/s", "--duration", "500ms"]
        given += ["--processes", "2", "--out", str(out), "--seed", "5"]
        done, refused, nowhere = load(*given), load(*given, "--cpus", "0"), load(*given, "--cpus", "0,9999")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["good"] == summary["requests"] == len(schedule(replace(OPEN, rate_rps=400)))
    assert refused.returncode == 2
    assert "need a CPU each" in refused.stderr
    assert nowhere.returncode == 3
    assert "cannot run on CPUs 9999" in nowhere.stderr


def part(scheduled_s: Sequence[float] | FloatArray, **columns: object) -> Samples:
    return rows(scheduled_s, **{"finished_s": np.asarray(scheduled_s) + 0.003, "connections": 2, **columns})


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.25, 1.0]), max_size=40),
    processes=st.integers(min_value=1, max_value=5),
)
def test_any_schedule_that_was_divided_is_whole_again(gaps: list[float], processes: int) -> None:
    due = np.cumsum(np.asarray(gaps, dtype=np.float64))
    rows = np.arange(len(due))
    parts = [part(due[number::processes], status=rows[number::processes]) for number in range(processes)]
    whole = merge(parts)
    assert whole.scheduled_s.tolist() == due.tolist()
    assert whole.status.tolist() == rows.tolist()
    assert (whole.finished_s == whole.scheduled_s + 0.003).all()
    assert whole.connections == 2 * processes


def test_columns_that_only_one_part_has() -> None:
    one = part([0.1, 0.3], connect_s=np.array([0.5, 0.6]), noticed_s=np.array([np.nan, 0.4]), generator_cpu_s=0.9)
    other = part([0.2], server_timing_s=MappingProxyType({"db": np.array([0.7])}), generator_cpu_s=0.3)
    whole = merge([one, other])
    assert whole.connect_s is not None
    assert whole.noticed_s is not None
    np.testing.assert_equal(whole.connect_s, [0.5, np.nan, 0.6])
    np.testing.assert_equal(whole.noticed_s, [np.nan, np.nan, 0.4])
    np.testing.assert_equal(dict(whole.server_timing_s), {"db": [np.nan, 0.7, np.nan]})
    assert whole.tokens is None
    assert merge([other, other]).connect_s is None
    assert whole.generator_cpu_s == pytest.approx(1.2)
    assert whole.generator_cpu_ratio == 0.9


def test_tokens_keep_their_requests_and_come_in_order() -> None:
    one = part([0.1, 0.3], tokens=Tokens(row=np.array([0, 1, 0]), at_s=np.array([0.5, 0.6, 0.9])))
    other = part([0.2, 0.4], tokens=Tokens(row=np.array([1, 0]), at_s=np.array([0.55, 0.7])))
    whole = merge([one, part([]), other])
    assert whole.tokens is not None
    assert whole.tokens.at_s.tolist() == [0.5, 0.55, 0.6, 0.7, 0.9]
    assert whole.scheduled_s[whole.tokens.row].tolist() == [0.1, 0.4, 0.3, 0.2, 0.1]
