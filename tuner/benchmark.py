"""`tune bench`: one subject under load, once or over several starts, and what came out of it.

Wiring, like `tuner.session`: starts and load come from subjects and trials, numbers from measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from types import MappingProxyType
from typing import Any, Literal

import tuner
from tuner.backends.model import TellsMetrics
from tuner.load.control.scrape import scrape
from tuner.load.model import Answer, Generator, LoadWindow, Request
from tuner.measure.common_rate import derive
from tuner.measure.counters import Increase, Scrape, difference, together
from tuner.measure.distribution import Slice, percentiles, slices
from tuner.measure.joined import join
from tuner.measure.model import Estimate, Samples, Usage, Window
from tuner.measure.noise import noise_floor
from tuner.measure.slo import MOST_ERRORS, judge
from tuner.measure.waterfall import Waterfall, waterfall
from tuner.report.data import plain
from tuner.space.arrivals import described
from tuner.space.metrics import LATENCY_PERCENTILES, METRICS
from tuner.space.model import Constraint, WorkloadSpec
from tuner.subjects.model import Served, Subject
from tuner.subjects.workload import NOTHING
from tuner.trials.bench import Bench, Untrusted
from tuner.trials.caveats import caveats
from tuner.trials.quiet import NoQuiet
from tuner.units import format_metric, format_ratio, format_seconds
from tuner.uri import masked

SCHEMA = 1
_USUAL_METRICS = "/metrics"
_NO_SLO: tuple[Constraint, ...] = ()

State = Literal["met", "broken", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    value: Estimate | None
    what: str
    """Which of the throughputs it is."""
    note: str = ""
    """What bounded it, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of the subject, measured."""

    startup_s: float | None
    throughput: Throughput
    window: Window
    """The one that the latencies are of."""
    usage: Usage
    curve: tuple[Window, ...]
    """Every window that is a point of latency against rate, by rising rate."""
    waterfall: Waterfall
    percentiles: tuple[tuple[float, float], ...]
    """(level, latency in seconds), ascending."""
    over_time: tuple[Slice, ...]
    warnings: tuple[str, ...]
    load_from: str

    def figures(self) -> Mapping[str, Estimate]:
        """By metric name (`tuner.space.metrics`), in SI units; what was not measured is absent."""
        found = {**self.window.latency_s, "error_ratio": self.window.error_ratio}
        known = {
            "throughput": self.throughput.value,
            "cpu": self.usage.cpu_cores,
            "memory": self.usage.memory_peak_bytes,
            "startup": self.startup_s,
        }
        for name, value in known.items():
            if value is not None:
                found[name] = value if isinstance(value, Estimate) else Estimate(value=float(value))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One bound of the SLO, over all starts, or what breaks every SLO: errors and saturation."""

    metric: str
    bound: float | None
    """None: it is implied."""
    state: State
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What came out. `refused` says why it cannot be trusted; then `starts` are those measured before."""

    target: str
    about: Mapping[str, str]
    """The subject and where it ran."""
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
        return None if self.refused or "unknown" in states else True


def benchmark(
    subject: Subject,
    *,
    restarts: int = 1,
    metrics: tuple[str, ...] = (),
    on_stage: Callable[[str], None],
    on_samples: Callable[[int, Samples, Window], None] = lambda _number, _samples, _window: None,
) -> Benchmark:
    """Measure the subject over so many starts, all at the rate that the first was measured at.

    `metrics` are addresses of the servers' own metrics; empty: those that are told of what was deployed, else /metrics
    where it answers.
    `on_samples` is given each start's number, from 0, and its samples. Raises TrialFailure, EnvironmentFailure.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    about = subject.describe()
    rate_rps = None if subject.workload.arrival == "closed" else subject.workload.rate_rps
    starts: list[Start] = []
    refused: tuple[str, ...] = ()
    for number in range(restarts):
        stage = _numbered(on_stage, number, restarts)
        with subject.serve(stage) as served:
            watched = _Watched(served.generator, metrics or _usual_metrics(served))
            measuring = _Measuring(served, watched, subject, stage)
            try:
                start = measuring.start(rate_rps)
            except Untrusted as untrusted:
                refused = (str(untrusted),)
                break
        on_samples(number, measuring.samples, start.window)
        starts.append(start)
        rate_rps = rate_rps or start.window.offered_rps or None
    return Benchmark(
        target=subject.name,
        about=about,
        settings=_settings(subject.workload, rate_rps, restarts),
        started_at=started_at,
        starts=tuple(starts),
        figures=_pooled(starts),
        noise_floor=_floors(starts),
        slo=_bounds(subject.slo, starts) if starts else (),
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


class _Watched:
    """A generator; of the windows it is told to watch, it keeps what the servers counted meanwhile."""

    def __init__(self, generator: Generator, metrics: tuple[str, ...]) -> None:
        self._generator = generator
        self._metrics = metrics
        self._watches = False
        self._counted: list[tuple[Samples, Increase]] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The windows sent meanwhile are watched."""
        self._watches = True
        try:
            yield
        finally:
            self._watches = False

    def counted(self, parts: Sequence[Samples]) -> Increase | None:
        """What the servers counted in these windows; None where nothing is known of where they tell it."""
        found = [increase for samples, increase in self._counted if any(samples is part for part in parts)]
        return together(found) if found else None

    def run(self, stage: LoadWindow) -> Samples:
        """As in `Generator`."""
        if not self._watches or not self._metrics:
            return self._generator.run(stage)
        before = self._scrape()
        samples = self._generator.run(stage)
        self._counted.append((samples, difference(before, self._scrape())))
        return samples

    def ask(self, url: str, request: Request, timeout_s: float) -> Answer:
        """As in `Generator`."""
        return self._generator.ask(url, request, timeout_s)

    def close(self) -> None:
        """As in `Generator`."""
        self._generator.close()

    def _scrape(self) -> tuple[Scrape, ...]:
        return scrape(self._metrics, ask=self._generator.ask)


class _Measuring:
    """The windows of one start."""

    def __init__(self, served: Served, watched: _Watched, subject: Subject, on_stage: Callable[[str], None]) -> None:
        self._served, self._watched = served, watched
        self._workload, self._slo = subject.workload, subject.slo
        self._on_stage = on_stage
        self._bench = self._loads(self._workload, self._slo)

    @property
    def samples(self) -> Samples:
        """Of the windows that the latencies are of, as one. Raises ValueError before they are measured."""
        return join(self._bench.parts)

    def start(self, rate_rps: float | None) -> Start:
        """`rate_rps` None: half of the capacity, unless the workload says itself when requests come."""
        workload = self._workload
        closed = workload.arrival == "closed"
        self._bench.warm_up(None if closed else rate_rps)
        throughput: Throughput | None = None
        if rate_rps is None and not closed:
            throughput, rate_rps = self._rate()
        with self._watched.watched():
            window, usage = self._bench.at_rate(rate_rps or 0.0)
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
            curve=self._bench.curve,
            waterfall=waterfall(samples, self._watched.counted(self._bench.parts), model=workload.model),
            percentiles=percentiles(samples, window.warm_up_s),
            over_time=slices(samples),
            warnings=(*caveats(window, usage), *_doubts(window), *enforced),
            load_from=running.endpoint.load_from,
        )

    def _rate(self) -> tuple[Throughput, float]:
        """A throughput, and the rate at which it says that latencies are worth measuring. Raises Untrusted."""
        if self._slo:
            throughput = self._capacity(None)
            if throughput.value is not None:
                return throughput, derive(throughput.value.value)
            tried = [window for window in self._bench.curve if window.offered_rps]
            # where it broke there were requests enough to tell; below, there may have been too few
            broke = [window for window in tried if judge(window, self._slo).broken]
            if not tried:
                raise Untrusted(f"no rate to measure latencies at was found: {throughput.note}; give --rate")
            return throughput, min(window.offered_rps for window in broke or tried)
        connections = self._workload.connections
        probed = replace(self._workload, arrival="closed", think_s=0.0, shape=None)
        closed, _ = self._loads(probed, _NO_SLO).at_rate(0.0)
        _require_answers(closed)
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
        value, note = self._bench.capacity(first)
        return Throughput(value=value, what="highest rate that meets the SLO", note=note)

    def _loads(self, workload: WorkloadSpec, slo: tuple[Constraint, ...]) -> Bench:
        return Bench(
            running=self._served.running,
            generator=self._watched,
            workload=workload,
            slo=slo,
            quiet=NoQuiet(),
            on_stage=self._on_stage,
        )


def _numbered(on_stage: Callable[[str], None], number: int, restarts: int) -> Callable[[str], None]:
    return on_stage if restarts == 1 else lambda stage: on_stage(f"start {number + 1} of {restarts}: {stage}")


def _usual_metrics(served: Served) -> tuple[str, ...]:
    """Addresses of the metrics of what was deployed; else those at which servers usually tell them, as far as they do."""
    running = served.running
    told = running.metrics_urls() if isinstance(running, TellsMetrics) else ()
    if told:
        return told
    guesses = [f"{url}{_USUAL_METRICS}" for url in running.endpoint.urls]
    return tuple(found.url for found in scrape(guesses, 1.0, served.generator.ask) if not found.problem)


def _require_answers(window: Window) -> None:
    """Raises Untrusted where not one was good."""
    if window.achieved_rps <= 0.0:
        errors = ", ".join(f"{kind} {count}x" for kind, count in window.errors.items())
        raise Untrusted(f"not one good answer came: {errors or 'no answer at all'}")


def _doubts(window: Window) -> Iterator[str]:
    """Quantiles that have no figure and why, and errors."""
    for metric, least_s in window.beyond_s.items():
        yield f"{metric} lies among requests never answered in time: it is more than {format_seconds(least_s)}"
    missing = [name for name in METRICS if name.startswith("latency_")]
    missing = [name for name in missing if name not in window.latency_s and name not in window.beyond_s]
    if missing:
        yield f"{', '.join(missing)} cannot be told from so few requests: measure longer, or at a higher rate"
    if (window.error_ratio.low or 0.0) > MOST_ERRORS.bound:
        yield f"{format_ratio(window.error_ratio.value)} of the requests failed: latencies are of the others"


def _pooled(starts: Sequence[Start]) -> Mapping[str, Estimate]:
    """Figures that every start has."""
    every = [start.figures() for start in starts]
    names = [name for name in METRICS if every and all(name in figures for figures in every)]
    return MappingProxyType({name: _pool([figures[name] for figures in every]) for name in names})


def _pool(estimates: Sequence[Estimate]) -> Estimate:
    if len(estimates) == 1:
        return estimates[0]
    lows = [estimate.value if estimate.low is None else estimate.low for estimate in estimates]
    highs = [estimate.value if estimate.high is None else estimate.high for estimate in estimates]
    return Estimate(value=median(estimate.value for estimate in estimates), low=min(lows), high=max(highs))


def _floors(starts: Sequence[Start]) -> Mapping[str, float]:
    every = [start.figures() for start in starts]
    values = {name: [figures[name].value for figures in every if name in figures] for name in METRICS}
    floors = {name: noise_floor([found]) for name, found in values.items()}
    return MappingProxyType({name: floor for name, floor in floors.items() if floor is not None})


def _bounds(slo: Sequence[Constraint], starts: Sequence[Start]) -> tuple[Bound, ...]:
    found = [_bound(constraint, starts) for constraint in slo]
    implied = [judge(start.window, _NO_SLO) for start in starts] if slo else []
    for judgement in implied:
        if judgement.state == "broken":
            metric = judgement.broken[0][0] if judgement.broken else "throughput"
            return (*found, Bound(metric=metric, bound=None, state="broken", text=judgement.reason))
    return tuple(found)


def _bound(constraint: Constraint, starts: Sequence[Start]) -> Bound:
    """Broken where one start breaks it, by point estimates; unknown where one did not measure it."""
    state, text = _judged(constraint, starts)
    sign = ">=" if constraint.at_least else "<="
    bound = f"{constraint.metric} {sign} {format_metric(METRICS[constraint.metric].unit, constraint.bound)}"
    return Bound(metric=constraint.metric, bound=constraint.bound, state=state, text=f"{bound}: {text}")


def _judged(constraint: Constraint, starts: Sequence[Start]) -> tuple[State, str]:
    metric = constraint.metric
    if any(metric in start.window.beyond_s for start in starts):
        return "broken", "requests were not answered in time"
    if metric == "throughput" and any(start.throughput.value is None for start in starts):
        return "broken", next(start.throughput.note for start in starts if start.throughput.value is None)
    measured = [start.figures().get(metric) for start in starts]
    values = [one or _lower_quantile(start, constraint) for one, start in zip(measured, starts, strict=True)]
    found = [value for value in values if value is not None]
    if len(found) < len(starts):
        return "unknown", "it was not measured"
    worst = max((estimate.value for estimate in found), key=constraint.excess)
    text = ("" if all(measured) else "at least ") + format_metric(METRICS[metric].unit, worst)
    if constraint.excess(worst) > 0.0:
        return "broken", text
    return "met", text if all(_certainly_met(constraint, one) for one in found) else f"{text}, though not for certain"


def _certainly_met(constraint: Constraint, estimate: Estimate) -> bool:
    """By the whole interval; what has none was counted, not estimated."""
    if estimate.low is None and estimate.high is None:
        return not constraint.metric.startswith("latency_")
    end = estimate.low if constraint.at_least else estimate.high
    return end is not None and constraint.excess(end) <= 0.0


def _lower_quantile(start: Start, constraint: Constraint) -> Estimate | None:
    """A latency quantile that breaks the bound on a higher one, which is at least as much and was not measured."""
    names = [name for name, _ in LATENCY_PERCENTILES]
    if constraint.metric not in names or constraint.at_least:
        return None
    lower = [start.window.latency_s.get(name) for name in names[: names.index(constraint.metric)]]
    return next((one for one in lower if one is not None and constraint.excess(one.value) > 0.0), None)


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
