"""When a measurement may end: as soon as it has told what it was for, and not for having looked often."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tuner.measure.model import Window
from tuner.measure.samples import Samples
from tuner.measure.slo import judge
from tuner.measure.window import Trust, summarize
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.statistics.quantiles import MISS
from tuner.units import format_ratio, format_seconds

WITHIN = 0.1
"""Half-width, as a share of the value, at which an interval is tight enough where nobody says otherwise."""
TIGHT_ERRORS = 1e-3
"""Half-width at which an error ratio is tight: one near 0 is never known to a share of itself."""
MOST_LOOKS = 5
_USUAL = Trust()
LEAST_GROWTH = 1.5
"""A measurement grows by at least this factor from look to look: each costs confidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One moment at which a measurement may end."""

    until_s: float
    """Load that has been measured by then."""
    miss: float
    """Probability with which the intervals made at this look may miss the truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a measurement is for."""

    slo: tuple[Constraint, ...] = ()
    """Bounds on latencies and the error ratio: settled when certainly met, or any certainly broken."""
    tight: tuple[str, ...] = ()
    """Metrics of the window whose value matters: settled when their intervals are tight enough."""
    within: float = WITHIN
    """Half-width at which an interval is tight, as a share of the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A measurement that has ended."""

    parts: tuple[Samples, ...]
    """Its windows, in their order; `tuner.measure.joined.join` makes one of them."""
    window: Window
    """Of all parts together."""


def looks(least_s: float, most_s: float, miss: float = MISS) -> tuple[Look, ...]:
    """The looks of a measurement that lasts from `least_s` to `most_s`: few, each at a multiple of the one before.

    Looking at data again and again until it seems certain makes certainty cheap: five looks with 95 % intervals are
    wrong in one of five measurements. So the probability of a miss is spent over the looks (Lan & DeMets, *Discrete
    sequential boundaries for clinical trials*, Biometrika 70(3), 1983): up to the share t of `most_s` it is
    ``miss * ln(1 + (e - 1) t)``, their function after Pocock. Each look gets what was added since the last, so that by
    the union bound, whatever the dependence between looks, the intervals of *all* looks hold together with probability
    1 - `miss` (repeated confidence intervals: Jennison & Turnbull, JRSS B 51(3), 1989). Hence they hold at whichever
    look one stops, and for whatever reason. A single look spends all.

    Raises ValueError unless 0 < `least_s` <= `most_s`.
    """
    if not 0.0 < least_s <= most_s < math.inf:
        raise ValueError(f"a measurement cannot last from {least_s!r} to {most_s!r} s; give the smaller first, above 0")
    steps = min(MOST_LOOKS - 1, math.floor(math.log(most_s / least_s) / math.log(LEAST_GROWTH) + 1e-9))
    if steps == 0:
        return (Look(until_s=most_s, miss=miss),)
    growth = (most_s / least_s) ** (1.0 / steps)
    until_s = [*(least_s * growth**step for step in range(steps)), most_s]
    spent = [miss * math.log1p((math.e - 1.0) * until / most_s) for until in until_s]
    return tuple(
        Look(until_s=until, miss=now - before)
        for until, now, before in zip(until_s, spent, [0.0, *spent[:-1]], strict=True)
    )


def measure(run: Callable[[float], Samples], plan: Sequence[Look], goal: Goal, trust: Trust = _USUAL) -> Settled:
    """Measure until the goal is reached, at the last look of `plan` at the latest.

    `run` sends one window of so many seconds; each adds to those before. What it raises is passed on. The window's
    `ended` says why the measurement ended where it could have gone on, or what was still open where it could not.
    """
    parts: list[Samples] = []
    done_s = 0.0
    for look in plan:
        parts.append(run(look.until_s - done_s))
        done_s = look.until_s
        window = summarize(parts[0], trust, more=parts[1:], miss=look.miss)
        reason = reached(window, goal)
        if reason is not None:
            break
    if len(plan) > 1:
        window = replace(window, ended=_ended(done_s, reason, window, goal))
    return Settled(parts=tuple(parts), window=window)


def reached(window: Window, goal: Goal) -> str | None:
    """Why the measurement may end with this window, in words; None: it has to go on.

    It may end when the SLO is certainly broken; when the SLO is certainly met and all that has to be tight is; or when
    all of that and every bounded metric is tight, though the verdict is open: then the truth lies at the bound, and
    more load would tell little. A window that cannot be trusted settles nothing, nor does a goal without any aim.
    """
    if window.untrusted:
        return None
    judgement = judge(window, goal.slo)
    if judgement.state == "broken":
        return f"the verdict was certain: {judgement.reason}"
    if not all(_is_tight(window, metric, goal.within) for metric in goal.tight):
        return None
    bounded = [constraint.metric for constraint in goal.slo if _of_window(constraint.metric)]
    if judgement.state == "met" and (bounded or goal.tight):
        return f"the verdict was certain: {judgement.reason}" if bounded else _tight(goal)
    if judgement.state == "undecided" and all(_is_tight(window, metric, goal.within) for metric in bounded):
        return _tight(goal)
    return None


def half_width(estimate: Estimate) -> float | None:
    """Half of the interval's width as a share of the value; None: there is no interval, or the value is 0."""
    if estimate.low is None or estimate.high is None or estimate.value == 0.0:
        return None
    return (estimate.high - estimate.low) / (2.0 * estimate.value)


def _of_window(metric: str) -> bool:
    return metric.startswith("latency_") or metric == "error_ratio"


def _is_tight(window: Window, metric: str, within: float) -> bool:
    if metric == "error_ratio":
        ratio = window.error_ratio
        return ratio.low is not None and ratio.high is not None and ratio.high - ratio.low <= 2.0 * TIGHT_ERRORS
    if metric in window.beyond_s:
        return True
    estimate = window.latency_s.get(metric)
    half = half_width(estimate) if estimate is not None else None
    return half is not None and half <= within


def _tight(goal: Goal) -> str:
    return f"the intervals were tight enough, {format_ratio(goal.within)} of the value to each side"


def _ended(done_s: float, reason: str | None, window: Window, goal: Goal) -> str:
    if reason is not None:
        return f"ended after {format_seconds(done_s)}: {reason}"
    metrics = dict.fromkeys((*goal.tight, *(bound.metric for bound in goal.slo if _of_window(bound.metric))))
    wide = [metric for metric in metrics if not _is_tight(window, metric, goal.within)]
    what = f"the interval of {', '.join(wide)} is still wider than wanted" if wide else "the verdict is still open"
    return f"ended after {format_seconds(done_s)}, the most that was allowed: {what}"
