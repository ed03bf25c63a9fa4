"""A benchmark asks the servers what they counted: in the windows that its latencies are of, and in no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.breakdown.expositions import executor
from tests.measure.queues import Server, exponential
from tests.simulated import WORKLOAD, SimulatedGenerator, SimulatedSystem
from tuner.breakdown.waterfall import Waterfall
from tuner.commands.bench import benchmark
from tuner.load.model import Answer, LoadWindow, Request
from tuner.measure.samples import Samples
from tuner.workload.model import WorkloadSpec

FAST = Server(exponential(0.002), servers=2)


class CountingGenerator(SimulatedGenerator):
    """Tells, at one address, how many requests it has sent so far, as seldon's executor would."""

    address = "http://127.0.0.1:1/metrics"

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.sent = 0
        self.asked: list[str] = []

    def run(self, stage: LoadWindow) -> Samples:
        samples = super().run(stage)
        self.sent += len(samples)
        return samples

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        self.asked.append(url + request.path)
        if url + request.path != self.address:
            return Answer(status=404, body=b"")
        return Answer(status=200, body=executor(self.sent, total_s=0.0005, call_s=0.0004).encode())


def waterfall_of(
    generator: CountingGenerator, workload: WorkloadSpec = WORKLOAD, metrics: tuple[str, ...] = ()
) -> Waterfall:
    system = SimulatedSystem(generator, workload=replace(workload, rate_rps=100.0))
    (start,) = benchmark(system, metrics=metrics, on_stage=lambda _: None).starts
    return start.waterfall


def test_the_usual_address_is_read_before_and_after_the_window() -> None:
    generator = CountingGenerator(FAST)
    found = waterfall_of(generator, replace(WORKLOAD, warm_up_s=1.0))
    (match,) = found.matches
    assert len(generator.stages) == 2  # the warm-up is not the window's
    assert match.told == match.sent < generator.sent
    (total,) = (row for row in found.rows if row.name == "seldon executor")
    assert total.mean_s == pytest.approx(0.0005)
    assert found.notes == ()


def test_a_measurement_in_several_windows_is_counted_in_all_of_them() -> None:
    generator = CountingGenerator(FAST)
    found = waterfall_of(generator, replace(WORKLOAD, duration_s=0.5, most_s=20.0))
    (match,) = found.matches
    assert len(generator.stages) > 1
    assert match.told == match.sent == generator.sent
    assert found.latency is not None
    assert found.latency.count == generator.sent


def test_addresses_that_were_given_are_the_ones_that_are_read() -> None:
    generator = CountingGenerator(FAST)
    found = waterfall_of(generator, metrics=("http://127.0.0.1:2/own",))
    assert set(generator.asked) == {"http://127.0.0.1:2/own"}
    assert found.notes == ("http://127.0.0.1:2/own: its metrics could not be read: status 404",)


def test_a_server_without_metrics_is_measured_all_the_same() -> None:
    generator = CountingGenerator(FAST)
    generator.address = "http://nowhere"
    found = waterfall_of(generator)
    assert [row.source for row in found.rows] == ["client"] * len(found.rows)
    assert found.notes == ()
