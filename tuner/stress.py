"""`tune stress`: one subject under a load that changes, until it breaks, and what it does afterwards.

Wiring, like `tuner.session`: starts and load come from subjects, numbers and verdicts from measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

import numpy as np

import tuner
from tuner.errors import InputError, Problem, TrialFailure, Where
from tuner.load.model import LoadWindow
from tuner.load.windows import as_asked, closed, steady
from tuner.measure.breaking import Climb, climb
from tuner.measure.common_rate import derive
from tuner.measure.distribution import Slice, slices
from tuner.measure.model import Samples, Usage, Window
from tuner.measure.shapes import Bursts, Recovery, bursts, recovery
from tuner.measure.trend import LEAST, Trend, trend
from tuner.measure.verdicts import (
    State,
    Verdict,
    bursts_verdict,
    climb_verdicts,
    recovery_verdict,
    slo_verdicts,
    trend_verdicts,
)
from tuner.measure.window import Trust, summarize
from tuner.report.data import plain
from tuner.space.arrivals import described
from tuner.space.intensity import Intensity, Profile
from tuner.space.model import WorkloadSpec
from tuner.space.shapes import OnOff, Ramp, Rated, Spike, Steps, Trace, spelled
from tuner.subjects.model import Served, Subject
from tuner.trials.caveats import caveats
from tuner.units import format_rate, format_seconds

SCHEMA = 1
FROM, TO = 0.25, 1.5
"""Where a ramp begins and ends, as shares of what a closed loop gets through."""
OVER_S = 30.0
BEFORE, AFTER = 1 / 6, 1.0
"""How long the lowest rate is held before a climb and after it, as shares of its length ..."""
TO_COMPARE = 200.0
"""... but for so many requests before, and twice as many after, where the climb is that long."""
HIGHER = 2.0
CLIMBS = 3
"""Ramps at most, each this many times higher, while the server holds."""
SPIKE_S = 3.0
QUIET_S = 10.0
"""Before a spike; afterwards twice as long."""
SOAK_WINDOWS = 30
LEAST_WINDOW_S = 2.0
SETTLING = 0.2
"""Share of a soak that is left out of its trends: caches fill, heaps find their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to the subject, in this order."""

    shape: Rated | Trace | None = None
    """Instead of the ramp to the breaking point."""
    spike: bool = False
    soak_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One window of a soak, as far as it could be measured."""

    at_s: float
    """Its middle, since the soak began."""
    latency_p50_s: float | None
    latency_p99_s: float | None
    memory_bytes: int | None
    cpu_cores: float | None
    error_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load and what it showed."""

    name: Literal["ramp", "steps", "spike", "on_off", "trace", "soak"]
    load: str
    """In the compact spelling."""
    window: Window
    usage: Usage
    verdicts: tuple[Verdict, ...]
    over_time: tuple[Slice, ...]
    climb: Climb | None = None
    recovery: Recovery | None = None
    bursts: Bursts | None = None
    moments: tuple[Moment, ...] = ()
    trends: Mapping[str, Trend] | None = None
    """Of a soak, by metric; what was not measured is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    target: str
    about: Mapping[str, str]
    settings: Mapping[str, str]
    started_at: str
    """ISO 8601, UTC."""
    closed_rps: float | None
    """What a closed loop got through, which the loads are laid out by; None: the user laid them out."""
    runs: tuple[Run, ...]
    died: str | None
    """How the server ended under the load; nothing more was done then."""
    warnings: tuple[str, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        found = [verdict for run in self.runs for verdict in run.verdicts]
        return (*found, *(() if self.died is None else (Verdict(what="survival", state="bad", text=self.died),)))

    @property
    def state(self) -> State:
        """Bad where one verdict is, open where one is open and none bad."""
        states = {verdict.state for verdict in self.verdicts}
        return "bad" if "bad" in states else "open" if "open" in states else "fine"


def stress(subject: Subject, plan: Plan, *, on_stage: Callable[[str], None]) -> Stress:
    """Put the subject under the loads of the plan, all in one start.

    Raises InputError as `check` does, TrialFailure where it does not even start, EnvironmentFailure.
    """
    check(plan)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    about = subject.describe()
    with subject.serve(on_stage) as served:
        stressing = _Stressing(served, subject, on_stage)
        stressing.go(plan)
        not_enforced = [f"not enforced: {text}" for text in served.running.not_enforced]
    return Stress(
        target=subject.name,
        about=about,
        settings=_settings(subject.workload),
        started_at=started_at,
        closed_rps=stressing.closed_rps,
        runs=tuple(stressing.runs),
        died=stressing.died,
        warnings=tuple(dict.fromkeys((*stressing.warnings, *not_enforced))),
    )


def check(plan: Plan) -> None:
    """Raises InputError for a soak too short to see a trend in, and for a climb that begins by falling."""
    least_s = LEAST_WINDOW_S * LEAST / (1.0 - SETTLING)
    if plan.soak_s is not None and plan.soak_s < least_s:
        message = f"a soak of {format_seconds(plan.soak_s)} is too short to see a trend"
        raise InputError([_refused("--soak", message, f"give at least {format_seconds(least_s)}")])
    if isinstance(plan.shape, Ramp | Steps):
        levels = [level for _, level in plan.shape.corners(plan.shape.length_s)]
        if levels[0] > min(levels):
            message = f"{spelled(plan.shape)} begins above its lowest rate, and a climb is compared with where it began"
            raise InputError([_refused("--shape", message, "write the lowest rate first")])


def _refused(option: str, message: str, fix: str) -> Problem:
    return Problem(where=Where(file=option), message=message, fix=fix)


def document(result: Stress) -> dict[str, Any]:
    """The result as plain JSON; `schema` counts up when a field changes its meaning or goes."""
    return {
        "schema": SCHEMA,
        "kind": "stress",
        "tuner_version": tuner.__version__,
        "state": result.state,
        "verdicts": plain(result.verdicts),
        **plain(result),
    }


class _Died(Exception):
    """The server ended under the load; the window's samples are there all the same."""


class _Stressing:
    """The loads of one start, one after the other."""

    def __init__(self, served: Served, subject: Subject, on_stage: Callable[[str], None]) -> None:
        self._served = served
        self._workload, self._slo = subject.workload, subject.slo
        self._on_stage = on_stage
        self._seeds = count(subject.workload.seed)
        self.closed_rps: float | None = None
        self.runs: list[Run] = []
        self.died: str | None = None
        self.warnings: list[str] = []

    def go(self, plan: Plan) -> None:
        """All of the plan, or until the server dies."""
        try:
            self._warm_up()
            if plan.shape is None:
                self._to_the_breaking_point()
            else:
                self._shaped(plan.shape)
            if plan.spike:
                self._spike()
            if plan.soak_s is not None:
                self._soak(plan.soak_s)
        except _Died as death:
            self.died = str(death)

    def _warm_up(self) -> None:
        if self._workload.warm_up_s > 0.0:
            self._on_stage("warm-up")
            self._send(closed(self._workload, self._workload.warm_up_s, connections=4, seed=next(self._seeds)))

    def _to_the_breaking_point(self) -> None:
        """Ramps, each higher than the one before, until a bound breaks."""
        through = self._closed()
        for climbed in range(CLIMBS):
            scale = through * HIGHER**climbed
            ramp = Ramp(start=_round(FROM * scale), end=_round(TO * scale), over_s=OVER_S)
            self._shaped(ramp)
            found = self.runs[-1]
            broke = found.climb is not None and any(one.rate_rps is not None for one in found.climb.breaks)
            if broke or found.climb is None or found.window.generator_limited:
                return
            if climbed + 1 < CLIMBS:
                self.runs.pop()  # it held: only the ramp that it did not hold is of interest

    def _spike(self) -> None:
        common = self._common()
        peak = max(2.0 * self._closed(), 2.0 * common)
        self._shaped(Spike(base=_round(common), peak=_round(peak), after_s=QUIET_S, for_s=SPIKE_S))

    def _closed(self) -> float:
        """What a closed loop gets through. Raises TrialFailure where not one good answer comes."""
        if self.closed_rps is None:
            self._on_stage("probe with a closed loop")
            samples, _ = self._send(closed(self._workload, self._workload.step_s, seed=next(self._seeds)))
            window = summarize(samples)
            if window.achieved_rps <= 0.0:
                errors = ", ".join(f"{kind} {number}x" for kind, number in window.errors.items()) or "no answer"
                reason = f"a closed loop got not one good answer: {errors}"
                raise TrialFailure(stage="measure", kind="NoAnswers", reason=reason)
            self.closed_rps = window.achieved_rps
        return self.closed_rps

    def _common(self) -> float:
        """The rate that the user calls usual; else half of what a closed loop gets through."""
        own = self._workload.shape is not None and not getattr(self._workload.shape, "relative", False)
        return (None if own else self._workload.rate_rps) or derive(self._closed())

    def _shaped(self, shape: Rated | Trace) -> None:
        """One window of the shape, with time before and after it where it climbs."""
        if isinstance(shape, Trace):
            workload = replace(self._workload, shape=shape, arrival="poisson")
            stage, load = as_asked(workload, 0.0, shape.length_s, seed=next(self._seeds)), spelled(shape)
            profile: Profile = ()
            disturbed = 0.0, stage.duration_s
        else:
            unit = self._common() if shape.relative else 1.0
            profile, duration_s, disturbed = _laid_out(shape, unit)
            mean = Intensity(profile).mean(duration_s)
            stage = replace(steady(self._workload, mean, duration_s, seed=next(self._seeds)), profile=profile)
            load = spelled(shape)
        self._on_stage(f"{load}, {format_seconds(stage.duration_s)}")
        samples, usage, death = self._measured(stage)
        self.runs.append(self._told(shape, load, profile, disturbed, samples, usage))
        if death is not None:
            raise death

    def _told(
        self,
        shape: Rated | Trace,
        load: str,
        profile: Profile,
        disturbed: tuple[float, float],
        samples: Samples,
        usage: Usage,
    ) -> Run:
        window = summarize(samples, Trust(changes=True))
        self.warnings += caveats(window, usage)
        name = _NAMES[type(shape)]
        run = Run(name=name, load=load, window=window, usage=usage, verdicts=(), over_time=slices(samples))
        if window.untrusted:
            text = "; ".join(window.untrusted)
            return replace(
                run, verdicts=(Verdict(what=name, state="open", text=f"this load cannot be trusted: {text}"),)
            )
        match shape:
            case Ramp() | Steps():
                rates = Intensity(profile).rate(samples.scheduled_s)
                within = (samples.scheduled_s >= disturbed[0]) & (samples.scheduled_s < disturbed[1])
                climbed = climb(samples, np.where(within, rates, np.nan), self._slo)
                back = recovery(samples, from_s=disturbed[0], until_s=disturbed[1])
                verdicts = (*climb_verdicts(climbed, self._rate_to_hold()), recovery_verdict(back))
                return replace(run, climb=climbed, recovery=back, verdicts=verdicts)
            case Spike():
                back = recovery(samples, from_s=disturbed[0], until_s=disturbed[1])
                return replace(run, recovery=back, verdicts=(recovery_verdict(back),))
            case OnOff():
                found = bursts(samples, *_phases(shape, samples.window_s))
                return replace(run, bursts=found, verdicts=(bursts_verdict(found),))
            case Trace():
                return replace(run, verdicts=tuple(slo_verdicts(window, self._slo)))

    def _rate_to_hold(self) -> float | None:
        """The common rate that the user named: one below which it must not break."""
        return self._workload.rate_rps if self._workload.shape is None else None

    def _soak(self, soak_s: float) -> None:
        rate_rps = self._common()
        length_s = max(LEAST_WINDOW_S, soak_s / SOAK_WINDOWS)
        windows = max(1, int(soak_s / length_s + 1e-9))
        parts: list[Samples] = []
        usages: list[Usage] = []
        death: _Died | None = None
        for number in range(windows):
            self._on_stage(f"soak at {format_rate(rate_rps)}, window {number + 1} of {windows}")
            samples, usage, death = self._measured(steady(self._workload, rate_rps, length_s, seed=next(self._seeds)))
            parts.append(samples)
            usages.append(usage)
            if death is not None:
                break
        self.runs.append(self._soaked(parts, usages, rate_rps, length_s))
        if death is not None:
            raise death

    def _soaked(self, parts: Sequence[Samples], usages: Sequence[Usage], rate_rps: float, length_s: float) -> Run:
        whole = summarize(parts[0], Trust(changes=True), more=parts[1:])
        moments = tuple(
            _moment((number + 0.5) * length_s, summarize(samples, Trust(changes=True)), usage)
            for number, (samples, usage) in enumerate(zip(parts, usages, strict=True))
        )
        trends = dict(_trends(moments))
        usage = _total(usages)
        self.warnings += caveats(whole, usage)
        if whole.untrusted:
            text = f"this load cannot be trusted: {'; '.join(whole.untrusted)}"
            verdicts: tuple[Verdict, ...] = (Verdict(what="soak", state="open", text=text),)
        else:
            verdicts = (*slo_verdicts(whole, self._slo), *trend_verdicts(trends, _measured(moments)))
        return Run(
            name="soak",
            load=f"{described(replace(self._workload, shape=None))} {format_rate(rate_rps)} for {format_seconds(length_s * len(parts))}",
            window=whole,
            usage=usage,
            verdicts=verdicts,
            over_time=(),
            moments=moments,
            trends=trends,
        )

    def _measured(self, stage: LoadWindow) -> tuple[Samples, Usage, _Died | None]:
        """The samples also of a server that died meanwhile, and how."""
        meter = self._served.running.meter()
        samples = self._served.generator.run(stage)
        usage = meter.stop()
        try:
            self._served.running.check_alive()
        except TrialFailure as failure:
            return samples, usage, _Died(f"the server did not survive: {failure.reason}")
        return samples, usage, None

    def _send(self, stage: LoadWindow) -> tuple[Samples, Usage]:
        """For what is no run of its own. Raises _Died."""
        samples, usage, death = self._measured(stage)
        if death is not None:
            raise death
        return samples, usage


_NAMES: Mapping[type, Any] = {Ramp: "ramp", Steps: "steps", Spike: "spike", OnOff: "on_off", Trace: "trace"}


def _laid_out(shape: Rated, unit_rps: float) -> tuple[Profile, float, tuple[float, float]]:
    """The corners of the whole window, its length, and from when until when it is a disturbance.

    A climb begins and ends with its first rate held.
    """
    corners = [(at_s, level * unit_rps) for at_s, level in shape.corners(shape.length_s)]
    if isinstance(shape, Spike):
        return tuple(corners), shape.length_s + QUIET_S, (shape.after_s, shape.least_s)
    if isinstance(shape, OnOff):
        return tuple(corners), shape.length_s, (0.0, shape.length_s)
    lowest, climb_s = corners[0][1], shape.length_s
    enough_s = min(TO_COMPARE / lowest, climb_s) if lowest > 0.0 else 0.0
    before = max(climb_s * BEFORE, enough_s)
    end = before + climb_s
    climbing = [(before + at_s, level) for at_s, level in corners]
    after = max(climb_s * AFTER, 2.0 * enough_s)
    return ((0.0, lowest), *climbing, (end, lowest)), end + after, (before, end)


def _phases(shape: OnOff, window_s: float) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    starts = [turn * shape.least_s for turn in range(round(window_s / shape.least_s))]
    on = [(start, start + shape.on_for_s) for start in starts]
    return on, [(start + shape.on_for_s, start + shape.least_s) for start in starts]


def _moment(at_s: float, window: Window, usage: Usage) -> Moment:
    def latency(name: str) -> float | None:
        return window.latency_s[name].value if name in window.latency_s else None

    return Moment(
        at_s=at_s,
        latency_p50_s=latency("latency_p50"),
        latency_p99_s=latency("latency_p99"),
        memory_bytes=usage.memory_peak_bytes,
        cpu_cores=usage.cpu_cores,
        error_ratio=window.error_ratio.value,
    )


_TRENDS = {"latency_p50": "latency_p50_s", "latency_p99": "latency_p99_s", "memory": "memory_bytes"}


def _trends(moments: Sequence[Moment]) -> Iterator[tuple[str, Trend]]:
    settled = moments[int(len(moments) * SETTLING) :]
    for metric, field in _TRENDS.items():
        known = [(moment.at_s, getattr(moment, field)) for moment in settled if getattr(moment, field) is not None]
        at_s, values = (
            (np.array(column, dtype=np.float64) for column in zip(*known, strict=True)) if known else ((), ())
        )
        found = trend(np.asarray(at_s), np.asarray(values))
        if found is not None:
            yield metric, found


def _measured(moments: Sequence[Moment]) -> tuple[str, ...]:
    """Metrics that at least one moment has."""
    return tuple(
        metric for metric, field in _TRENDS.items() if any(getattr(moment, field) is not None for moment in moments)
    )


def _total(usages: Sequence[Usage]) -> Usage:
    """Over all windows of a soak: means, and the peak of the memory."""

    def mean(field: str) -> float | None:
        known = [getattr(usage, field) for usage in usages if getattr(usage, field) is not None]
        return sum(known) / len(known) if known else None

    memory = [usage.memory_peak_bytes for usage in usages if usage.memory_peak_bytes is not None]
    return replace(
        usages[-1],
        cpu_cores=mean("cpu_cores"),
        memory_peak_bytes=max(memory, default=None),
        throttled_ratio=mean("throttled_ratio"),
        others_cores=mean("others_cores"),
        restarts=sum(usage.restarts for usage in usages),
    )


def _round(rate_rps: float) -> float:
    """To three digits: a load that can be asked for again."""
    return float(f"{rate_rps:.3g}")


def _settings(workload: WorkloadSpec) -> Mapping[str, str]:
    found = {
        "protocol": workload.protocol,
        "requests": ", ".join(source.path.name for source in workload.requests),
        "arrival": described(replace(workload, shape=None)),
        "rate": None if workload.rate_rps is None else format_rate(workload.rate_rps),
        "connections": str(workload.connections),
        "time-out": format_seconds(workload.timeout_s),
        "seed": str(workload.seed),
    }
    return {name: value for name, value in found.items() if value is not None}
