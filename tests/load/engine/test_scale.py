"""Many connections, users who think, and a generator that cannot keep up: all against real servers."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.load.engine.test_engine import run, statuses, target
from tests.load.sending import one_window
from tests.load.servers import Server
from tuner.load.engine.engine import Engine
from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import LocalGenerator
from tuner.measure.samples import Status
from tuner.measure.window import summarize

REQUEST = Request(method="GET", path="/", headers={}, body=b"")

CATCH_ALL = """
import asyncio, sys, uvloop
class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.write = transport.write
    def data_received(self, data):
        self.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A fast server in a process of its own, with the usual accept backlog."""
    command = ["sh", "-c", 'ulimit -n $(ulimit -Hn) && exec "$0" -c "$1"', sys.executable, CATCH_ALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.kill()


def http(url: str) -> Target:
    return Target(urls=(url,), protocol="http", requests=(REQUEST,))


def test_users_think_before_each_request() -> None:
    stage = LoadWindow(arrival="closed", duration_s=1.0, connections=40, think_s=0.1, seed=3)
    samples = one_window(Server(delay_s=0.01), target, stage)
    assert set(statuses(samples)) == {200}
    # 40 users with a cycle of 0.11 s each make 364 requests a second, fewer where the machine is slow
    assert 100 < len(samples) < 480
    assert samples.connections <= 40
    assert samples.offered_rps == 0
    in_flight = [int(((samples.scheduled_s <= at) & (samples.finished_s > at)).sum()) for at in (0.3, 0.5, 0.7, 0.9)]
    assert np.median(in_flight) < 25


def test_users_go_on_thinking_when_the_server_closes_or_refuses() -> None:
    stage = LoadWindow(arrival="closed", duration_s=0.5, connections=5, think_s=0.02)
    with Server(close=True) as server:
        (samples,) = run(target(server.url), stage)
    # a request that was on its way when the server closed, without having said so, is lost and not sent again
    assert set(statuses(samples)) <= {200, Status.CONNECTION_LOST}
    assert np.count_nonzero(samples.good) > 20
    (refused,) = run(target(server.url), stage)
    assert 20 < len(refused) < 300


@pytest.mark.parametrize("kind", ["open", "closed"])
def test_thousands_of_connections(url: str, kind: str) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
        pytest.skip("fewer than 4096 open files are allowed here")
    if kind == "closed":
        stage = LoadWindow(arrival="closed", duration_s=1.0, connections=3000)
    else:  # each request comes before the one before it is answered: all connections are opened
        stage = LoadWindow(arrival="constant", rate_rps=6000, duration_s=1.0, connections=3000)
    (samples,) = run(http(url), stage)
    assert set(statuses(samples)) == {200}
    assert np.isfinite(samples.finished_s).all()
    assert samples.connections == samples.connects <= min(3000, len(samples))
    # a closed loop opens them step by step, as many as the machine manages in its time
    assert samples.connects == 3000 if kind == "open" else samples.connects > 300


def test_a_request_that_the_socket_does_not_take_at_once_arrives_whole() -> None:
    body = bytes(range(256)) * 2**15  # 8 MiB
    large = Request(method="POST", path="/", headers={}, body=body, weight=1)
    small = Request(method="POST", path="/", headers={}, body=b"small", weight=1)
    stage = LoadWindow(arrival="constant", rate_rps=40, duration_s=0.5, connections=2, seed=3)
    with Server() as server:
        (samples,) = run(target(server.url, requests=[large, small]), stage)
    assert set(statuses(samples)) == {200}
    bodies = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
    assert bodies == {body, b"small"}
    assert server.connections <= 2


def test_each_of_many_connections_times_out_on_its_own() -> None:
    """The look for time-outs is rare, but none is missed."""
    stage = LoadWindow(arrival="constant", rate_rps=1000, duration_s=0.5, connections=500, timeout_s=0.3)
    samples = one_window(Server(delay_s=30), target, stage)
    assert samples.connects == len(samples) == 500
    assert statuses(samples) == {Status.TIMED_OUT: 500}


def test_a_rate_beyond_the_generator_is_refused(url: str) -> None:
    stage = LoadWindow(arrival="constant", rate_rps=1_000_000, duration_s=0.2, connections=64, timeout_s=0.1)
    (samples,) = run(http(url), stage)
    assert len(samples) == 200_000
    window = summarize(samples)
    assert window.generator_limited
    assert any("load generator" in reason for reason in window.untrusted)


def test_a_generator_that_was_held_up_is_refused_though_it_was_idle_otherwise(url: str) -> None:
    """Requests that became due meanwhile found no free connection afterwards: that is not the server's doing."""
    stage = LoadWindow(arrival="constant", rate_rps=1000, duration_s=1.0, connections=2)
    with LocalGenerator(http(url)) as generator:
        generator.run(LoadWindow(arrival="constant", rate_rps=100, duration_s=0.1, connections=2))
        held_up = threading.Timer(0.3, hold, args=(generator.pid, 0.4))
        held_up.start()
        samples = generator.run(stage)
        held_up.join()
    assert len(samples) == 1000
    assert samples.waited.sum() > 300
    assert samples.noticed_s is not None
    assert (np.isfinite(samples.noticed_s) == samples.waited).all()
    window = summarize(samples)
    assert samples.generator_cpu_s < 0.8 * samples.generator_elapsed_s
    assert window.generator_limited
    assert window.lateness_p99_s > 0.3


def hold(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        threading.Event().wait(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_stalled_server_is_not_the_generators_lateness() -> None:
    stage = LoadWindow(arrival="constant", rate_rps=300, duration_s=1.0, connections=2)
    with Server() as server:
        server.freeze_at(60, 0.5)
        (samples,) = run(target(server.url), stage)
    assert samples.waited.sum() > 100
    assert samples.noticed_s is not None
    assert np.median(samples.lateness_s) < 0.1 < np.quantile(samples.finished_s - samples.scheduled_s, 0.9)


@contextmanager
def allowed(files: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(url: str) -> None:
    with allowed(256):
        (samples,) = run(http(url), LoadWindow(arrival="closed", duration_s=0.3, connections=400))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 400
    assert samples.connections == 400


def test_memory_is_the_samples_and_nothing_else(url: str) -> None:
    """Bounded in requests, not in time: what two windows leave behind is compared, after a first one to warm up."""

    async def main() -> list[int]:
        grown = []
        with closing(Engine(http(url))) as engine:
            for _ in range(4):
                samples = await engine.run(
                    LoadWindow(arrival="constant", rate_rps=8000, duration_s=0.5, connections=16)
                )
                assert len(samples) == 4000
                grown.append(resident())
        return grown

    grown = asyncio.run(main())
    assert grown[-1] - grown[1] < 4 * 2**20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
