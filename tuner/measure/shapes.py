"""What a load that changes tells beyond quantiles: recovery after a disturbance, and whether bursts get worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from tuner.measure.samples import Samples
from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import BoolArray, Estimate, FloatArray
from tuner.statistics.quantiles import binomial_ranks, estimate_quantiles
from tuner.statistics.steady import truncate
from tuner.statistics.trend import trend
from tuner.units import format_ratio, format_seconds

BAND = 0.9
"""Quantile of the latencies before whose upper end is the band's."""
TOLERANCE = 1.1
"""The band reaches a tenth higher: so much slower is no disturbance, and many latencies may be nearly equal."""
USUAL = 1.0 - BAND
"""Share of requests above the band before."""
SLOW = 0.5
"""Share above the band at which the usual request is no longer as fast as before."""
GROUP = 20.0
"""Independent requests in a group that is judged as one."""
MISS = 0.05
LEAST_PHASES = 5
_UNTOLD = "whether it recovered cannot be told"

State = Literal["recovered", "not recovered", "not disturbed", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long latency took to be what it was before."""

    state: State
    after_s: Estimate | None
    """Seconds since the disturbance ended, with 95 % interval; None: it did not recover, or it cannot be told."""
    watched_s: float
    """How long it was watched after the disturbance."""
    band_s: float | None
    """Latency that nine in ten requests kept below before."""
    during_s: float | None
    """The same quantile during the disturbance; None: one in ten were never answered in time, or there were none."""
    text: str


def recovery(samples: Samples, *, from_s: float, until_s: float) -> Recovery:
    """When latency was back after a disturbance that lasted from `from_s` until `until_s`.

    The band is what nine in ten requests before stayed below, and a tenth more (the upper end of that quantile's
    interval; the warm-up is cut by MSER-5). After the disturbance requests are taken in groups of twenty independent
    ones (the correlation time of those before says how many that are). A group is *out* when certainly more than one in
    ten are above the band, and *back* when certainly fewer than half are: binomial tests at 5 % over all groups
    (Bonferroni). Latency was back between the start of the last group that is out and the end of the first one after it
    that is back, which is the interval; the estimate within it is where the share above the band changed, by cumulative
    sums (Page, *Continuous inspection schemes*, Biometrika 41, 1954; Hinkley, *Inference about the change-point from
    cumulative sum tests*, Biometrika 58, 1971). Requests that failed are above any band.
    """
    at_s, latency = samples.scheduled_s, np.where(samples.good, samples.latency_s, np.inf)
    watched = max(0.0, samples.window_s - until_s)
    before = latency[at_s < from_s]
    before = before[truncate(np.where(np.isfinite(before), before, samples.window_s)).cut :]
    during, after = latency[(at_s >= from_s) & (at_s < until_s)], latency[at_s >= until_s]
    during_s = _quantile(during)
    told = partial(Recovery, watched_s=watched, during_s=during_s)
    found = estimate_quantiles(before, (BAND,)).get(BAND)
    if found is None or not math.isfinite(found.value) or len(before) < GROUP:
        text = f"{_UNTOLD}: too few good answers before to compare with ({len(before)} requests)"
        return told(state="undecided", after_s=None, band_s=None, text=text)
    band = TOLERANCE * (found.high if found.high is not None else found.value)
    size = math.ceil(GROUP * correlation_time((before > band).astype(np.float64)).time)
    groups = len(after) // size
    if groups < 2:
        few = f"{len(after)} requests afterwards are too few, {2 * size} are needed"
        text = f"{_UNTOLD}: {few}: watch longer, or at a higher rate"
        return told(state="undecided", after_s=None, band_s=band, text=text)
    above = (after > band).astype(np.float64)
    shares = above[: groups * size].reshape(groups, size).mean(axis=1)
    is_out, is_back = shares >= _out_from(groups), shares <= _back_to(groups)
    starts = at_s[at_s >= until_s][: groups * size : size] - until_s
    ends = np.append(starts[1:], watched)
    state, after_s, text = _judged(above[: groups * size], is_out, is_back, starts, ends, size, band, during_s)
    return told(state=state, after_s=after_s, band_s=band, text=text)


def _judged(
    above: FloatArray,
    is_out: BoolArray,
    is_back: BoolArray,
    starts: FloatArray,
    ends: FloatArray,
    size: int,
    band: float,
    during_s: float | None,
) -> tuple[State, Estimate | None, str]:
    """The state, the time and the text of a `Recovery`."""
    last = int(np.flatnonzero(is_out)[-1]) if is_out.any() else -1
    back = np.flatnonzero(is_back & (np.arange(len(is_back)) > last))
    words = f"9 in 10 requests within {format_seconds(band)}"
    if not len(back):
        if last == len(is_out) - 1:
            watched = format_seconds(float(ends[-1]))
            return "not recovered", None, f"not recovered within the {watched} watched: before, {words}"
        return "undecided", None, f"{_UNTOLD}: latency was neither certainly back nor certainly not"
    low, high = float(starts[last]) if last > 0 else 0.0, float(ends[back[0]])
    if last < 0:
        at_once = Estimate(value=0.0, low=0.0, high=high)
        if during_s is None or during_s > band:
            return "recovered", at_once, f"back at once, at most {format_seconds(high)} after it"
        return "not disturbed", at_once, f"not felt: still {words}"
    first, end = last * size, (int(back[0]) + 1) * size
    sums = np.concatenate([[0.0], np.cumsum(above[first:end] - (USUAL + SLOW) / 2.0)])
    at = first + int(np.argmax(sums))
    value = float(np.interp(at / size, np.arange(len(starts) + 1), np.append(starts, ends[-1])))
    estimate = Estimate(value=min(max(value, low), high), low=low, high=high)
    text = (
        f"back after {format_seconds(estimate.value)} ({format_seconds(low)} to {format_seconds(high)}): again {words}"
    )
    return "recovered", estimate, text


def _out_from(groups: int) -> float:
    """Least share above the band that the usual share hardly ever makes."""
    n = int(GROUP)
    return min(k for k in range(n + 2) if _tail(n, USUAL, range(k, n + 1)) <= MISS / groups) / n


def _back_to(groups: int) -> float:
    """Most share above the band that a group half of which is slow hardly ever has."""
    n = int(GROUP)
    return max(k for k in range(-1, n + 1) if _tail(n, SLOW, range(k + 1)) <= MISS / groups) / n


def _tail(n: int, share: float, counts: range) -> float:
    return sum(math.comb(n, k) * share**k * (1.0 - share) ** (n - k) for k in counts)


def _quantile(latency: FloatArray) -> float | None:
    """The band's quantile; None where it is not finite."""
    found = estimate_quantiles(latency, (BAND,)).get(BAND)
    return found.value if found is not None and math.isfinite(found.value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase of an on/off load."""

    from_s: float
    until_s: float
    p50_s: float
    p90_s: float
    requests: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """How the on phases of an on/off load compare with the off phases, and with one another."""

    on: tuple[Phase, ...]
    off: tuple[Phase, ...]
    slower: Estimate | None
    """p90 of an on phase over that of the off phase after it: the median over the pairs."""
    growth: Estimate | None
    """By which share p90 changes from one on phase to the next; above 0: they get worse."""
    text: str

    @property
    def worsens(self) -> bool:
        """Beyond doubt (95 %)."""
        return self.growth is not None and self.growth.low is not None and self.growth.low > 0.0


def bursts(samples: Samples, on: Sequence[tuple[float, float]], off: Sequence[tuple[float, float]]) -> Bursts:
    """`on` and `off`: (from, until) seconds of the phases, in order.

    Requests never answered in time count with the time they were waited for. The ratio on over off has the sign test's
    interval (order statistics of the pairs' ratios; Conover 1999, section 3.4); the growth is the Theil-Sen slope of
    log p90 over the phases (`tuner.statistics.trend`).
    """
    waits = samples.waits_s
    on_phases, off_phases = _phases(samples, waits, on), _phases(samples, waits, off)
    ratios = np.sort([a.p90_s / b.p90_s for a, b in zip(on_phases, off_phases, strict=False)])
    slower = None
    if len(ratios):
        low, high = binomial_ranks(len(ratios), 0.5)
        slower = Estimate(
            value=float(np.median(ratios)),
            low=float(ratios[low - 1]) if low else None,
            high=float(ratios[high - 1]) if high else None,
        )
    growth = _growth(on_phases)
    return Bursts(
        on=on_phases, off=off_phases, slower=slower, growth=growth, text=_burst_text(slower, growth, len(on_phases))
    )


def _phases(samples: Samples, waits: FloatArray, spans: Sequence[tuple[float, float]]) -> tuple[Phase, ...]:
    """Those in which anything was due."""
    found = []
    for from_s, until_s in spans:
        rows = (samples.scheduled_s >= from_s) & (samples.scheduled_s < until_s)
        if rows.any():
            found.append(
                Phase(
                    from_s=from_s,
                    until_s=until_s,
                    p50_s=float(np.quantile(waits[rows], 0.5)),
                    p90_s=float(np.quantile(waits[rows], 0.9)),
                    requests=int(rows.sum()),
                    failed=int((~samples.good[rows]).sum()),
                )
            )
    return tuple(found)


def _growth(phases: Sequence[Phase]) -> Estimate | None:
    found = trend(
        np.arange(len(phases), dtype=np.float64), np.log([phase.p90_s for phase in phases]), least=LEAST_PHASES
    )
    if found is None:
        return None
    return found.per_s.map(math.expm1)


def _burst_text(slower: Estimate | None, growth: Estimate | None, phases: int) -> str:
    parts = []
    if slower is not None:
        parts.append(f"p90 is {slower.value:.3g} times that of the off phases{_between(slower, '{:.3g}')}")
    if growth is None:
        parts.append(f"whether they get worse cannot be told from {phases} phases, {LEAST_PHASES} are needed")
    else:
        low, high = growth.low, growth.high
        word = "changes by an unclear"
        if low is not None and low > 0.0:
            word = "grows by"
        elif high is not None and high < 0.0:
            word = "falls by"
        size = format_ratio(abs(growth.value)) if word != "changes by an unclear" else format_ratio(growth.value)
        ends = "" if low is None or high is None else f" ({format_ratio(low)} to {format_ratio(high)})"
        parts.append(f"it {word} {size} from one on phase to the next{ends}")
    return "; ".join(parts)


def _between(estimate: Estimate, pattern: str) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({pattern.format(estimate.low)} to {pattern.format(estimate.high)})"
