"""A world for studies: a search space, and a server whose speed is arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna

from tests import builders
from tests.builders import parameter
from tuner.manifests.model import Rendered
from tuner.measure.model import Measurement
from tuner.space.model import Budget, Choices, Configuration, Constraint, FloatRange, IntRange, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.statistics.model import Estimate
from tuner.study.advisor import SamplingAdvisor
from tuner.study.loop import Study
from tuner.study.model import Proposal, Recorder
from tuner.study.stop import Price
from tuner.study.store import IN_MEMORY
from tuner.trials.clock import Clock, FakeClock
from tuner.trials.journal import Journal
from tuner.trials.model import Failed, Measured, Outcome, Stopped, StudyStart, Trial

P99 = Constraint(metric="latency_p99", bound=0.1)
TWELVE = Budget(trials=12)
BASELINE = Configuration(values={"workers": 1, "cpu": "500m"})


WORKERS = parameter("workers", IntRange(low=1, high=8))
CPU = parameter("cpu", Choices(values=("500m", "1", "2")))
RATIO = parameter("ratio", FloatRange(low=0.0, high=1.0))


def space_of(parameters: Sequence[Parameter] = (WORKERS, CPU), **others: Any) -> SearchSpace:
    return builders.space_of(parameters, **{"budget": TWELVE, "slo": (P99,), **others})


def start_of(space: SearchSpace, folder: Path, *, stored: bool = False, **changes: Any) -> StudyStart:
    """`stored`: Optuna's store is on disk. It is the slowest part of such a study, and most tests do not look at it."""
    return builders.study_start(
        name=space.name,
        space_file=str(space.file),
        objectives=space.objectives,
        slo=space.slo,
        budget=space.budget,
        backend="replay",
        storage_url=f"sqlite:///{folder / 'optuna.db'}" if stored else IN_MEMORY,
        **changes,
    )


def measurement(**metrics: float) -> Measurement:
    """A measurement of these metrics; a latency, throughput or cost that is not given was not measured, or is 1."""
    window = builders.window(
        latency_s={
            name: Estimate(value=value, low=value * 0.9, high=value * 1.1)
            for name, value in metrics.items()
            if name.startswith("latency")
        },
        error_ratio=Estimate(value=metrics.get("error_ratio", 0.0), low=0.0, high=0.01),
    )
    throughput = metrics.get("throughput")
    return builders.measurement(
        window,
        throughput_rps=None if throughput is None else Estimate(value=throughput),
        cost_per_hour=metrics.get("cost", 1.0),
        cost_per_million=None,
    )


def measured(slo: Sequence[Constraint] = (P99,), **metrics: float) -> Measured:
    found = measurement(**metrics)
    values = found.metrics()
    excesses = [(bound.metric, bound.excess(values[bound.metric])) for bound in slo if bound.metric in values]
    return Measured(measurement=found, broken=tuple((name, excess) for name, excess in excesses if excess > 0))


def stopped(**metrics: float) -> Stopped:
    return Stopped(
        measurement=measurement(**metrics), broken=(("latency_p99", 1.0),), reason="latency_p99 above 100 ms"
    )


def crashed(reason: str = "it exited with status 1") -> Failed:
    return Failed(stage="ready", kind="Crashed", reason=reason, logs="Traceback")


def lost() -> Failed:
    return Failed(stage="measure", kind="Untrusted", reason="the generator was late", blame="environment")


def serve(values: Mapping[str, Value]) -> Outcome:
    """More workers serve more, to the point; more CPU costs more; too many workers on little CPU are slow."""
    workers, cpu = int(values["workers"]), {"500m": 0.5, "1": 1.0, "2": 2.0}[str(values["cpu"])]
    throughput = 100.0 * min(workers, 4 * cpu)
    return measured(throughput=throughput, cost=cpu, latency_p99=0.02 * workers / cpu)


def render(configuration: Configuration) -> Rendered:
    """A manifest of the configuration alone."""
    return Rendered(text=repr(sorted(configuration.values.items())), objects=(configuration.values,))


def digest(configuration: Configuration) -> str:
    return render(configuration).digest


def advisor_of(
    start: StudyStart,
    space: SearchSpace,
    baseline: Configuration = BASELINE,
    render: Callable[[Configuration], Rendered] = render,
    infeasible: Callable[[Rendered], str | None] = lambda _: None,
    kind: type[SamplingAdvisor] = SamplingAdvisor,
) -> SamplingAdvisor:
    return kind(start=start, space=space, baseline=baseline, render=render, infeasible=infeasible)


def trial_of(number: int, outcome: Outcome, configuration: Configuration = BASELINE, **changes: Any) -> Trial:
    return builders.trial(number, outcome, configuration, manifest_digest=digest(configuration), **changes)


@contextmanager
def opened(
    space: SearchSpace,
    folder: Path,
    clock: Clock,
    *,
    recorders: Sequence[Recorder] = (),
    notice: Callable[[str], None] = lambda _: None,
    price: Price | None = None,
    advisor: type[SamplingAdvisor] = SamplingAdvisor,
    **changes: Any,
) -> Iterator[Study]:
    """The study in `folder`, over its journal; `changes` are of its start, see `start_of`."""
    start = start_of(space, folder, **changes)
    with Journal.open(folder / "journal.jsonl") as journal:
        yield Study(
            start=start,
            advisor=advisor_of(start, space, kind=advisor),
            journal=journal,
            recorders=recorders,
            clock=clock,
            notice=notice,
            price=price,
        )


def optuna_study(space: SearchSpace, folder: Path) -> optuna.Study:
    start = start_of(space, folder, stored=True)
    return optuna.load_study(study_name=start.name, storage=start.storage_url)


class Runner:
    """Runs trials by `outcome`, each taking `duration_s` of the clock; remembers what it was asked to run."""

    def __init__(
        self,
        outcome: Callable[[Proposal], Outcome] = lambda proposal: serve(proposal.configuration.values),
        clock: FakeClock | None = None,
        duration_s: float = 10.0,
    ) -> None:
        self._outcome = outcome
        self._clock = clock or FakeClock()
        self._duration_s = duration_s
        self.ran: list[Proposal] = []

    def __call__(self, proposal: Proposal) -> Trial:
        self.ran.append(proposal)
        outcome = self._outcome(proposal)
        self._clock.sleep(self._duration_s)
        return trial_of(
            proposal.number, outcome, proposal.configuration, purpose=proposal.purpose, duration_s=self._duration_s
        )
