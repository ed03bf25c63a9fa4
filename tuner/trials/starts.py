"""Starts of one server, each measured: their figures together, and whether together they meet the SLO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.breakdown.waterfall import Waterfall
from tuner.measure.distribution import Slice
from tuner.measure.model import Usage, Window
from tuner.measure.noise import noise_floors, pool
from tuner.measure.pace import told
from tuner.measure.slo import MOST_ERRORS, judge
from tuner.space.metrics import LATENCY_PERCENTILES, METRICS
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.units import format_metric, format_ratio, format_seconds, least

State = Literal["met", "broken", "undecided"]
"""``undecided``: a start did not measure it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    value: Estimate | None
    what: str
    """Which of the throughputs it is."""
    note: str = ""
    """What bounded it, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of the system, measured."""

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
        found = {**self.window.latency_s, "error_ratio": self.window.error_ratio, **self.usage.estimates()}
        if self.throughput.value is not None:
            found["throughput"] = self.throughput.value
        if self.startup_s is not None:
            found["startup"] = Estimate(value=self.startup_s)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One bound of the SLO, over all starts, or what breaks every SLO: errors and saturation."""

    metric: str
    bound: float | None
    """None: it is implied."""
    state: State
    text: str


def pooled(starts: Sequence[Start]) -> dict[str, Estimate]:
    """Figures that every start has, of all of them."""
    every = [start.figures() for start in starts]
    names = [name for name in METRICS if every and all(name in figures for figures in every)]
    return {name: pool([figures[name] for figures in every]) for name in names}


def floors(starts: Sequence[Start]) -> dict[str, float]:
    """Largest ratio between starts, by metric; empty: there was one."""
    every = [start.figures() for start in starts]
    values = {name: [figures[name].value for figures in every if name in figures] for name in METRICS}
    return noise_floors([values], METRICS)


def bounds(slo: Sequence[Constraint], starts: Sequence[Start]) -> tuple[Bound, ...]:
    """How each bound stands over all starts, and what breaks every SLO, where it is broken."""
    if not slo or not starts:
        return ()
    found = [_bound(constraint, starts) for constraint in slo]
    for judgement in (judge(start.window, ()) for start in starts):
        if judgement.state == "broken":
            metric = judgement.broken[0][0] if judgement.broken else "throughput"
            return (*found, Bound(metric=metric, bound=None, state="broken", text=judgement.reason))
    return tuple(found)


def doubts(window: Window) -> Iterator[str]:
    """Quantiles that have no figure and why, and errors."""
    for metric, least_s in window.beyond_s.items():
        yield f"{metric} lies among requests never answered in time: it is more than {format_seconds(least_s)}"
    known = {**window.latency_s, **window.beyond_s}
    missing = [(name, told(level)) for name, level in LATENCY_PERCENTILES if name not in known]
    if missing:
        names, takes = ", ".join(name for name, _ in missing), missing[0][1]
        at = f", {format_seconds(takes / window.offered_rps)} at this rate" if window.offered_rps else ""
        few = f"{names} cannot be told from so few requests: measure longer, or at a higher rate"
        yield f"{few} ({missing[0][0]} takes {takes}{at})"
    if (window.error_ratio.low or 0.0) > MOST_ERRORS.bound:
        yield f"{format_ratio(window.error_ratio.value)} of the requests failed: latencies are of the others"


def _bound(constraint: Constraint, starts: Sequence[Start]) -> Bound:
    """Broken where one start breaks it, by point estimates; unknown where one did not measure it."""
    state, text = _state(constraint, starts)
    sign = ">=" if constraint.at_least else "<="
    bound = f"{constraint.metric} {sign} {format_metric(METRICS[constraint.metric].unit, constraint.bound)}"
    return Bound(metric=constraint.metric, bound=constraint.bound, state=state, text=f"{bound}: {text}")


def _state(constraint: Constraint, starts: Sequence[Start]) -> tuple[State, str]:
    """And what it is, in words."""
    metric = constraint.metric
    if any(metric in start.window.beyond_s for start in starts):
        return "broken", "requests were not answered in time"
    without = [start.throughput.note for start in starts if start.throughput.value is None]
    if metric == "throughput" and without:
        return "broken", without[0]
    measured = [start.figures().get(metric) for start in starts]
    found = [
        value
        for one, start in zip(measured, starts, strict=True)
        if (value := one or _lower_quantile(start.window, constraint)) is not None
    ]
    if len(found) < len(starts):
        return "undecided", "it was not measured"
    worst = max((estimate.value for estimate in found), key=constraint.excess)
    is_least = constraint.at_least and any(one.is_least for one in found)
    text = least(format_metric(METRICS[metric].unit, worst), is_least=is_least or not all(measured))
    if constraint.excess(worst) > 0.0:
        return ("undecided", f"{text}, a lower bound") if is_least else ("broken", text)
    is_open = metric == "error_ratio" and any(start.window.unchecked for start in starts)
    if is_open and not all(_certainly_met(constraint, one) for one in found):
        return "undecided", f"{text}, extrapolated from a sample whose interval holds the bound"
    return "met", text if all(_certainly_met(constraint, one) for one in found) else f"{text}, though not for certain"


def _certainly_met(constraint: Constraint, estimate: Estimate) -> bool:
    """By the whole interval; what has none was counted, not estimated."""
    if estimate.low is None and estimate.high is None:
        return not constraint.metric.startswith("latency_")
    end = estimate.low if constraint.at_least else estimate.high
    return end is not None and constraint.excess(end) <= 0.0


def _lower_quantile(window: Window, constraint: Constraint) -> Estimate | None:
    """A latency quantile that breaks the bound on a higher one, which is at least as much and was not measured."""
    names = [name for name, _ in LATENCY_PERCENTILES]
    if constraint.metric not in names or constraint.at_least:
        return None
    lower = [window.latency_s.get(name) for name in names[: names.index(constraint.metric)]]
    return next((one for one in lower if one is not None and constraint.excess(one.value) > 0.0), None)
