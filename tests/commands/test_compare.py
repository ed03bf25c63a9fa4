"""A comparison from the first start to the verdict: with simulated servers, in no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from tests.measure.queues import Server, constant
from tests.simulated import SimulatedGenerator, SimulatedRunning
from tuner.commands.compare import CompareSettings, compare
from tuner.errors import EnvironmentFailure, InputError, TrialFailure
from tuner.load.model import LoadWindow
from tuner.measure.comparison_text import headline, load_that_tells
from tuner.measure.model import Usage
from tuner.measure.paired import Assessment, Comparison
from tuner.measure.samples import Samples
from tuner.space.model import Constraint
from tuner.targets.model import Served
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import Trace

WORKLOAD = WorkloadSpec(protocol="http", requests=(), rate_rps=200.0, warm_up_s=0.5, step_s=2.0, connections=8)


class Queue(SimulatedGenerator):
    """What it measured can be spoilt."""

    def __init__(self, server: Server, spoil: Callable[[Samples], Samples]) -> None:
        super().__init__(server)
        self._spoil = spoil

    def run(self, stage: LoadWindow) -> Samples:
        return self._spoil(super().run(stage))


@dataclass
class Simulated:
    """A `SystemUnderTest` served by a queue with a constant service time; it may be up alone only."""

    name: str
    service_s: float
    up: list[str]
    workload: WorkloadSpec = WORKLOAD
    slo: tuple[Constraint, ...] = ()
    starts_differ: float = 0.005
    spoil: Callable[[Samples], Samples] = lambda samples: samples
    fails: TrialFailure | None = None
    stages: list[list[LoadWindow]] = field(default_factory=list)

    @contextmanager
    def serve(self, on_stage: Callable[[str], None]) -> Iterator[Served]:
        on_stage("deploy")
        assert self.up == [], "both sides are up at once"
        if self.fails is not None:
            raise self.fails
        self.up.append(self.name)
        rng = np.random.default_rng([len(self.stages), *self.name.encode()])
        service_s = self.service_s * float(np.exp(rng.normal(0.0, self.starts_differ)))
        generator = Queue(Server(constant(service_s), overhead_s=0.0002), self.spoil)
        self.stages.append(generator.stages)
        try:
            running = SimulatedRunning(Usage(cpu_cores=0.5))
            yield Served(running=running, generator=generator, startup_s=1.0)
        finally:
            self.up.remove(self.name)

    def describe(self) -> Mapping[str, str]:
        return {}


def two(a_s: float, b_s: float, **changes: object) -> tuple[Simulated, Simulated]:
    up: list[str] = []
    return Simulated("a.yaml", a_s, up, **changes), Simulated("b.yaml", b_s, up, **changes)  # type: ignore[arg-type]


def run(a: Simulated, b: Simulated, **settings: object) -> Comparison:
    return compare(a, b, CompareSettings(**settings), on_stage=lambda _: None)  # type: ignore[arg-type]


def test_a_slower_side_is_worse() -> None:
    found = run(*two(0.0025, 0.00275))
    assert found.assessment.verdict == "worse"
    assert headline(found).startswith("B is ")
    assert "slower than A at p50" in headline(found)
    assert f"{len(found.pairs)} pairs of restarts" in headline(found)
    assert found.ended_because == f"decided after {len(found.pairs)} pairs"


def test_the_same_twice_is_no_difference_and_ends_early() -> None:
    found = run(*two(0.0025, 0.0025))
    assert found.assessment.verdict == "no difference"
    assert len(found.pairs) < 12
    assert max(found.load_s) < 60.0


def test_both_sides_meet_the_same_terms_in_turn() -> None:
    a, b = two(0.0025, 0.0025)
    found = run(a, b, pairs=6)
    met = [[[stage.seed for stage in start[1:]] for start in side.stages] for side in (a, b)]
    for pair, of_a, of_b in zip(found.pairs, *met, strict=False):
        first, second = (of_a, of_b) if pair.first == "A" else (of_b, of_a)
        assert set(second) <= set(first)
    windows = [stage for start in b.stages for stage in start[1:]]
    assert len({stage.seed for stage in windows}) >= 3 * len(found.pairs), "no arrivals are met twice"
    assert {stage.rate_rps for stage in windows} == {200.0}
    first = [pair.first for pair in found.pairs]
    assert [sorted(first[i : i + 2]) for i in range(0, len(first) - 1, 2)] == [["A", "B"]] * (len(first) // 2)


def test_the_load_stays_within_its_budget() -> None:
    a, b = two(0.0015, 0.0015, starts_differ=0.2)
    found = run(a, b, time_s=20.0, pairs=8)
    assert found.assessment.verdict == "undecided"
    assert len(found.pairs) <= 8
    loaded = sum(stage.duration_s for start in a.stages for stage in start)
    assert found.load_s[0] == pytest.approx(loaded)
    assert found.load_s[0] <= 20.0 + 1e-6
    assert headline(found).startswith("undecided: B is ")
    assert "starts of one side differ by" in headline(found)


def test_a_rate_that_nobody_names_is_half_of_what_the_slower_side_serves() -> None:
    a, b = two(0.002, 0.004, workload=replace(WORKLOAD, rate_rps=None))
    found = run(a, b)
    assert found.terms.rate_rps == pytest.approx(0.5 / 0.004, rel=0.05)
    assert "B, the slower one" in found.terms.rate_from
    assert found.assessment.verdict == "worse"


def test_throughput_is_compared_in_a_closed_loop() -> None:
    a, b = two(0.002, 0.0016)
    found = run(a, b, metric="throughput")
    assert found.terms.rate_rps is None
    assert {stage.arrival for start in b.stages for stage in start} == {"closed"}
    assert found.assessment.verdict == "better"
    assert " % more throughput than A (" in headline(found)


def test_the_bounded_latency_decides_where_none_is_asked_for() -> None:
    a, b = two(0.0025, 0.0025, slo=(Constraint(metric="latency_p90", bound=0.1),))
    assert run(a, b).terms.metric == "latency_p90"
    assert run(a, b, metric="latency_p95").terms.metric == "latency_p95"


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"metric": "cost"}, "--metric"),
        ({"smallest": 0.0}, "--smallest"),
        ({"time_s": 3.0}, "--time"),
        ({"metric": "latency_p99.9", "time_s": 30.0}, "--time"),
    ],
)
def test_terms_that_cannot_be_met_are_told_before_anything_is_started(settings: dict[str, object], where: str) -> None:
    a, b = two(0.0025, 0.0025)
    with pytest.raises(InputError) as refused:
        run(a, b, **settings)
    (problem,) = refused.value.problems
    assert problem.where.file == where
    assert problem.fix
    assert a.stages == b.stages == []


def test_sides_that_name_different_rates() -> None:
    a, b = two(0.0025, 0.0025)
    b.workload = replace(WORKLOAD, rate_rps=100.0)
    with pytest.raises(InputError, match=r"200/s \(a.yaml\) and 100/s \(b.yaml\)"):
        run(a, b)


def test_a_derived_rate_that_carries_too_few_pairs() -> None:
    a, b = two(0.2, 0.2, workload=replace(WORKLOAD, rate_rps=None))
    with pytest.raises(EnvironmentFailure, match="--time of at least"):
        run(a, b, metric="latency_p99", time_s=20.0)


def test_different_terms_of_the_sides_are_said() -> None:
    a, b = two(0.0025, 0.0025)
    b.workload = replace(WORKLOAD, connections=64)
    found = run(a, b)
    assert any("connections: 8 and 64" in warning for warning in found.warnings)
    assert {stage.connections for start in b.stages for stage in start[1:]} == {8}


def test_a_workload_that_changes_its_rate_is_compared_at_a_steady_one() -> None:
    a, b = two(
        0.0025, 0.0025, workload=replace(WORKLOAD, arrival="closed", shape=Trace(path=Path("t.csv"), due_s=(0.1,)))
    )
    found = run(a, b)
    assert found.terms.arrival == "poisson"
    assert any("shape was left out" in warning for warning in found.warnings)


def test_a_side_that_does_not_serve_is_named() -> None:
    a, b = two(0.0025, 0.0025)
    b.fails = TrialFailure(stage="ready", kind="Crashed", reason="exit status 1", logs="out of ideas")
    with pytest.raises(EnvironmentFailure, match=r"B \(b.yaml\) failed at ready: Crashed, exit status 1\nout of ideas"):
        run(a, b)
    assert a.up == []


def busy(samples: Samples) -> Samples:
    return replace(samples, generator_cpu_s=0.99 * samples.generator_elapsed_s)


def test_windows_that_cannot_be_trusted_are_measured_again() -> None:
    a, b = two(0.0025, 0.0025)
    spoilt = iter([False, True])  # the warm-up, then the first window

    a.spoil = lambda samples: busy(samples) if next(spoilt, False) else samples
    found = run(a, b)
    assert found.assessment.verdict == "no difference"
    assert found.refused == ()
    assert a.stages[0][1].seed != a.stages[0][2].seed
    assert b.stages[0][1].seed == a.stages[0][2].seed, "what came first met other arrivals, and so does its match"


def test_windows_that_can_never_be_trusted_are_refused_with_the_reason() -> None:
    a, b = two(0.0025, 0.0025)
    b.spoil = busy
    found = run(a, b)
    assert found.assessment.verdict == "undecided"
    assert found.pairs == ()
    assert len(found.refused) == 3
    assert headline(found).startswith(
        "undecided: 3 of 3 pairs could not be trusted: B (b.yaml): the load generator was"
    )


def test_one_refused_pair_does_not_end_it() -> None:
    a, b = two(0.0025, 0.0025)
    spoilt = iter([False, True, True, True])

    a.spoil = lambda samples: busy(samples) if next(spoilt, False) else samples
    found = run(a, b)
    assert found.assessment.verdict == "no difference"
    assert len(found.refused) == 1


def test_load_that_is_spent_on_windows_measured_again_is_said() -> None:
    a, b = two(0.0025, 0.0025)
    b.spoil = busy
    found = run(a, b, time_s=12.0, pairs=4)
    assert found.ended_because == "the 12 s of load for each side were spent"
    assert max(found.load_s) <= 12.0 + 1e-6
    assert len(found.refused) == 3
    assert all("the load generator was at its limit" in reason for reason in found.refused)


def test_what_the_pairs_tell_is_told_as_they_come() -> None:
    heard: list[Assessment] = []
    a, b = two(0.0025, 0.0025)
    found = compare(a, b, CompareSettings(), on_stage=lambda _: None, on_assessment=heard.append)
    assert [assessment.pairs for assessment in heard] == list(range(1, len(found.pairs) + 1))
    assert heard[-1] == found.assessment


def test_going_on_until_told_takes_more_pairs_than_asked_for() -> None:
    noisy = {"starts_differ": 0.04}
    assert run(*two(0.0025, 0.0025, **noisy), pairs=6).assessment.verdict == "undecided"
    found = run(*two(0.0025, 0.0025, **noisy), pairs=6, until_told=True)
    assert found.assessment.verdict == "no difference"
    assert len(found.pairs) > 6
    assert found.terms.until_told


def test_going_on_is_bounded_by_the_time_given() -> None:
    found = run(*two(0.0025, 0.0025, starts_differ=0.2), until_told=True, time_s=90.0)
    assert found.assessment.verdict == "undecided"
    assert len(found.pairs) > 12
    assert max(found.load_s) <= 90.0 + 1e-6
    assert "a side would tell 5 %; give --time " in headline(found)


def test_what_would_tell_is_said_where_it_cannot_be_told() -> None:
    found = run(*two(0.0025, 0.0025, starts_differ=0.04), pairs=6, time_s=20.0)
    wanted = found.assessment.would_tell
    assert wanted is not None
    assert f"give --pairs {wanted} --time " in headline(found)
    again = run(*two(0.0025, 0.0025, starts_differ=0.04), pairs=wanted, time_s=load_that_tells(found))
    assert again.assessment.verdict == "no difference"
