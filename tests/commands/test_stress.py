"""`tune stress` over a simulated server: a queue whose truth is known, no socket and no waiting."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.measure.queues import finish_times, samples
from tests.simulated import SimulatedGenerator, SimulatedRunning, SimulatedSystem
from tuner.commands.stress import Plan, Stress, check, document, stress
from tuner.errors import InputError, TrialFailure
from tuner.load.arrivals import schedule
from tuner.load.model import LoadWindow
from tuner.measure.model import Usage
from tuner.measure.runs import Run
from tuner.measure.samples import Samples, Status
from tuner.report.page import stress_page
from tuner.space.model import Constraint
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import OnOff, Ramp, Rated, Spike, Steps, Trace

CAPACITY = 400.0
MIB = 2**20
P99 = Constraint(metric="latency_p99", bound=0.1)
WORKLOAD = WorkloadSpec(protocol="http", requests=(), warm_up_s=0.5, step_s=1.0, timeout_s=5.0, seed=3)


class Server(SimulatedGenerator, SimulatedRunning):
    """Ends CAPACITY requests/s in order; is both the `Generator` that asks it and the `Running` that it is."""

    not_enforced = ("no control groups here",)

    def __init__(
        self, *, slower_a_s: float = 0.0, leak_bytes_s: float = 0.0, dies_after: int = 10**9, closed_share: float = 1.0
    ) -> None:
        """`closed_share`: of its capacity, which a closed loop of few connections may not fill."""
        self.closed_share = closed_share
        self.slower_a_s = slower_a_s
        self.leak_bytes_s = leak_bytes_s
        self.dies_after = dies_after
        self.stages: list[LoadWindow] = []
        self.elapsed_s = 0.0
        self.rng = np.random.default_rng(0)

    def run(self, stage: LoadWindow) -> Samples:
        self.stages.append(stage)
        closed = stage.arrival == "closed"
        work = (1 + self.slower_a_s * self.elapsed_s) / CAPACITY
        self.elapsed_s += stage.duration_s
        if closed:
            gap = work / self.closed_share
            due = np.arange(0.0, stage.duration_s, gap)
            return samples(due, due + gap * 0.999, window_s=stage.duration_s, offered_rps=0.0)
        due = schedule(stage)
        finished = finish_times(due, self.rng.normal(work, work / 20, len(due)).clip(0), 1)
        found = samples(due, finished, window_s=stage.duration_s, offered_rps=stage.rate_rps, timeout_s=stage.timeout_s)
        if len(self.stages) >= self.dies_after:
            found.status[len(due) // 2 :] = Status.CONNECT_FAILED
        return found

    def check_alive(self) -> None:
        if len(self.stages) >= self.dies_after:
            raise TrialFailure(stage="measure", kind="OOMKilled", reason="replica 0 was killed for its memory")

    def stop(self) -> Usage:
        memory = 100 * MIB + self.leak_bytes_s * self.elapsed_s + self.rng.normal(0, MIB / 10)
        return Usage(cpu_cores=0.5, memory_peak_bytes=int(memory))


def stressed(plan: Plan, server: Server | None = None, **changes: object) -> Stress:
    server = server or Server()
    system = SimulatedSystem(server, running=server, slo=(P99,), workload=replace(WORKLOAD, **changes))  # type: ignore[arg-type]
    return stress(system, plan, on_stage=lambda _: None)


def states(run: Run) -> dict[str, str]:
    return {verdict.what: verdict.state for verdict in run.verdicts}


def test_the_ramp_finds_the_breaking_point_and_the_recovery() -> None:
    found = stressed(Plan())
    assert found.closed_rps == pytest.approx(CAPACITY, rel=0.02)
    (run,) = found.runs
    assert re.fullmatch(r"ramp:10\d/s\.\.60\d/s,over=30s", run.load)
    assert run.climb is not None
    first = run.climb.breaks[0]
    assert first.rate_rps == pytest.approx(CAPACITY, rel=0.15)
    assert run.climb.most_rps == pytest.approx(CAPACITY, rel=0.1)
    assert run.recovery is not None
    assert run.recovery.state == "recovered"
    assert states(run) == {"breaking point": "fine", "throughput": "fine", "recovery": "fine"}
    assert (found.state, found.died) == ("fine", None)
    assert found.warnings == ("not enforced: no control groups here",)


def test_a_server_that_holds_is_ramped_higher() -> None:
    found = stressed(Plan(), Server(closed_share=0.25))
    assert found.closed_rps == pytest.approx(CAPACITY / 4, rel=0.02)
    (run,) = found.runs
    assert run.climb is not None
    assert run.climb.to_rps == pytest.approx(4 * 1.5 * CAPACITY / 4, rel=0.05)
    assert run.climb.breaks[0].rate_rps == pytest.approx(CAPACITY, rel=0.15)


def test_a_server_that_never_breaks_is_fine_up_to_where_it_was_certain() -> None:
    found = stressed(Plan(), Server(closed_share=0.1))
    (run,) = found.runs
    assert run.climb is not None
    assert run.climb.breaks[0].rate_rps is None
    assert "held all the way up" in run.verdicts[0].text
    assert found.state == "fine"


def test_breaking_below_the_rate_to_hold_is_bad() -> None:
    found = stressed(Plan(), rate_rps=1000.0)
    assert states(found.runs[0])["breaking point"] == "bad"
    assert found.state == "bad"


def test_a_spike_starts_from_the_usual_rate_and_a_backlog_is_worked_off() -> None:
    found = stressed(Plan(spike=True), rate_rps=100.0)
    spike = found.runs[1]
    assert re.fullmatch(r"spike:100/s\.\.80\d/s,after=10s,for=3s", spike.load)
    assert spike.recovery is not None
    assert spike.recovery.after_s is not None
    assert spike.recovery.after_s.value == pytest.approx((800 - CAPACITY) * 3 / (CAPACITY - 100), rel=0.2)


def test_a_soak_without_a_leak_is_fine_and_one_with_a_leak_is_not() -> None:
    fine = stressed(Plan(shape=short(), soak_s=120.0))
    soak = fine.runs[-1]
    assert (soak.name, len(soak.moments)) == ("soak", 30)
    assert soak.trends is not None
    assert set(soak.trends) == {"latency_p50", "latency_p99", "memory"}
    assert states(soak)["memory"] == "fine"
    assert states(soak)["slo"] == "fine"
    assert soak.usage.cpu_cores == pytest.approx(0.5)
    leaking = stressed(Plan(shape=short(), soak_s=120.0), Server(leak_bytes_s=MIB / 10, slower_a_s=0.005))
    soak = leaking.runs[-1]
    assert {what: state for what, state in states(soak).items() if what != "slo"} == {
        "latency_p50": "bad",
        "latency_p99": "bad",
        "memory": "bad",
    }
    assert soak.trends is not None
    assert soak.trends["memory"].per_s.value == pytest.approx(MIB / 10, rel=0.1)
    assert "an hour" in next(v.text for v in soak.verdicts if v.what == "memory")


def short() -> Ramp:
    return Ramp(start=100.0, end=600.0, over_s=6.0)


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        (Steps(rates=(100.0, 300.0, 600.0), each_s=4.0), {"breaking point", "throughput", "recovery"}),
        (Spike(base=100.0, peak=800.0, after_s=5.0, for_s=1.0), {"recovery"}),
        (OnOff(on=350.0, off=100.0, on_for_s=1.0, off_for_s=1.0), {"bursts"}),
        (Ramp(start=0.5, end=3.0, over_s=10.0, relative=True), {"breaking point", "throughput", "recovery"}),
    ],
)
def test_a_shape_of_the_users_has_its_own_verdicts(shape: Rated, what: set[str]) -> None:
    found = stressed(Plan(shape=shape))
    assert set(states(found.runs[0])) == what
    assert (found.closed_rps is not None) == shape.relative


def test_a_trace_is_judged_by_the_slo(tmp_path: Path) -> None:
    trace = Trace(path=tmp_path / "t.csv", due_s=tuple(np.arange(2000) / 200.0))
    found = stressed(Plan(shape=trace))
    assert states(found.runs[0]) == {"slo": "fine"}


def test_a_server_that_dies_is_a_verdict_and_nothing_more_is_done() -> None:
    server = Server(dies_after=2)
    found = stressed(Plan(shape=short(), spike=True, soak_s=60.0), server)
    assert found.died == "the server did not survive: replica 0 was killed for its memory"
    assert len(found.runs) == 1
    assert len(server.stages) == 2
    assert found.state == "bad"
    assert found.verdicts[-1].what == "survival"


def test_what_cannot_be_trusted_tells_nothing() -> None:
    class Busy(Server):
        def run(self, stage: LoadWindow) -> Samples:
            found = super().run(stage)
            return replace(found, generator_cpu_s=found.generator_elapsed_s)

    found = stressed(Plan(shape=short()), Busy())
    assert found.state == "undecided"
    assert "cannot be trusted: the load generator was at its limit" in found.verdicts[0].text


def test_a_server_that_answers_nothing_well_is_not_stressed() -> None:
    class Failing(Server):
        def run(self, stage: LoadWindow) -> Samples:
            found = super().run(stage)
            found.status[:] = 503
            return found

    with pytest.raises(TrialFailure, match="not one good answer: http 503"):
        stressed(Plan(), Failing())


def test_a_soak_too_short_for_a_trend_is_refused_before_anything_starts() -> None:
    with pytest.raises(InputError, match="--soak: a soak of 10 s is too short"):
        check(Plan(soak_s=10.0))


@pytest.mark.parametrize("shape", [Ramp(start=9.0, end=1.0, over_s=5.0), Steps(rates=(5.0, 9.0, 1.0), each_s=1.0)])
def test_a_climb_begins_at_its_lowest_rate(shape: Rated) -> None:
    with pytest.raises(InputError, match="begins above its lowest rate"):
        check(Plan(shape=shape))


def test_the_document_is_plain_json_and_a_page_is_made_of_it() -> None:
    found = stressed(Plan(shape=short(), spike=True, soak_s=60.0))
    told = json.loads(json.dumps(document(found), allow_nan=False))
    assert (told["kind"], told["schema"], told["state"]) == ("stress", 2, found.state)
    assert [run["name"] for run in told["runs"]] == ["ramp", "spike", "soak"]
    assert told["runs"][0]["over_time"]
    page = stress_page({**document(found), "command": "tune stress simulated"})
    for verdict in found.verdicts:
        assert verdict.text.split(";")[0][:20] in page
