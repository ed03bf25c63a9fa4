from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.servers import Server as LoadedServer
from tests.measure.queues import Server, constant, exponential
from tests.simulated import WORKLOAD, SimulatedGenerator, SimulatedSystem
from tuner.commands.bench import Benchmark, benchmark, document
from tuner.measure.model import Usage
from tuner.measure.samples import Status
from tuner.space.model import Constraint
from tuner.targets.model import TargetOptions
from tuner.targets.remote import remote
from tuner.trials.clock import RealClock

FAST = Server(exponential(0.002), servers=2)
P99 = Constraint(metric="latency_p99", bound=0.05)


def run(system: SimulatedSystem, **options: int) -> Benchmark:
    return benchmark(system, on_stage=lambda _: None, **options)


def test_without_slo_or_rate_the_closed_loop_says_at_which_rate_latencies_are_measured() -> None:
    result = run(SimulatedSystem(SimulatedGenerator(FAST)))
    (start,) = result.starts
    assert start.throughput.what.startswith("closed loop of 16 connections")
    assert start.throughput.value is not None
    assert start.window.offered_rps == pytest.approx(start.throughput.value.value / 2, rel=0.06)
    assert {"throughput", "latency_p50", "latency_p99", "error_ratio", "cpu", "memory", "startup"} <= set(
        result.figures
    )
    assert (result.met, result.refused, result.slo) == (True, (), ())


def test_with_an_slo_throughput_is_the_highest_rate_that_meets_it() -> None:
    result = run(SimulatedSystem(SimulatedGenerator(FAST), slo=(P99,)))
    (start,) = result.starts
    assert start.throughput.what == "highest rate that meets the SLO"
    assert start.throughput.note
    assert start.window.offered_rps == pytest.approx(start.throughput.value.value / 2, rel=0.06)  # type: ignore[union-attr]
    assert [bound.state for bound in result.slo] == ["met"]
    assert result.met


def test_a_rate_asked_for_is_measured_first_and_is_a_point_of_the_curve() -> None:
    generator = SimulatedGenerator(FAST)
    system = SimulatedSystem(generator, slo=(P99,), workload=replace(WORKLOAD, rate_rps=100.0))
    (start,) = run(system).starts
    assert generator.stages[0].rate_rps == start.window.offered_rps == 100.0
    assert 100.0 in [window.offered_rps for window in start.curve]
    assert start.throughput.value is not None
    assert start.throughput.value.value > 100.0


def test_a_rate_without_an_slo_is_all_there_is_to_measure() -> None:
    generator = SimulatedGenerator(FAST)
    result = run(SimulatedSystem(generator, workload=replace(WORKLOAD, rate_rps=100.0)))
    assert result.starts[0].throughput.what == "achieved of 100/s offered"
    assert len(generator.stages) == 1


def test_a_closed_loop_asked_for_is_what_the_latencies_are_of() -> None:
    generator = SimulatedGenerator(FAST)
    (start,) = run(SimulatedSystem(generator, slo=(P99,), workload=replace(WORKLOAD, arrival="closed"))).starts
    assert [stage.arrival for stage in generator.stages] == ["closed"]
    assert start.throughput.what == "closed loop of 16 connections"


def test_an_slo_that_no_rate_meets_is_missed() -> None:
    slow = Server(constant(0.2), servers=8)
    result = run(SimulatedSystem(SimulatedGenerator(slow), slo=(P99,)))
    assert result.starts[0].throughput.value is None
    assert result.starts[0].throughput.note
    assert result.met is False, "a median beyond the bound on p99 breaks it, however few requests there were"
    assert "throughput" not in result.figures, "nothing stands for what was not measured"


def test_errors_break_an_slo_that_says_nothing_of_them() -> None:
    generator = SimulatedGenerator(FAST, failing=0.1)
    result = run(SimulatedSystem(generator, slo=(P99,), workload=replace(WORKLOAD, rate_rps=200.0)))
    assert result.met is False
    assert result.slo[-1].metric == "error_ratio"
    assert result.starts[0].window.errors.keys() == {"http 503"}


def test_a_bound_on_what_was_not_measured_is_neither_met_nor_broken() -> None:
    memory = Constraint(metric="memory", bound=1e9)
    result = run(SimulatedSystem(SimulatedGenerator(FAST), slo=(memory,), usage=Usage()))
    assert [bound.state for bound in result.slo] == ["undecided"]
    assert result.met is None
    assert "memory" not in result.figures


