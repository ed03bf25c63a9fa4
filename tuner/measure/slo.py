"""Whether what was measured meets the SLO, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.measure.model import Measurement, Window
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.units import format_metric, format_rate

MOST_ERRORS = Constraint(metric="error_ratio", bound=0.01)
"""Holds where the SLO says nothing on errors: latencies of a server that fails certainly more often mean nothing."""

State = Literal["met", "broken", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`state` by the intervals, `broken` by the point estimates: each broken metric with its excess."""

    state: State
    broken: tuple[tuple[str, float], ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    metric: str
    state: State
    excess: float | None
    """Of the point estimate; None: there is none."""
    text: str


def judge(window: Window, slo: Sequence[Constraint]) -> Judgement:
    """Judge one window by the bounds on its own metrics (latencies and error ratio); other bounds are passed over.

    ``broken`` (beyond doubt): the whole interval of some metric lies beyond its bound. A latency quantile that fell
    on requests never answered in time is broken whatever its bound. Two more things break a window, beyond doubt only:
    an error ratio above 1 % where `slo` does not bound it, and saturation, when the server ends fewer requests than
    are due and the backlog grows; saturation counts as a broken ``throughput``, with the relative shortfall as its
    excess. ``met``: the whole interval of every metric lies within its bound. All else is ``undecided``, as is every
    window that cannot be trusted.
    """
    findings = _findings(window, slo)
    broken = tuple((f.metric, f.excess) for f in findings if f.excess is not None and f.excess > 0.0)
    if window.untrusted:
        return Judgement(state="undecided", broken=broken, reason="; ".join(window.untrusted))
    states: tuple[State, ...] = ("broken", "undecided")
    for state in states:
        of_state = [finding for finding in findings if finding.state == state]
        if of_state:
            # Those that seem broken explain more than those merely unsure.
            telling = [finding for finding in of_state if (finding.excess or 0.0) > 0.0] or of_state
            return Judgement(state=state, broken=broken, reason="; ".join(finding.text for finding in telling))
    met = "; ".join(finding.text for finding in findings) or "no bound applies to this window"
    return Judgement(state="met", broken=broken, reason=met)


def judge_measurement(measurement: Measurement, slo: Sequence[Constraint]) -> tuple[tuple[str, float], ...]:
    """Every broken bound of the SLO, by point estimates, as (metric, excess), the common-rate window's first.

    A bound on a metric that was not measured is not broken; `unjudged` names those.
    """
    broken = {
        metric: excess
        for metric, excess in judge(measurement.at_rate, slo).broken
        if metric not in unjudged(measurement, slo)
    }
    values = measurement.estimates()
    for constraint in slo:
        if constraint.metric in values and not _of_window(constraint):
            if _is_open(values[constraint.metric], constraint, measurement.at_rate):
                continue
            excess = constraint.excess(values[constraint.metric].value)
            if excess > max(0.0, broken.get(constraint.metric, 0.0)):
                broken[constraint.metric] = excess
    return tuple(broken.items())


def load_factor(window: Window, slo: Sequence[Constraint]) -> float | None:
    """The worst of the window's metrics as a ratio of its bound, by point estimates: the SLO is met up to 1.

    0 where no bound applies; None where a bounded metric could not be estimated.
    """
    excesses = [finding.excess for finding in _findings(window, slo)]
    if any(excess is None for excess in excesses):
        return None
    return 1.0 + max((excess for excess in excesses if excess is not None), default=-1.0)


def unjudged(measurement: Measurement, slo: Sequence[Constraint]) -> tuple[str, ...]:
    """Metrics of which it is undecided whether they meet their bound in the SLO: those that were not measured, an error
    ratio that was extrapolated and whose interval holds its bound, and a lower bound that is below what it has to be."""
    known = measurement.estimates()
    found = dict.fromkeys(
        constraint.metric
        for constraint in slo
        if constraint.metric not in {*known, *measurement.at_rate.beyond_s}
        or _is_open(known.get(constraint.metric), constraint, measurement.at_rate)
    )
    return tuple(found)


def _is_open(estimate: Estimate | None, constraint: Constraint, window: Window) -> bool:
    if estimate is None:
        return False
    if constraint.metric == "error_ratio":
        return window.unchecked > 0 and _compare(estimate, constraint).state == "undecided"
    return estimate.is_least and constraint.at_least and constraint.excess(estimate.value) > 0.0


def _of_window(constraint: Constraint) -> bool:
    return constraint.metric.startswith(("latency_", "ttft_", "itl_")) or constraint.metric == "error_ratio"


def _findings(window: Window, slo: Sequence[Constraint]) -> list[_Finding]:
    findings = [_finding(window, constraint) for constraint in slo if _of_window(constraint)]
    if all(constraint.metric != "error_ratio" for constraint in slo):
        errors = _compare(window.error_ratio, MOST_ERRORS)
        if errors.state == "broken":
            findings.append(errors)
    saturation = _saturation(window)
    return [*findings, saturation] if saturation is not None else findings


def _finding(window: Window, constraint: Constraint) -> _Finding:
    metric = constraint.metric
    if metric == "error_ratio":
        return _compare(window.error_ratio, constraint)
    if metric in window.latency_s:
        return _compare(window.latency_s[metric], constraint)
    if metric in window.beyond_s:
        return _unanswered(window.beyond_s[metric], constraint)
    text = f"{metric} cannot be told from {window.requests} requests"
    return _Finding(metric=metric, state="undecided", excess=None, text=text)


def _compare(estimate: Estimate, constraint: Constraint) -> _Finding:
    unit = METRICS[constraint.metric].unit
    best, worst = (estimate.high, estimate.low) if constraint.at_least else (estimate.low, estimate.high)
    state: State = "undecided"
    if best is not None and constraint.excess(best) > 0.0:
        state = "broken"
    elif worst is not None and constraint.excess(worst) <= 0.0:
        state = "met"
    low, high = (format_metric(unit, end) if end is not None else "?" for end in (estimate.low, estimate.high))
    words = {"broken": "breaks", "met": "meets", "undecided": "is too uncertain to tell from"}
    text = (
        f"{constraint.metric} of {format_metric(unit, estimate.value)} ({low} to {high}) {words[state]} "
        f"the bound of {format_metric(unit, constraint.bound)}"
    )
    return _Finding(metric=constraint.metric, state=state, excess=constraint.excess(estimate.value), text=text)


def _unanswered(at_least_s: float, constraint: Constraint) -> _Finding:
    """The quantile lies beyond the time-out. Its excess is the least it can be, or 1 where that is within the bound:
    a request that was never answered took no time the bound could allow."""
    excess = constraint.excess(at_least_s)
    text = (
        f"{constraint.metric} fell on requests not answered within {format_metric('seconds', at_least_s)}, "
        f"the bound is {format_metric('seconds', constraint.bound)}"
    )
    return _Finding(metric=constraint.metric, state="broken", excess=excess if excess > 0.0 else 1.0, text=text)


def _saturation(window: Window) -> _Finding | None:
    backlog = window.backlog_rps
    if backlog is None or backlog.low is None or backlog.low <= 0.0 or window.achieved_rps >= window.offered_rps:
        return None
    text = (
        f"saturated: {format_rate(window.achieved_rps)} achieved of {format_rate(window.offered_rps)} offered, "
        f"and the backlog grew by {format_rate(backlog.value)}"
    )
    return _Finding(
        metric="throughput", state="broken", excess=1.0 - window.achieved_rps / window.offered_rps, text=text
    )
