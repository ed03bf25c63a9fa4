"""`tune stress`: one system under a load that changes, until it breaks, and what it does afterwards.

Wiring, like `tuner.commands.run`: starts and load come from systems, numbers and verdicts from measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import tuner
from tuner.errors import InputError, TrialFailure
from tuner.load.windows import as_asked, steady
from tuner.measure.common_rate import derive
from tuner.measure.model import Usage
from tuner.measure.pace import FEWEST
from tuner.measure.runs import QUIET_S, Run, lay_out, shaped_run, soak_run
from tuner.measure.samples import Samples
from tuner.measure.soak import SETTLING
from tuner.measure.verdicts import State, Verdict
from tuner.report.data import plain
from tuner.statistics.trend import LEAST
from tuner.targets.model import Served, SystemUnderTest
from tuner.trials.caveats import caveats
from tuner.trials.load_windows import LoadWindows, NoAnswers
from tuner.units import format_rate, format_seconds
from tuner.workload.arrivals import described
from tuner.workload.intensity import Intensity
from tuner.workload.model import WorkloadSpec
from tuner.workload.shapes import Ramp, Rated, Spike, Steps, Trace, spelled

SCHEMA = 2
FROM, TO = 0.25, 1.5
"""Where a ramp begins and ends, as shares of what a closed loop gets through."""
OVER_S = 30.0
HIGHER = 2.0
CLIMBS = 3
"""Ramps at most, each this many times higher, while the server holds."""
SPIKE_S = 3.0
SOAK_WINDOWS = 30
LEAST_WINDOW_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to the system, in this order."""

    shape: Rated | Trace | None = None
    """Instead of the ramp to the breaking point."""
    spike: bool = False
    soak_s: float | None = None


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
        return "bad" if "bad" in states else "undecided" if "undecided" in states else "fine"


def stress(system: SystemUnderTest, plan: Plan, *, on_stage: Callable[[str], None]) -> Stress:
    """Put the system under the loads of the plan, all in one start.

    Raises InputError as `check` does, TrialFailure where it does not even start, EnvironmentFailure.
    """
    check(plan)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    about = system.describe()
    with system.serve(on_stage) as served:
        stressing = _Stressing(served, system, on_stage)
        stressing.go(plan)
        not_enforced = [f"not enforced: {text}" for text in served.running.not_enforced]
    return Stress(
        target=system.name,
        about=about,
        settings=_settings(system.workload),
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
        raise InputError.at("--soak", message, f"give at least {format_seconds(least_s)}")
    if isinstance(plan.shape, Ramp | Steps):
        levels = [level for _, level in plan.shape.corners(plan.shape.length_s)]
        if levels[0] > min(levels):
            message = f"{spelled(plan.shape)} begins above its lowest rate, and a climb is compared with where it began"
            raise InputError.at("--shape", message, "write the lowest rate first")


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


class _Stressing:
    """The loads of one start, one after the other."""

    def __init__(self, served: Served, system: SystemUnderTest, on_stage: Callable[[str], None]) -> None:
        self._workload, self._slo = system.workload, system.slo
        self._on_stage = on_stage
        self._loads = LoadWindows(
            running=served.running,
            generator=served.generator,
            workload=system.workload,
            slo=system.slo,
            on_stage=on_stage,
            answer_s=served.answer_s,
        )
        self.closed_rps: float | None = None
        self.runs: list[Run] = []
        self.died: str | None = None
        self.warnings: list[str] = list(served.notes)

    def go(self, plan: Plan) -> None:
        """All of the plan, or until the server dies."""
        try:
            self._loads.warm_up(None)
            if plan.shape is None:
                self._to_the_breaking_point()
            else:
                self._shaped(plan.shape)
            if plan.spike:
                self._spike()
            if plan.soak_s is not None:
                self._soak(plan.soak_s)
        except NoAnswers:
            raise
        except TrialFailure as death:
            self.died = f"the server did not survive: {death.reason}"

    def _to_the_breaking_point(self) -> None:
        """Ramps, each higher than the one before, until a bound breaks."""
        through = self._closed()
        for climbed in range(CLIMBS):
            scale = through * HIGHER**climbed
            over_s = self._loads.pace.climb_s(OVER_S, (FROM + TO) / 2.0 * scale)
            ramp = Ramp(start=_round(FROM * scale), end=_round(TO * scale), over_s=float(f"{over_s:.3g}"))
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
        after_s, for_s = (self._loads.pace.rounds_s(usual_s) for usual_s in (QUIET_S, SPIKE_S))
        self._shaped(Spike(base=_round(common), peak=_round(peak), after_s=after_s, for_s=for_s))

    def _closed(self) -> float:
        """What a closed loop gets through. Raises NoAnswers."""
        if self.closed_rps is None:
            self.closed_rps = self._loads.closed_loop()
        return self.closed_rps

    def _common(self) -> float:
        """The rate that the user calls usual; else half of what a closed loop gets through."""
        own = self._workload.shape is not None and not getattr(self._workload.shape, "relative", False)
        return (None if own else self._workload.rate_rps) or derive(self._closed())

    def _shaped(self, shape: Rated | Trace) -> None:
        """One window of the shape, with time before and after it where it climbs."""
        if isinstance(shape, Trace):
            layout, workload = None, replace(self._loads.pace.paced(None), shape=shape, arrival="poisson")
            stage = as_asked(workload, 0.0, shape.length_s, seed=self._loads.next_seed())
        else:
            layout = lay_out(shape, self._common() if shape.relative else 1.0)
            mean = Intensity(layout.profile).mean(layout.duration_s)
            workload = self._loads.pace.paced(max(rate for _, rate in layout.profile))
            one_rate = steady(workload, mean, layout.duration_s, seed=self._loads.next_seed())
            stage = replace(one_rate, profile=layout.profile)
        self._on_stage(f"{spelled(shape)}, {format_seconds(stage.duration_s)}")
        samples, usage, death = self._loads.watch(stage)
        to_hold_rps = self._workload.rate_rps if self._workload.shape is None else None
        self._add(shaped_run(shape, layout, samples, usage, self._slo, to_hold_rps), death)

    def _soak(self, soak_s: float) -> None:
        rate_rps = self._common()
        pace = self._loads.pace
        length_s = max(pace.climb_s(LEAST_WINDOW_S, rate_rps, FEWEST), soak_s / SOAK_WINDOWS)
        windows = max(1, int(soak_s / length_s + 1e-9))
        parts: list[Samples] = []
        usages: list[Usage] = []
        death: TrialFailure | None = None
        while death is None and len(parts) < windows:
            self._on_stage(f"soak at {format_rate(rate_rps)}, window {len(parts) + 1} of {windows}")
            stage = steady(pace.paced(rate_rps), rate_rps, length_s, seed=self._loads.next_seed())
            samples, usage, death = self._loads.watch(stage)
            parts.append(samples)
            usages.append(usage)
        arrival = described(replace(self._workload, shape=None))
        load = f"{arrival} {format_rate(rate_rps)} for {format_seconds(length_s * len(parts))}"
        self._add(soak_run(load, parts, usages, length_s, self._slo), death)

    def _add(self, run: Run, death: TrialFailure | None) -> None:
        self.runs.append(run)
        self.warnings += caveats(run.window, run.usage)
        if death is not None:
            raise death


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
