"""At which rate a rising load broke a bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.measure.samples import Samples
from tuner.measure.slo import MOST_ERRORS
from tuner.space.metrics import LATENCY_PERCENTILES
from tuner.space.model import Constraint
from tuner.statistics.correlation import correlation_time
from tuner.statistics.model import BoolArray, FloatArray, IntArray
from tuner.units import format_metric, format_rate, format_seconds

LR95 = 2.26916
"""95 % point of the likelihood ratio for a point of a monotone function (Banerjee & Wellner 2001, table 1)."""
BINS = 200
"""Groups of equal size the requests are put in, by rate."""
FIRST = 0.1
"""Share of the requests, at the lowest rates, that tells what latency is usual."""
SLOWDOWN = 10.0
"""Times the usual latency at which a server without a bound on its latency counts as broken."""
MISS = 0.05

_LEVELS = dict(LATENCY_PERCENTILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where one bound broke on the way up."""

    bound: str
    """In words: ``latency_p99 of 100 ms``."""
    rate_rps: float | None
    """The rate from which on it was broken; None: it held."""
    low_rps: float | None
    """95 %: it held at least up to here; None: it may never have held."""
    high_rps: float | None
    """95 %: from here on it was certainly broken; None: that was not reached."""
    latency_s: float | None
    """The latency that counts as too slow; None: a bound on errors."""
    lowest_rps: float
    """Where the climb began."""

    @property
    def text(self) -> str:
        if self.rate_rps is None:
            low = "" if self.low_rps is None else f"; for certain up to {format_rate(self.low_rps)}"
            return f"{self.bound} held all the way up{low}"
        if self.rate_rps <= self.lowest_rps:
            return f"{self.bound} was broken from the lowest rate on, {format_rate(self.lowest_rps)}"
        low = "?" if self.low_rps is None else format_rate(self.low_rps)
        high = "?" if self.high_rps is None else format_rate(self.high_rps)
        return f"{self.bound} broke at {format_rate(self.rate_rps)} ({low} to {high})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What a rising rate taught."""

    breaks: tuple[Break, ...]
    """One a bound, the one that broke at the lowest rate first."""
    from_rps: float
    to_rps: float
    most_rps: float
    """Good answers a second in the best twentieth of the climb."""
    requests: int


