"""One load of a stress: how it is laid out in time, and what it showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tuner.measure.breaking import Climb, climb
from tuner.measure.distribution import Slice, slices
from tuner.measure.model import Usage, Window
from tuner.measure.samples import Samples
from tuner.measure.shapes import Bursts, Recovery, bursts, recovery
from tuner.measure.soak import Moment, measured, moment, total, trends
from tuner.measure.verdicts import (
    Verdict,
    bursts_verdict,
    climb_verdicts,
    recovery_verdict,
    slo_verdicts,
    trend_verdicts,
)
from tuner.measure.window import Trust, summarize
from tuner.space.model import Constraint
from tuner.statistics.trend import Trend
from tuner.workload.intensity import Intensity, Profile
from tuner.workload.shapes import OnOff, Ramp, Rated, Spike, Steps, Trace, spelled

BEFORE, AFTER = 1 / 6, 1.0
"""How long the lowest rate is held before a climb and after it, as shares of its length ..."""
TO_COMPARE = 200.0
"""... but for so many requests before, and twice as many after, where the climb is that long."""
QUIET_S = 10.0
"""Before a spike; afterwards twice as long."""

Name = Literal["ramp", "steps", "spike", "on_off", "trace", "soak"]
_NAMES: Mapping[type, Name] = {Ramp: "ramp", Steps: "steps", Spike: "spike", OnOff: "on_off", Trace: "trace"}
_CHANGES = Trust(changes=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load and what it showed."""

    name: Name
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
class Layout:
    """A window with a disturbance in it."""

    profile: Profile
    duration_s: float
    from_s: float
    """When the disturbance begins."""
    until_s: float


def lay_out(shape: Rated, unit_rps: float) -> Layout:
    """The whole window of a shape, whose rates are multiples of the unit. A climb begins and ends at its first rate."""
    corners = tuple((at_s, level * unit_rps) for at_s, level in shape.corners(shape.length_s))
    length_s = shape.length_s
    if isinstance(shape, Spike):
        return Layout(profile=corners, duration_s=length_s + QUIET_S, from_s=shape.after_s, until_s=shape.least_s)
    if isinstance(shape, OnOff):
        return Layout(profile=corners, duration_s=length_s, from_s=0.0, until_s=length_s)
    lowest = corners[0][1]
    enough_s = min(TO_COMPARE / lowest, length_s) if lowest > 0.0 else 0.0
    before = max(length_s * BEFORE, enough_s)
    end = before + length_s
    climbing = [(before + at_s, level) for at_s, level in corners]
    return Layout(
        profile=((0.0, lowest), *climbing, (end, lowest)),
        duration_s=end + max(length_s * AFTER, 2.0 * enough_s),
        from_s=before,
        until_s=end,
    )


def shaped_run(
    shape: Rated | Trace,
    layout: Layout | None,
    samples: Samples,
    usage: Usage,
    slo: Sequence[Constraint],
    to_hold_rps: float | None,
) -> Run:
    """What a window of the shape showed. `layout` None: of a trace. `to_hold_rps`: below it, it must not break."""
    name, window = _NAMES[type(shape)], summarize(samples, _CHANGES)
    run = Run(name=name, load=spelled(shape), window=window, usage=usage, verdicts=(), over_time=slices(samples))
    if window.untrusted:
        return replace(run, verdicts=_untrusted(name, window))
    if layout is None:
        return replace(run, verdicts=tuple(slo_verdicts(window, slo)))
    if isinstance(shape, OnOff):
        found = bursts(samples, *_phases(shape, samples.window_s))
        return replace(run, bursts=found, verdicts=(bursts_verdict(found),))
    back = recovery(samples, from_s=layout.from_s, until_s=layout.until_s)
    run = replace(run, recovery=back, verdicts=(recovery_verdict(back),))
    if isinstance(shape, Spike):
        return run
    due_s = samples.scheduled_s
    within = (due_s >= layout.from_s) & (due_s < layout.until_s)
    climbed = climb(samples, np.where(within, Intensity(layout.profile).rate(due_s), np.nan), slo)
    return replace(run, climb=climbed, verdicts=(*climb_verdicts(climbed, to_hold_rps), *run.verdicts))


def soak_run(
    load: str, parts: Sequence[Samples], usages: Sequence[Usage], length_s: float, slo: Sequence[Constraint]
) -> Run:
    """What the windows of a soak showed, of `length_s` each."""
    whole = summarize(parts[0], _CHANGES, more=parts[1:])
    moments = tuple(
        moment((number + 0.5) * length_s, summarize(samples, _CHANGES), usage)
        for number, (samples, usage) in enumerate(zip(parts, usages, strict=True))
    )
    grown = dict(trends(moments))
    verdicts = (*slo_verdicts(whole, slo), *trend_verdicts(grown, measured(moments)))
    return Run(
        name="soak",
        load=load,
        window=whole,
        usage=total(usages),
        verdicts=_untrusted("soak", whole) if whole.untrusted else verdicts,
        over_time=(),
        moments=moments,
        trends=grown,
    )


def _untrusted(name: Name, window: Window) -> tuple[Verdict, ...]:
    text = f"this load cannot be trusted: {'; '.join(window.untrusted)}"
    return (Verdict(what=name, state="undecided", text=text),)


def _phases(shape: OnOff, window_s: float) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """(from, until) of those that are on, and of those that are off."""
    starts = [turn * shape.least_s for turn in range(round(window_s / shape.least_s))]
    on = [(start, start + shape.on_for_s) for start in starts]
    return on, [(start + shape.on_for_s, start + shape.least_s) for start in starts]
