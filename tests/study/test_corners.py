"""Whole studies with the model, in corners of what a search space may be; and each taken up after every journal line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.builders import COST, THROUGHPUT, parameter
from tests.study.world import P99, crashed, lost, measured, render, space_of, start_of, trial_of
from tuner.search.costs import Demand
from tuner.space.model import (
    Budget,
    Choices,
    Condition,
    Configuration,
    Constraint,
    IntRange,
    Objective,
    SearchSpace,
)
from tuner.space.values import Value
from tuner.study.advisor import SamplingAdvisor
from tuner.study.loop import Study
from tuner.study.model import OneByOne, Proposal, Summary
from tuner.study.observed import observations
from tuner.study.store import IN_MEMORY
from tuner.trials.clock import FakeClock
from tuner.trials.journal import Journal
from tuner.trials.model import Outcome, Trial

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LATENCY = Objective(metric="latency_p99", direction="minimize")
Serve = Callable[[Proposal], Outcome]

WORKERS = parameter("workers", IntRange(low=1, high=6), "env/WORKERS")
CPU = parameter("cpu", Choices(values=("500m", "1", "2")), "limits/cpu")
KIND = parameter("kind", Choices(values=("sync", "gevent", "gthread")), "args/--kind")
LEVEL = parameter("level", Choices(values=("low", "high")), "env/LEVEL")
POOL = parameter(
    "pool", IntRange(low=1, high=4), "env/POOL", when=Condition(parameter="kind", values=("gevent", "gthread"))
)


def serve(proposal: Proposal) -> Outcome:
    """Deterministic, though restarts differ by a few per cent."""
    values = proposal.configuration.values
    cores = {"500m": 0.5, "1": 1.0, "2": 2.0}.get(str(values.get("cpu")), 1.0)
    workers, pool = int(values.get("workers", 2)), int(values.get("pool", 1))
    factor = {"sync": 1.0, "gevent": 1.4}.get(str(values.get("kind")), 1.2)
    wobble = 1.0 + 0.01 * math.sin(7.0 * proposal.number)
    rate = 100.0 * min(workers * pool**0.5, 4 * cores) * factor * wobble
    return measured(throughput=rate, cost=cost(values), latency_p99=0.015 * workers * wobble / cores)


def cost(values: Mapping[str, Value]) -> float:
    return 0.1 * {"500m": 0.5, "1": 1.0, "2": 2.0}.get(str(values.get("cpu")), 1.0)


def one_configuration(**values: Value) -> Configuration:
    return Configuration(values=values)


SPACES: dict[str, tuple[SearchSpace, Configuration]] = {
    "one knob": (space_of([WORKERS]), one_configuration(workers=1)),
    "one configuration": (space_of([parameter("kind", Choices(values=("sync",)))]), one_configuration(kind="sync")),
    "rules leave none": (space_of([WORKERS], rules=["workers > 6"]), one_configuration(workers=1)),
    "words": (space_of([KIND, LEVEL]), one_configuration(kind="sync", level="low")),
    "conditions": (space_of([KIND, POOL, WORKERS]), one_configuration(kind="sync", workers=1)),
    "nothing set": (space_of([WORKERS, CPU]), one_configuration()),
    "outside": (space_of([WORKERS, CPU]), one_configuration(workers=40, cpu="3")),
    "a word outside": (space_of([KIND, WORKERS]), one_configuration(kind="eventlet", workers=1)),
    "maximize": (space_of([WORKERS, CPU], objectives=(THROUGHPUT,)), one_configuration(workers=1, cpu="500m")),
    "minimize": (space_of([WORKERS, CPU], objectives=(LATENCY,), slo=()), one_configuration(workers=1, cpu="500m")),
    "cost alone": (
        space_of(
            [WORKERS, CPU], objectives=(COST,), slo=(P99, Constraint(metric="throughput", bound=150.0, at_least=True))
        ),
        one_configuration(workers=1, cpu="2"),
    ),
    "three objectives": (
        space_of([WORKERS, CPU, KIND], objectives=(THROUGHPUT, COST, LATENCY)),
        one_configuration(workers=1, cpu="1", kind="sync"),
    ),
    "nothing feasible": (
        space_of([WORKERS, CPU], slo=(Constraint(metric="latency_p99", bound=1e-4),)),
        one_configuration(workers=1, cpu="1"),
    ),
    "too dear": (
        space_of([WORKERS, CPU], slo=(P99, Constraint(metric="cost", bound=0.11))),
        one_configuration(workers=1, cpu="2"),
    ),
}
OUTCOMES: dict[str, Serve] = {
    "as it is": serve,
    "the baseline crashes": lambda one: crashed() if one.purpose == "baseline" else serve(one),
    "the baseline lacks memory": lambda one: (
        replace(crashed(), kind="OOMKilled") if one.purpose == "baseline" else serve(one)
    ),
    "the baseline is lost": lambda one: lost() if one.purpose == "baseline" else serve(one),
    "restarts crash": lambda one: crashed() if one.purpose == "confirm" else serve(one),
    "some crash": lambda one: crashed() if one.number % 3 == 1 else serve(one),
    "costs contradict": lambda one: (
        serve(one) if one.number % 2 else measured(throughput=90.0, cost=7.0, latency_p99=0.05)
    ),
}


def go(journal: Path, space: SearchSpace, baseline: Configuration, serve: Serve) -> Summary:
    """Begun, or taken up where the journal ends."""
    clock = FakeClock()

    def run(proposal: Proposal) -> Trial:
        clock.sleep(10.0)
        return trial_of(
            proposal.number,
            serve(proposal),
            proposal.configuration,
            purpose=proposal.purpose,
            started_at=BEGAN + timedelta(seconds=10.0 * proposal.number),
        )

    start = replace(start_of(space, journal.parent, sampler="auto"), storage_url=IN_MEMORY)
    with Journal.open(journal) as kept:
        advisor = SamplingAdvisor(
            start=start,
            space=space,
            baseline=baseline,
            render=render,
            infeasible=lambda _: None,
            observed=lambda: observations(kept.trials, start),
            demand=lambda one: Demand(cost_per_hour=cost(one.values), cores=1.0, memory_bytes=1.0),
        )
        study = Study(start=start, advisor=advisor, journal=kept, recorders=(), clock=clock, notice=lambda _: None)
        return study.run(OneByOne(run))


def told(journal: Path) -> list[tuple[str, Configuration]]:
    with Journal.open(journal) as kept:
        return [(trial.purpose, trial.configuration) for trial in kept.trials]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [*((name, "as it is") for name in SPACES), *(("conditions", outcome) for outcome in OUTCOMES)],
)
def test_a_study_comes_to_its_end(name: str, outcome: str, tmp_path: Path) -> None:
    space, baseline = SPACES[name]
    space = replace(space, budget=Budget(trials=7, confirm=1))
    summary = go(tmp_path / "journal.jsonl", space, baseline, OUTCOMES[outcome])
    searched = [trial for trial in summary.trials if trial.searched]
    assert searched[0].configuration == baseline
    assert len(searched) <= 7
    assert len({trial.manifest_digest for trial in searched}) >= len(searched) - 1, "nothing is tried twice for nothing"
    for trial in searched[1:]:
        assert all(rule.holds(trial.configuration.values) for rule in space.rules)
    if summary.choice is not None:
        assert summary.choice.candidate.feasible


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("conditions", "some crash"), ("outside", "the baseline is lost")],
)
def test_killed_after_any_line_it_goes_on_the_same(name: str, outcome: str, tmp_path: Path) -> None:
    space, baseline = SPACES[name]
    space = replace(space, budget=Budget(trials=6, confirm=1))
    whole = tmp_path / "journal.jsonl"
    go(whole, space, baseline, OUTCOMES[outcome])
    lines, expected = whole.read_bytes().splitlines(keepends=True), told(whole)
    for count in range(1, len(lines)):
        cut = tmp_path / str(count) / "journal.jsonl"
        cut.parent.mkdir()
        cut.write_bytes(b"".join(lines[:count]))
        go(cut, space, baseline, OUTCOMES[outcome])
        assert told(cut) == expected, f"after line {count}: {lines[count - 1][:80]!r}"
