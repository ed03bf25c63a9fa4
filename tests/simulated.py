"""A system whose answers are arithmetic: real windows of a simulated queue, at once and the same every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from tests.measure.queues import Server
from tuner.backends.model import Difference, Endpoint
from tuner.load.model import Answer, LoadWindow, Request
from tuner.measure.model import Usage
from tuner.measure.samples import Samples
from tuner.space.model import Constraint
from tuner.targets.model import Served
from tuner.workload.model import WorkloadSpec

WORKLOAD = WorkloadSpec(protocol="http", requests=(), connections=16, duration_s=5.0, warm_up_s=0.0, step_s=2.0)
USAGE = Usage(cpu_cores=0.7, memory_peak_bytes=120 << 20)


class SimulatedGenerator:
    def __init__(self, server: Server, late_s: float = 0.0, failing: float = 0.0, status: int = 503) -> None:
        self._server = server
        self._late_s = late_s
        self._failing = failing
        self._status = status
        self.stages: list[LoadWindow] = []

    def run(self, stage: LoadWindow) -> Samples:
        self.stages.append(stage)
        rng = np.random.default_rng(stage.seed)
        server = replace(self._server, timeout_s=min(self._server.timeout_s, stage.timeout_s))
        if stage.arrival == "closed":
            samples = server.closed_loop(rng, stage.connections, stage.duration_s)
        else:
            samples = server.open_loop(rng, stage.rate_rps, stage.duration_s)
        failed = rng.random(len(samples)) < self._failing
        return replace(
            samples, sent_s=samples.sent_s + self._late_s, status=np.where(failed, self._status, samples.status)
        )

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        return Answer(status=404, body=b"")

    def close(self) -> None:
        return


class SimulatedRunning:
    not_enforced: tuple[str, ...] = ()
    endpoint = Endpoint(urls=("http://127.0.0.1:1",))

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def wait_ready(self, deadline_s: float) -> float:
        return 0.0

    def differences(self) -> tuple[Difference, ...]:
        return ()

    def check_alive(self) -> None:
        return

    def meter(self) -> SimulatedRunning:
        return self

    def stop(self) -> Usage:
        return self._usage

    def logs(self, tail: int) -> str:
        return ""


class SimulatedSystem:
    """One generator a start, the last one for all that follow."""

    def __init__(
        self,
        *generators: SimulatedGenerator,
        slo: tuple[Constraint, ...] = (),
        workload: WorkloadSpec = WORKLOAD,
        usage: Usage = USAGE,
        running: SimulatedRunning | None = None,
    ) -> None:
        self.name = "a <simulated> queue"
        self.workload = workload
        self.slo = slo
        self.taken_down = 0
        self._generators = list(generators)
        self._running = running or SimulatedRunning(usage)

    @contextmanager
    def serve(self, on_stage: Callable[[str], None]) -> Iterator[Served]:
        on_stage("deploy")
        generator = self._generators.pop(0) if len(self._generators) > 1 else self._generators[0]
        try:
            yield Served(running=self._running, generator=generator, startup_s=0.5)
        finally:
            self.taken_down += 1

    def describe(self) -> Mapping[str, str]:
        return {"backend": "simulated"}