def climb(samples: Samples, rate_rps: FloatArray, slo: Sequence[Constraint]) -> Climb | None:
    """Where each bound of the SLO broke. `rate_rps`: what was offered at the instant each request was due, a row each.

    NaN takes a request out (it was due outside of the climb). None: fewer than a hundred requests are left.

    A bound on a quantile says which share of the requests may be slower; so each request either breaks it or not, and
    the share that does grows with the rate. That monotone share is estimated by isotonic regression (Ayer et al. 1955),
    and the rate at which it crosses what is allowed has the 95 % interval of the rates that a likelihood ratio test
    does not reject (Banerjee & Wellner, *Likelihood ratio tests for monotone functions*, Annals of Statistics 29(6),
    2001; Banerjee, *Likelihood based inference for monotone response models*, ibid. 35(3), 2007), with the ratio
    divided by the correlation time of what the fit leaves over (quasi-likelihood, McCullagh & Nelder 1989, chapter 9).

    Requests never answered in time are slower than any bound. Errors above 1 % break it where the SLO does not bound
    them; without a bound on latency, so does a median above ten times that of the lowest rates. A climb passes: a queue
    has to build up before it is slow, so that a steep one breaks at higher rates than a server can hold.
    """
    kept = np.isfinite(rate_rps)
    order = np.flatnonzero(kept)[np.argsort(rate_rps[kept], kind="stable")]
    if len(order) < 100:
        return None
    rates = rate_rps[order]
    breaks = [_break(bound, wrong[order], allowed, rates) for bound, wrong, allowed in _bounds(samples, slo, order)]
    found = sorted(breaks, key=lambda one: math.inf if one.rate_rps is None else one.rate_rps)
    return Climb(
        breaks=tuple(found),
        from_rps=float(rates[0]),
        to_rps=float(rates[-1]),
        most_rps=_most(samples, kept),
        requests=len(order),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    text: str
    latency_s: float | None


def _bounds(samples: Samples, slo: Sequence[Constraint], order: IntArray) -> list[tuple[_Bound, FloatArray, float]]:
    """Each bound with which requests break it, a row each, and the share of them that may."""
    waits, failed = samples.censored_latency_s, (~samples.good).astype(np.float64)
    found: list[tuple[_Bound, FloatArray, float]] = []

    def slower(text: str, most_s: float, allowed: float) -> None:
        found.append((_Bound(text=text, latency_s=most_s), (waits > most_s).astype(np.float64), allowed))

    bounded = {constraint.metric for constraint in slo}
    for constraint in slo:
        if constraint.metric in _LEVELS:
            text = f"{constraint.metric} of {format_seconds(constraint.bound)}"
            slower(text, constraint.bound, 1.0 - _LEVELS[constraint.metric])
    for constraint in (*slo, *(() if "error_ratio" in bounded else (MOST_ERRORS,))):
        if constraint.metric == "error_ratio":
            text = f"error_ratio of {format_metric('ratio', constraint.bound)}"
            found.append((_Bound(text=text, latency_s=None), failed, constraint.bound))
    usual = waits[order[: max(50, int(len(order) * FIRST))]]
    if not bounded & set(_LEVELS) and np.isfinite(np.median(usual)):
        most_s = SLOWDOWN * float(np.median(usual))
        slower(f"a median of {format_seconds(most_s)} ({SLOWDOWN:g} times that at the lowest rates)", most_s, 0.5)
    return found


def _break(bound: _Bound, wrong: FloatArray, allowed: float, rates: FloatArray) -> Break:
    """`wrong` (0 or 1) and `rates` a request each, by ascending rate."""
    edges = np.linspace(0, len(wrong), min(BINS, len(wrong)) + 1).astype(np.int64)
    bad = np.add.reduceat(wrong, edges[:-1])
    size = np.diff(edges).astype(np.float64)
    fit = isotonic(bad, size)
    above = np.flatnonzero(fit > allowed)
    first = int(above[0]) if len(above) else len(fit)
    held = wrong[: edges[first]] - np.repeat(fit, np.diff(edges))[: edges[first]]
    low, high = _not_rejected(bad, size, allowed, correlation_time(held).time)
    return Break(
        bound=bound.text,
        latency_s=bound.latency_s,
        rate_rps=float(rates[edges[first]]) if first < len(fit) else None,
        low_rps=float(rates[edges[low - 1]]) if low > 0 else None,
        high_rps=float(rates[edges[high + 1] - 1]) if high < len(fit) else None,
        lowest_rps=float(rates[0]),
    )


def _not_rejected(bad: FloatArray, size: FloatArray, allowed: float, time: float) -> tuple[int, int]:
    """The first and the last bin at which the share may cross what is allowed; the number of bins: nowhere."""
    best = _log_likelihood(isotonic(bad, size), bad, size)
    accepted = []
    for at in range(len(bad) + 1):
        share = np.concatenate(
            [
                np.minimum(isotonic(bad[:at], size[:at]), allowed),
                np.maximum(isotonic(bad[at:], size[at:]), allowed),
            ]
        )
        if 2.0 * (best - _log_likelihood(share, bad, size)) <= LR95 * time:
            accepted.append(at)
    return accepted[0], accepted[-1]


def isotonic(bad: FloatArray, size: FloatArray) -> FloatArray:
    """Shares of `bad` in groups of `size` that do not fall: pool adjacent violators (Ayer et al. 1955)."""
    blocks: list[tuple[float, float, int]] = []
    for count, total in zip(bad.tolist(), size.tolist(), strict=True):
        groups = 1
        while blocks and blocks[-1][0] * total >= count * blocks[-1][1]:
            before, whole, merged = blocks.pop()
            count, total, groups = count + before, total + whole, groups + merged
        blocks.append((count, total, groups))
    return np.repeat([count / total for count, total, _ in blocks], [groups for _, _, groups in blocks]).astype(
        np.float64
    )


def _log_likelihood(share: FloatArray, bad: FloatArray, size: FloatArray) -> float:
    """Of binomial counts; impossible ones count as nearly impossible."""
    tiny = 1e-12
    yes, no = np.log(np.maximum(share, tiny)), np.log(np.maximum(1.0 - share, tiny))
    return float(bad @ yes + (size - bad) @ no)


def _most(samples: Samples, kept: BoolArray) -> float:
    start, end = float(samples.scheduled_s[kept][0]), float(samples.scheduled_s[kept][-1])
    finished = samples.finished_s[samples.good]
    counts, edges = np.histogram(finished, 20, (start, max(end, start + 1e-9)))
    return float(counts.max() / (edges[1] - edges[0]))
