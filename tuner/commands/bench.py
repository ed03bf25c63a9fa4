"""`tune bench`: one system under load, once or over several starts, and what came out of it.

Wiring, like `tuner.commands.run`: starts and load come from systems and trials, numbers from measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import tuner
from tuner.backends.model import TellsMetrics
from tuner.breakdown.waterfall import waterfall
from tuner.load.control.scrape import scrape
from tuner.measure.common_rate import derive
from tuner.measure.distribution import percentiles, slices
from tuner.measure.joined import join
from tuner.measure.model import Window
from tuner.measure.pace import foreseen
from tuner.measure.samples import Samples
from tuner.measure.slo import judge
from tuner.measure.status import failures
from tuner.report.data import plain
from tuner.space.metrics import METRICS
from tuner.statistics.model import Estimate
from tuner.targets.model import Served, SystemUnderTest
from tuner.targets.workload import NOTHING
from tuner.trials.caveats import caveats
from tuner.trials.load_windows import LoadWindows
from tuner.trials.lookout import Untrusted
from tuner.trials.starts import Bound, Start, Throughput, bounds, doubts, floors, pooled
from tuner.units import format_seconds
from tuner.uri import masked
from tuner.workload.arrivals import described
from tuner.workload.model import WorkloadSpec

SCHEMA = 2
_USUAL_METRICS = "/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What came out. `refused` says why it cannot be trusted; then `starts` are those measured before."""

    target: str
    about: Mapping[str, str]
    """The system and where it ran."""
    settings: Mapping[str, str]
    started_at: str
    """ISO 8601, UTC."""
    starts: tuple[Start, ...]
    figures: Mapping[str, Estimate]
    """Of one start as it was measured; of several the median, with the range over all of them and their intervals."""
    noise_floor: Mapping[str, float]
    """Largest ratio between starts, by metric; empty: there was one."""
    slo: tuple[Bound, ...]
    refused: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def met(self) -> bool | None:
        """Whether the SLO is; None: not known, since it was refused or a bounded metric was not measured."""
        states = {bound.state for bound in self.slo}
        if "broken" in states:
            return False
        return None if self.refused or "undecided" in states else True


