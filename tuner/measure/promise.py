"""Does a configuration keep, where it is deployed now, what was measured of it before?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.measure.model import Usage, Window
from tuner.measure.slo import judge
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.units import format_metric, least

LEAST_FLOOR = 1.3
"""Restarts of one configuration were seen to differ by 1.3 and more; a floor from two or three of them is too low."""

State = Literal["kept", "short", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was measured of a configuration. `metrics` are those that the study aims at or bounds, with their range
    over all restarts and intervals; empty: measured in a place whose numbers foretell nothing here.
    """

    rate_rps: float
    slo: tuple[Constraint, ...]
    metrics: Mapping[str, Estimate]
    noise_floor: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One bound or one metric, measured again. `text` says how it stands, in a sentence."""

    metric: str
    state: State
    text: str


def findings(promise: Promise, window: Window, usage: Usage) -> tuple[Finding, ...]:
    """The SLO first, then each promised metric. It falls short where one of them is ``short``."""
    values = {**window.latency_s, "error_ratio": window.error_ratio, **usage.estimates()}
    bounds = [c for c in promise.slo if c.metric in ("cpu", "memory") and c.metric in values]
    return (
        _slo(promise, window),
        *(_bound(constraint, values[constraint.metric]) for constraint in bounds),
        *(
            _metric(name, promised, values[name], promise.noise_floor.get(name))
            for name, promised in promise.metrics.items()
            if name in values
        ),
    )


def short(found: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in found if finding.state == "short")


def compare(name: str, promised: Estimate, found: Estimate, floor: float | None) -> State:
    """``short``: worse than promised by more than restarts differ, and the intervals do not meet. ``undecided``: the
    one without the other, or no interval or noise floor to tell by.
    """
    lower_is_better = METRICS[name].better == "minimize"
    worse, better = (found, promised) if lower_is_better else (promised, found)
    if worse.value <= better.value:
        return "kept"
    beyond_noise = better.value <= 0.0 or worse.value / better.value > max(floor or 0.0, LEAST_FLOOR)
    if not beyond_noise:
        return "kept"
    near = found.low if lower_is_better else found.high
    apart = near is not None and (near > _high(promised) if lower_is_better else near < _low(promised))
    return "short" if apart and floor is not None else "undecided"


def _slo(promise: Promise, window: Window) -> Finding:
    """By the intervals; where they leave it open, by the point estimates and the noise floor."""
    judgement = judge(window, promise.slo)
    if judgement.state == "broken":
        return Finding(metric="slo", state="short", text=judgement.reason)
    if judgement.state == "met":
        return Finding(metric="slo", state="kept", text=judgement.reason)
    beyond = [
        metric
        for metric, excess in judgement.broken
        if 1.0 + excess > max(promise.noise_floor.get(metric, 0.0), LEAST_FLOOR)
    ]
    return Finding(metric="slo", state="short" if beyond else "undecided", text=judgement.reason)


def _bound(constraint: Constraint, found: Estimate) -> Finding:
    unit = METRICS[constraint.metric].unit
    state: State = "short" if constraint.excess(found.value) > 0.0 else "kept"
    words = "breaks" if state == "short" else "meets"
    text = f"{constraint.metric} of {format_metric(unit, found.value)} {words} the bound of {format_metric(unit, constraint.bound)}"
    return Finding(metric=constraint.metric, state=state, text=text)


def _metric(name: str, promised: Estimate, found: Estimate, floor: float | None) -> Finding:
    state = compare(name, promised, found, floor)
    if found.is_least and state == "short":  # it may be any higher one
        state = "undecided"
    noise = (
        "the noise floor was not measured" if floor is None else f"restarts differ by {max(floor, LEAST_FLOOR):.3g}x"
    )
    words = {"kept": "kept", "short": "worse than promised", "undecided": "undecided, maybe worse than promised"}
    text = f"{name}: {_text(name, found)}, promised {_text(name, promised)}: {words[state]} ({noise})"
    return Finding(metric=name, state=state, text=text)


def _text(name: str, estimate: Estimate) -> str:
    if estimate.is_least:
        return least(format_metric(METRICS[name].unit, estimate.value))
    value, low, high = (
        format_metric(METRICS[name].unit, part) for part in (estimate.value, _low(estimate), _high(estimate))
    )
    return value if low == high else f"{value} ({low} to {high})"


def _low(estimate: Estimate) -> float:
    return estimate.value if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.value if estimate.high is None else estimate.high
