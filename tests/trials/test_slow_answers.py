"""Servers that take seconds for an answer, simulated: what is told of them beside what is true, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.measure.queues import Server, Service, constant, exponential
from tests.simulated import USAGE, SimulatedGenerator, SimulatedRunning, SimulatedSystem
from tuner.commands.bench import benchmark
from tuner.commands.compare import CompareSettings, compare
from tuner.commands.stress import Plan, stress
from tuner.load.model import LoadWindow
from tuner.measure.common_rate import derive
from tuner.measure.paired import Terms
from tuner.measure.samples import Samples, Status
from tuner.space.model import Constraint
from tuner.targets.model import Served
from tuner.trials.load_windows import LoadWindows
from tuner.workload.model import WorkloadSpec

FOREVER = 1e9
USUAL = WorkloadSpec(protocol="http", requests=())


def lognormal(mean_s: float, cv: float) -> Service:
    spread = np.sqrt(np.log1p(cv**2))
    return lambda rng, n: rng.lognormal(np.log(mean_s) - spread**2 / 2.0, spread, n)


def windows(
    service: Service, slots: int, answer_s: float, slo: Sequence[Constraint] = (), workload: WorkloadSpec = USUAL
) -> tuple[LoadWindows, SimulatedGenerator, list[str]]:
    generator = SimulatedGenerator(Server(service, servers=slots, timeout_s=FOREVER))
    said: list[str] = []
    loads = LoadWindows(
        running=SimulatedRunning(USAGE),
        generator=generator,
        workload=workload,
        slo=tuple(slo),
        on_stage=said.append,
        answer_s=answer_s,
    )
    return loads, generator, said


@pytest.mark.parametrize(
    ("service", "slots", "mean_s", "slo", "at_half_s"),
    [
        (constant(2.5), 16, 2.5, Constraint(metric="latency_p99", bound=10.0), 2.5),
        (constant(0.5), 16, 0.5, Constraint(metric="latency_p99", bound=2.0), 0.5),
        (constant(30.0), 8, 30.0, Constraint(metric="latency_p90", bound=90.0), 30.0),
        (constant(1.0), 200, 1.0, Constraint(metric="latency_p99", bound=3.0), 1.0),
        (exponential(2.5), 16, 2.5, Constraint(metric="latency_p95", bound=15.0), 2.5 * 3.0),
        (lognormal(8.0, 0.8), 64, 8.0, Constraint(metric="latency_p95", bound=40.0), 20.2),
    ],
    ids=["2.5s", "0.5s", "30s", "of-200", "exponential", "long-tail"],
)
def test_the_capacity_of_a_slow_server_and_its_latency_below(
    service: Service, slots: int, mean_s: float, slo: Constraint, at_half_s: float
) -> None:
    told, latencies = [], []
    for seed in range(3):
        loads, _, _ = windows(service, slots, mean_s, (slo,), replace(USUAL, seed=1000 * seed))
        loads.warm_up(None)
        found, note = loads.capacity(None)
        assert found is not None, note
        told.append(found.value / (slots / mean_s))
        window, _ = loads.at_rate(derive(found.value))
        latencies.append(window.latency_s[slo.metric].value)
    assert 0.75 < float(np.median(told)) < 1.1, "all of these knees lie close below saturation"
    assert float(np.median(latencies)) == pytest.approx(at_half_s, rel=0.25)


def test_a_server_that_answers_one_at_a_time_is_not_kept_busy_with_hundreds() -> None:
    loads, generator, _ = windows(constant(2.5), 1, 2.5)
    loads.warm_up(None)
    assert loads.closed_throughput().achieved_rps == pytest.approx(0.4, rel=0.02)
    assert max(stage.connections for stage in generator.stages) <= 8
    assert loads.closed_connections == 8


def test_a_time_out_that_the_user_gave_does_not_pass_for_a_full_server() -> None:
    """In a closed loop of 32 each answer takes as long as the time-out; one of 8 does not fill the server."""
    workload = replace(USUAL, timeout_s=4.9, said=frozenset({"timeout_s"}))
    loads, generator, _ = windows(constant(2.5), 16, 2.5, (Constraint(metric="latency_p99", bound=4.0),), workload)
    loads.warm_up(None)
    found, note = loads.capacity(None)
    assert found is not None, note
    assert 4.5 < found.value < 7.5
    assert {stage.timeout_s for stage in generator.stages[1:]} <= {4.9, 60.0}


def test_more_connections_than_usual_where_a_server_has_room_for_them() -> None:
    loads, _, _ = windows(constant(1.0), 200, 1.0)
    assert loads.closed_loop() == pytest.approx(200.0, rel=0.02)


def test_the_usual_times_of_a_quick_server_are_as_before() -> None:
    slo = Constraint(metric="latency_p99", bound=0.05)
    loads, generator, said = windows(exponential(0.002), 2, 0.003, (slo,))
    loads.warm_up(None)
    loads.capacity(None)
    loads.at_rate(400.0)
    assert said[0] == "warm-up"
    lengths = {(stage.arrival, stage.duration_s, stage.timeout_s) for stage in generator.stages}
    assert lengths == {("closed", 1.0, 5.0), ("closed", 2.0, 5.0), ("poisson", 2.0, 5.0), ("poisson", 5.0, 5.0)}
    assert all(stage.connections <= 32 for stage in generator.stages)


def test_a_first_answer_that_loaded_the_model_is_no_slow_server() -> None:
    loads, generator, said = windows(constant(0.01), 4, 20.0)
    loads.warm_up(None)
    assert not loads.pace.slow
    assert generator.stages[-1].duration_s == 1.0
    assert any("of which the first took 20 s" in text for text in said)


def test_a_server_that_is_slow_only_later_is_noticed_in_the_warm_up() -> None:
    loads, _, _ = windows(constant(2.5), 16, 0.001)
    loads.warm_up(None)
    assert loads.pace.answer_s == pytest.approx(2.5)


def test_the_next_window_waits_for_what_was_given_up() -> None:
    class Forgetful(SimulatedGenerator):
        """Gives up all of its first open window; two answers after it are still slow."""

        slow_answers = 2

        def run(self, stage: LoadWindow) -> Samples:
            samples = super().run(stage)
            if stage.arrival == "poisson" and sum(one.arrival == "poisson" for one in self.stages) == 1:
                return replace(samples, status=np.full(len(samples), Status.TIMED_OUT))
            if stage.connections == 1 and len(self.stages) > 1 and self.slow_answers:
                self.slow_answers -= 1
                return replace(samples, finished_s=samples.finished_s + 30.0)
            return samples

    generator = Forgetful(Server(constant(2.5), servers=16, timeout_s=FOREVER))
    said: list[str] = []
    loads = LoadWindows(
        running=SimulatedRunning(USAGE), generator=generator, workload=USUAL, on_stage=said.append, answer_s=2.5
    )
    loads.get_to_know()
    loads.at_rate(3.0)
    assert sum("worked off" in text for text in said) == 1
    alone = [stage for stage in generator.stages[1:] if stage.connections == 1]
    assert len(alone) == 3, "the third answer took no longer than alone"


class Slow(SimulatedSystem):
    """Its first answer took as long as all of them do."""

    def __init__(self, mean_s: float = 2.5, *, slo: Sequence[Constraint] = (), **changes: Any) -> None:
        generator = SimulatedGenerator(Server(constant(mean_s), servers=16, timeout_s=FOREVER))
        super().__init__(generator, slo=tuple(slo), workload=replace(USUAL, **changes))
        self._answer_s = mean_s

    @contextmanager
    def serve(self, on_stage: Callable[[str], None]) -> Iterator[Served]:
        with super().serve(on_stage) as served:
            yield replace(served, answer_s=self._answer_s)


def test_bench_says_how_long_it_takes_and_what_a_closed_loop_got_through() -> None:
    said: list[str] = []
    result = benchmark(Slow(), on_stage=said.append)
    assert any(text.startswith("this takes about ") for text in said)
    assert result.figures["throughput"].value == pytest.approx(6.4, rel=0.02)
    assert result.figures["latency_p50"].value == pytest.approx(2.5, rel=0.02)
    assert result.settings["time-out"] == "50 s"
    assert result.starts[0].window.requests >= 90


def test_bench_at_a_rate_beyond_the_capacity_tells_what_was_answered() -> None:
    said: list[str] = []
    system = Slow(rate_rps=15.0, duration_s=8.0, said=frozenset({"duration_s"}))
    (start,) = benchmark(system, on_stage=said.append).starts
    assert start.window.achieved_rps == pytest.approx(6.4, rel=0.1)
    assert start.window.errors == {}
    assert start.window.latency_s["latency_p99"].value == pytest.approx(2.5 + 8.0 * (15.0 / 6.4 - 1.0), rel=0.2)


def test_stress_finds_where_a_slow_server_breaks() -> None:
    bound = Constraint(metric="latency_p90", bound=6.0)
    result = stress(Slow(slo=(bound,)), Plan(), on_stage=lambda _: None)
    assert result.closed_rps == pytest.approx(6.4, rel=0.02)
    climb = result.runs[-1].climb
    assert climb is not None
    assert climb.requests >= 300


def test_compare_takes_the_time_that_slow_answers_take() -> None:
    heard: list[Terms] = []
    found = compare(Slow(), Slow(3.5), CompareSettings(), on_stage=lambda _: None, on_terms=heard.append)
    assert found.assessment.verdict == "worse"
    assert heard == [found.terms]
    assert found.terms.load_s > 60.0