def benchmark(
    system: SystemUnderTest,
    *,
    restarts: int = 1,
    metrics: tuple[str, ...] = (),
    on_stage: Callable[[str], None],
    on_samples: Callable[[int, Samples, Window], None] = lambda _number, _samples, _window: None,
) -> Benchmark:
    """Measure the system over so many starts, all at the rate that the first was measured at.

    `metrics` are addresses of the servers' own metrics; empty: those that are told of what was deployed, else /metrics
    where it answers.
    `on_samples` is given each start's number, from 0, and its samples. Raises TrialFailure, EnvironmentFailure.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    about = system.describe()
    rate_rps = None if system.workload.arrival == "closed" else system.workload.rate_rps
    starts: list[Start] = []
    refused: tuple[str, ...] = ()
    used = system.workload
    for number in range(restarts):
        stage = _numbered(on_stage, number, restarts)
        with system.serve(stage) as served:
            measuring = _Measuring(served, system, metrics or _usual_metrics(served), stage)
            try:
                start = measuring.start(rate_rps)
            except Untrusted as untrusted:
                refused = (str(untrusted),)
                break
            finally:
                used = measuring.used
        on_samples(number, measuring.samples, start.window)
        starts.append(start)
        rate_rps = rate_rps or start.window.offered_rps or None
    return Benchmark(
        target=system.name,
        about=about,
        settings=_settings(used, rate_rps, restarts),
        started_at=started_at,
        starts=tuple(starts),
        figures=pooled(starts),
        noise_floor=floors(starts),
        slo=bounds(system.slo, starts),
        refused=refused,
        warnings=tuple(dict.fromkeys(warning for start in starts for warning in start.warnings)),
    )


def document(result: Benchmark) -> dict[str, Any]:
    """The result as plain JSON; `schema` counts up when a field changes its meaning or goes."""
    return {
        "schema": SCHEMA,
        "kind": "bench",
        "tuner_version": tuner.__version__,
        **plain(result),
        "figures": {name: {**plain(estimate), "unit": METRICS[name].unit} for name, estimate in result.figures.items()},
        "trusted": not result.refused,
        "met": result.met,
    }


class _Measuring:
    """The windows of one start."""

    def __init__(
        self, served: Served, system: SystemUnderTest, metrics: tuple[str, ...], on_stage: Callable[[str], None]
    ) -> None:
        self._served = served
        self._workload, self._slo, self._on_stage = system.workload, system.slo, on_stage
        self._loads = LoadWindows(
            running=served.running,
            generator=served.generator,
            workload=system.workload,
            slo=system.slo,
            metrics=metrics,
            on_stage=on_stage,
            answer_s=served.answer_s,
        )

    @property
    def samples(self) -> Samples:
        """Of the windows that the latencies are of, as one. Raises ValueError before they are measured."""
        return join(self._loads.parts)

    @property
    def used(self) -> WorkloadSpec:
        """As the windows were: with the times that follow from the answers."""
        return self._loads.used

    def start(self, rate_rps: float | None) -> Start:
        """`rate_rps` None: half of the capacity, unless the workload says itself when requests come."""
        workload = self._workload
        closed = workload.arrival == "closed"
        pace = self._loads.get_to_know()
        takes_s = pace.expected_s(rate_rps, searched=bool(self._slo) and workload.shape is None and not closed)
        self._on_stage(f"this takes about {format_seconds(takes_s)}")
        for sentence in foreseen(pace, rate_rps):
            self._on_stage(sentence)
        self._loads.warm_up(None if closed else rate_rps)
        throughput: Throughput | None = None
        if rate_rps is None and not closed:
            throughput, rate_rps = self._rate()
        window, usage = self._loads.at_rate(rate_rps or 0.0)
        _require_answers(window)
        if throughput is None:
            throughput = self._throughput(window)
        samples, running = self.samples, self._served.running
        enforced = [f"not enforced: {text}" for text in running.not_enforced]
        return Start(
            startup_s=self._served.startup_s,
            throughput=throughput,
            window=window,
            usage=usage,
            curve=self._loads.curve,
            waterfall=waterfall(samples, self._loads.counted, model=workload.model),
            percentiles=percentiles(samples, window.warm_up_s),
            over_time=slices(samples),
            warnings=(*caveats(window, usage), *doubts(window), *enforced, *self._served.notes),
            load_from=running.endpoint.load_from,
        )

    def _rate(self) -> tuple[Throughput, float]:
        """A throughput, and the rate at which it says that latencies are worth measuring. Raises Untrusted."""
        if self._slo:
            throughput = self._capacity(None)
            if throughput.value is not None:
                return throughput, derive(throughput.value.value)
            tried = [window for window in self._loads.curve if window.offered_rps]
            # where it broke there were requests enough to tell; below, there may have been too few
            broke = [window for window in tried if judge(window, self._slo).broken]
            if not tried:
                raise Untrusted(f"no rate to measure latencies at was found: {throughput.note}; give --rate")
            return throughput, min(window.offered_rps for window in broke or tried)
        closed = self._loads.closed_throughput()
        _require_answers(closed)
        connections = self._loads.closed_connections
        what = f"closed loop of {connections} connections; latencies are of an open loop at half of it"
        return Throughput(value=Estimate(value=closed.achieved_rps), what=what), derive(closed.achieved_rps)

    def _throughput(self, window: Window) -> Throughput:
        workload = self._workload
        if workload.arrival == "closed":
            what = f"closed loop of {workload.connections} connections"
        elif self._slo and workload.shape is None:
            return self._capacity(window)
        else:
            what = f"achieved of {window.offered_rps:.4g}/s offered"
        return Throughput(value=Estimate(value=window.achieved_rps), what=what)

    def _capacity(self, first: Window | None) -> Throughput:
        value, note = self._loads.capacity(first)
        return Throughput(value=value, what="highest rate that meets the SLO", note=note)


def _numbered(on_stage: Callable[[str], None], number: int, restarts: int) -> Callable[[str], None]:
    return on_stage if restarts == 1 else lambda stage: on_stage(f"start {number + 1} of {restarts}: {stage}")


def _usual_metrics(served: Served) -> tuple[str, ...]:
    """Addresses of the metrics of what was deployed; else those where servers usually tell them, as far as they do."""
    running = served.running
    told = running.metrics_urls() if isinstance(running, TellsMetrics) else ()
    if told:
        return told
    guesses = [f"{url}{_USUAL_METRICS}" for url in running.endpoint.urls]
    return tuple(found.url for found in scrape(guesses, 1.0, served.generator.ask) if not found.problem)


def _require_answers(window: Window) -> None:
    """Raises Untrusted where not one was good."""
    if window.achieved_rps <= 0.0:
        raise Untrusted(f"not one good answer came: {failures(window) or 'no answer at all'}")


def _settings(workload: WorkloadSpec, rate_rps: float | None, restarts: int) -> Mapping[str, str]:
    """All that decides how the load is sent, in words; names of headers, never their values."""
    found = {
        "protocol": workload.protocol,
        "path": None if workload.path is None else masked(workload.path),
        "method": workload.method if workload.protocol == "http" else None,
        "model": workload.model,
        "headers": ", ".join(workload.headers) or None,
        "requests": ", ".join(source.path.name for source in workload.requests if source.path != NOTHING) or None,
        "arrival": described(workload),
        "rate": f"{rate_rps:.6g}/s" if rate_rps else None,
        "duration": _duration(workload),
        "warm-up": format_seconds(workload.warm_up_s),
        "connections": str(workload.connections),
        "time-out": format_seconds(workload.timeout_s),
        "seed": str(workload.seed),
        "starts": str(restarts),
    }
    return {name: value for name, value in found.items() if value is not None}


def _duration(workload: WorkloadSpec) -> str:
    least = format_seconds(workload.duration_s)
    return least if workload.most_s is None else f"{least} to {format_seconds(workload.most_s)}"
