"""A generator that stands still, or a machine that sleeps, is noticed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.sending import constant
from tests.load.servers import Server, answer
from tests.measure.queues import Server as Queue
from tests.measure.queues import exponential
from tests.simulated import USAGE, WORKLOAD, SimulatedGenerator, SimulatedRunning
from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import local_generator
from tuner.load.recording.suspension import Suspension
from tuner.measure.samples import Samples
from tuner.measure.window import summarize
from tuner.trials.load_windows import LoadWindows

REQUEST = Request(method="POST", path="/", headers={}, body=b"{}")


def children() -> set[int]:
    found = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if not found.exists():
        pytest.skip("this system does not list a process's children")
    return {int(pid) for pid in found.read_text().split()}


def test_a_generator_that_was_stopped_says_for_how_long() -> None:
    before, to_stop = children(), set[int]()

    def reply(_number: int, _request: bytes) -> bytes:
        while to_stop:
            pid = to_stop.pop()
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(0.6, os.kill, (pid, signal.SIGCONT)).start()
        return answer(b"{}")

    with (
        Server(reply) as server,
        local_generator(Target(urls=(server.url,), protocol="http", requests=(REQUEST,))) as sender,
    ):
        sender.run(constant(rate=50))
        to_stop |= children() - before
        assert len(to_stop) == 1
        samples = sender.run(LoadWindow(arrival="constant", rate_rps=100, duration_s=2.0, connections=4))
        after = sender.run(constant(rate=50))
    assert samples.suspended_s > 0.3
    window = summarize(samples)
    assert window.untrusted[0].startswith("the load generator was suspended for")
    assert window.generator_limited
    assert after.suspended_s == 0.0


def test_work_is_no_suspension() -> None:
    async def busy() -> float:
        suspension = Suspension(asyncio.get_running_loop())
        total = sum(range(12_000_000))
        await asyncio.sleep(0)
        assert total
        return suspension.stop()

    assert asyncio.run(busy()) == 0.0


def test_a_machine_that_slept_is_told_by_the_clock_that_went_on() -> None:
    async def sleep(asleep_s: float) -> float:
        loop = asyncio.get_running_loop()
        clock = iter([1000.0, 1000.0 + asleep_s])
        suspension = Suspension(loop, now=lambda: 10.0, since_boot=lambda: next(clock))
        return suspension.stop()

    assert asyncio.run(sleep(30.0)) == pytest.approx(30.0)
    assert asyncio.run(sleep(0.01)) == 0.0


def test_a_window_in_which_it_was_suspended_is_sent_again() -> None:
    class Sleepy(SimulatedGenerator):
        def run(self, stage: LoadWindow) -> Samples:
            return replace(super().run(stage), suspended_s=3.0 if len(self.stages) == 1 else 0.0)

    said: list[str] = []
    generator = Sleepy(Queue(exponential(0.004)))
    loads = LoadWindows(running=SimulatedRunning(USAGE), generator=generator, workload=WORKLOAD, on_stage=said.append)
    window, _ = loads.at_rate(100.0)
    assert not window.untrusted
    assert len(generator.stages) == 2
    assert "the load generator was suspended for 3 s: the window is sent again" in said