def test_a_bound_within_the_interval_is_not_met_for_certain() -> None:
    tight = Constraint(metric="latency_p50", bound=0.0018)
    workload = replace(WORKLOAD, rate_rps=100.0, duration_s=2.0)
    result = run(SimulatedSystem(SimulatedGenerator(FAST), slo=(tight,), workload=workload))
    p50 = result.figures["latency_p50"]
    assert p50.high is not None
    assert p50.value <= tight.bound < p50.high
    assert result.met
    assert result.slo[0].text.endswith("though not for certain")


def test_starts_are_measured_at_one_rate_and_pooled_with_their_range() -> None:
    generators = [SimulatedGenerator(Server(exponential(mean))) for mean in (0.002, 0.004, 0.003)]
    system = SimulatedSystem(*generators)
    result = run(system, restarts=3)
    assert system.taken_down == 3
    assert len({start.window.offered_rps for start in result.starts}) == 1
    values = sorted(start.window.latency_s["latency_p50"].value for start in result.starts)
    pooled = result.figures["latency_p50"]
    assert pooled.value == values[1]
    assert pooled.low is not None
    assert pooled.high is not None
    assert pooled.low <= values[0] <= values[2] <= pooled.high
    assert result.noise_floor["latency_p50"] == pytest.approx(values[2] / values[0])


def test_a_late_generator_is_refused_with_the_reason() -> None:
    system = SimulatedSystem(SimulatedGenerator(FAST, late_s=0.05), workload=replace(WORKLOAD, rate_rps=100.0))
    result = run(system)
    assert result.starts == ()
    assert "late" in result.refused[0]
    assert result.met is None
    assert document(result)["trusted"] is False
    assert system.taken_down == 1


def test_a_server_that_answers_nothing_well_is_refused() -> None:
    result = run(SimulatedSystem(SimulatedGenerator(FAST, failing=1.0)))
    assert "http 503" in result.refused[0]


def test_a_server_that_went_away_at_the_rate_asked_for_is_refused() -> None:
    gone = SimulatedGenerator(FAST, failing=1.0, status=Status.CONNECT_FAILED)
    result = run(SimulatedSystem(gone, workload=replace(WORKLOAD, rate_rps=100.0)))
    assert "not one good answer came: connect failed" in result.refused[0]


def test_many_errors_are_worth_a_warning_also_without_an_slo() -> None:
    failing = SimulatedGenerator(FAST, failing=0.2)
    result = run(SimulatedSystem(failing, workload=replace(WORKLOAD, rate_rps=100.0)))
    assert any("of the requests failed" in warning for warning in result.warnings)


def test_an_interrupt_takes_down() -> None:
    class Interrupted(SimulatedGenerator):
        def run(self, stage: object) -> object:  # type: ignore[override]
            raise KeyboardInterrupt

    system = SimulatedSystem(Interrupted(FAST))
    with pytest.raises(KeyboardInterrupt):
        run(system)
    assert system.taken_down == 1


def test_samples_of_each_start_are_handed_on() -> None:
    seen: list[tuple[int, int]] = []
    benchmark(
        SimulatedSystem(SimulatedGenerator(FAST), workload=replace(WORKLOAD, rate_rps=100.0)),
        restarts=2,
        on_stage=lambda _: None,
        on_samples=lambda number, samples, window: seen.append((number, len(samples))),
    )
    assert [number for number, _ in seen] == [0, 1]
    assert all(400 < rows < 600 for _, rows in seen)


def test_the_document_is_json_and_holds_no_value_of_a_header() -> None:
    workload = replace(WORKLOAD, rate_rps=100.0, headers={"Authorization": "Bearer s3cret"})
    text = json.dumps(document(run(SimulatedSystem(SimulatedGenerator(FAST), workload=workload))), allow_nan=False)
    assert "s3cret" not in text
    read = json.loads(text)
    assert read["settings"]["headers"] == "Authorization"
    assert read["figures"]["latency_p99"]["unit"] == "seconds"


def test_a_real_server_whose_answers_come_after_the_windows_end(tmp_path: Path) -> None:
    """The last answers of each window, and all of the warm-up's, come when the window is over."""
    body = tmp_path / "request.json"
    body.write_text("{}")
    options = TargetOptions(bodies=(body,), rate_rps=20.0, duration_s=2.0)
    said: list[str] = []
    with LoadedServer(delay_s=0.6) as server:
        result = benchmark(remote(f"{server.url}/predict", options, RealClock()), on_stage=said.append)
    (start,) = result.starts
    assert start.window.errors == {}
    assert start.window.achieved_rps == start.window.requests / 2.0
    assert start.window.latency_s["latency_p50"].value >= 0.6
    assert any("an answer takes" in text for text in said)
    assert any("this takes about" in text for text in said)
    assert float(result.settings["time-out"].removesuffix(" s")) >= 12.0
