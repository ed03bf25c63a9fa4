"""Whether B is better or worse than A: both measured in pairs on equal terms, pair after pair until it can be told.

The unit of replication is the pair of restarts. Windows within one start tell how that start fares, not how the next
one will: restarts of one identical configuration differ by more than their windows do, and whoever takes windows for
replicates sees differences that are not there (Kalibera & Jones, *Rigorous Benchmarking in Reasonable Time*, ISMM
2013). So each start counts once, by the median over its windows, and an effect's interval comes from how the pairs
differ. Both sides of a pair meet the same arrival times (common random numbers, Law, *Simulation Modeling and
Analysis*, 2015, section 11.2): what chance did to one schedule it did to both, and their ratio is free of it.

An effect is the ratio B / A: the mean over the pairs of the difference of logarithms, with Student's t interval.
It is looked at a few times (`looks`), and the 5 % are shared out among the looks beforehand (alpha spending; the sum
bounds the error by Bonferroni's inequality whatever the looks have in common), so that all intervals of all looks
hold the truth together with 95 % confidence: repeated confidence intervals (Jennison & Turnbull, *Interim Analyses:
the Repeated Confidence Interval Approach*, J. R. Stat. Soc. B 51(3), 1989), which allow stopping at any of them.

One primary metric decides, so that nothing has to be shared among metrics; the others are told. One guard stands
beside it with a share of its own: latencies of a side that fails more requests mean nothing.

The verdict compares the interval with a band around 1 of effects too small to matter, the two one-sided tests of
equivalence (Schuirmann 1987) and their counterpart against a least effect: *no difference* is a finding, not the
lack of one.

How much load would tell is planned for an interval of a given width with an assurance (Kupper & Hafner, *How
appropriate are popular sample size formulas?*, The American Statistician 43(2), 1989): not from the spread of the
pairs so far as if it were known, but from its upper confidence limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from tuner.measure.model import Usage, Window
from tuner.measure.slo import MOST_ERRORS
from tuner.space.metrics import METRICS
from tuner.statistics.model import Estimate, FloatArray
from tuner.statistics.student import student_point

MISS = 0.04
"""Probability with which an interval of the primary metric misses the truth at any look."""
GUARD_MISS = 0.01
"""The same of the error ratios: together 5 %."""
FIRST_LOOK = 4
"""Fewest pairs a verdict comes from: with fewer, Student's t asks for next to no spread."""
LEAST = 3
"""Fewest pairs that an interval is made from."""

Verdict = Literal["better", "worse", "no difference", "undecided"]
"""Of B, as compared with A."""
Side = Literal["A", "B"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One start of one side (of a URL: one turn), put under load in several windows, all of which can be trusted."""

    windows: tuple[Window, ...]
    usage: Usage
    """Over all windows, without their warm-up."""
    startup_s: float | None
    """None: nothing was started."""

    def values(self, metric: str) -> tuple[float, ...]:
        """The metric's values, one a window, or one for the whole visit; only those that were measured.

        A quantile that fell on a request never answered in time has the time it was waited for, which is less than
        it would have been.
        """
        if metric == "throughput":
            return tuple(window.achieved_rps for window in self.windows if window.offered_rps == 0.0)
        if metric == "startup":
            return _known(self.startup_s)
        if metric == "cpu":
            return _known(self.usage.cpu_cores)
        if metric == "memory":
            return _known(self.usage.memory_peak_bytes)
        found = (_latency(window, metric) for window in self.windows)
        return tuple(value for value in found if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both sides, one after the other, under the same arrival times."""

    a: Visit
    b: Visit
    first: Side
    """Which came first; the order is drawn in blocks of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How B compares with A in one metric."""

    metric: str
    ratio: Estimate
    """B / A; the interval holds the truth with the confidence of all looks together."""
    a: float
    """Geometric mean over the visits of A, in SI units."""
    b: float
    pairs: int
    """Those in which both sides have the metric."""
    restarts_differ: float | None
    """Standard deviation of the logarithm from start to start of one side, windows' share taken out (0.1: by 10 %).
    None: there was one start of each."""
    windows_differ: float | None
    """The same from window to window within a start; None: one window each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Failed requests of both sides, as ratios from 0 to 1."""

    a: float
    b: float
    difference: Estimate
    """B - A, over the pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the pairs so far tell."""

    verdict: Verdict
    by: str
    """Metric that decided: the primary one, or ``error_ratio``."""
    effects: tuple[Effect, ...]
    """The primary metric's first; a metric that could not be compared is absent."""
    errors: Errors | None
    pairs: int
    would_tell: int | None = None
    """Pairs, those measured among them, whose interval would probably be no wider than the smallest difference of
    interest; None: nobody knows yet."""
    told: bool = False
    """At a look the interval is no wider than that: what is undecided then lies at its edge."""

    def effect(self, metric: str) -> Effect | None:
        return next((effect for effect in self.effects if effect.metric == metric), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The equal terms: what holds for both sides."""

    metric: str
    """The primary one."""
    smallest: float
    """Smallest difference of interest, as a share (0.05: 5 %)."""
    rate_rps: float | None
    """Offered to both; None: a closed loop."""
    rate_from: str
    """Where the rate comes from, in words."""
    arrival: str
    connections: int
    pairs: int
    """At most."""
    windows: int
    """In each visit."""
    window_s: float
    warm_up_s: float
    load_s: float
    """Most load for each side, warm-ups included."""
    seed: int
    restarted: bool
    """False: both sides are URLs, which are not restarted, and the pairs are pairs of windows."""
    until_told: bool = False
    """It goes on beyond what is usual, until the interval is no wider than the smallest difference of interest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that one comparison found."""

    a: str
    """As the user named it."""
    b: str
    terms: Terms
    assessment: Assessment
    pairs: tuple[Pair, ...]
    load_s: tuple[float, float]
    """Load that A and B were put under, in seconds, that of refused windows included."""
    ended_because: str
    refused: tuple[str, ...] = ()
    """Why pairs were measured in vain: a sentence each."""
    given_up: bool = False
    """So many pairs were in vain that it was ended."""
    warnings: tuple[str, ...] = ()


def looks(most: int) -> tuple[int, ...]:
    """The numbers of pairs at which a verdict may fall: 4, then half as many again each time, and `most`."""
    found = []
    count = FIRST_LOOK
    while count < most:
        found.append(count)
        count += count // 2
    return (*found, most)


def assess(
    pairs: Sequence[Pair],
    *,
    metric: str,
    smallest: float,
    most: int,
    last: bool = False,
    until_told: bool = False,
    also: Sequence[str] = (),
) -> Assessment:
    """What these pairs tell, of at most `most`. `last`: there will be no more; `until_told`: nor where the interval is
    narrow enough. `also`: metrics to tell, not to decide by.

    Between the looks the verdict is ``undecided``: asking more often would find differences that are not there.
    ``better``, ``worse``: the interval lies wholly beyond the smallest difference of interest; at the end it is
    enough that the interval does not hold 1 and the estimate lies beyond. ``no difference``: the interval lies wholly
    within. Before all that: an error ratio that is higher by more than one in a hundred, beyond doubt, is ``worse``.
    """
    planned = looks(most)
    miss = MISS / len(planned)
    effects = tuple(
        found
        for name in dict.fromkeys((metric, *also))
        if (found := effect(name, pairs, miss)) is not None and (name == metric or found.pairs >= LEAST)
    )
    errors = error_difference(pairs, GUARD_MISS / len(planned))
    verdict: Verdict = "undecided"
    by = metric
    primary = effects[0] if effects and effects[0].metric == metric else None
    told = len(pairs) in planned and primary is not None and tells(primary, smallest)
    if last or len(pairs) in planned:
        guard = _by_errors(errors)
        if guard is not None:
            verdict, by = guard, "error_ratio"
        elif primary is not None:
            verdict = judge(primary, smallest, last=last or len(pairs) >= most or (until_told and told))
    return Assessment(
        verdict=verdict,
        by=by,
        effects=effects,
        errors=errors,
        pairs=len(pairs),
        would_tell=None if primary is None else would_tell(primary, smallest, most),
        told=told,
    )


def tells(effect: Effect, smallest: float) -> bool:
    """Whether the interval is no wider than the smallest difference of interest.

    Then no difference is found where there is none, and any that is clearly larger; one of about that size is not
    told from it by any number of pairs.
    """
    half = _half(effect)
    return half is not None and half <= math.log1p(smallest) / 2.0


def would_tell(effect: Effect, smallest: float, most: int) -> int | None:
    """Pairs whose interval is narrow enough (`tells`) with a probability of four in five, if at most `most`, or as many
    as these, are planned for; None: there is no interval yet. Those measured, where they tell."""
    half, measured = _half(effect), effect.pairs
    if half is None:
        return None
    if tells(effect, smallest):
        return measured
    spread = half * math.sqrt(measured) / student_point(MISS / len(looks(most)), measured - 1)
    spread *= math.sqrt((measured - 1) / _chi_square_low(measured - 1))

    def suffice(count: int) -> bool:
        point = student_point(MISS / len(looks(max(most, count))), count - 1)  # more pairs mean more looks
        return point * spread / math.sqrt(count) <= math.log1p(smallest) / 2.0

    few, many = measured, 2 * measured
    while not suffice(many):
        few, many = many, 2 * many
    while many - few > 1:
        between = (few + many) // 2
        few, many = (few, between) if suffice(between) else (between, many)
    return many


def _chi_square_low(degrees: int) -> float:
    """What a chi-square variable falls short of with a probability of one in five (Wilson & Hilferty 1931)."""
    part = 2.0 / (9.0 * degrees)
    return degrees * (1.0 - part + NormalDist().inv_cdf(0.2) * math.sqrt(part)) ** 3


def _half(effect: Effect) -> float | None:
    """Half of the width of the interval of the logarithm."""
    low, high = effect.ratio.low, effect.ratio.high
    return None if low is None or high is None else math.log(high / low) / 2.0


def judge(effect: Effect, smallest: float, *, last: bool) -> Verdict:
    """The verdict of an effect's interval; see `assess`. `smallest` above 0."""
    low, high = effect.ratio.low, effect.ratio.high
    if low is None or high is None:
        return "undecided"
    top, bottom = 1.0 + smallest, 1.0 / (1.0 + smallest)
    if low >= bottom and high <= top:
        return "no difference"
    value = effect.ratio.value
    more = low > top or (last and low > 1.0 and value > top)
    less = high < bottom or (last and high < 1.0 and value < bottom)
    if not more and not less:
        return "undecided"
    return "better" if more == (METRICS[effect.metric].better == "maximize") else "worse"


def effect(metric: str, pairs: Sequence[Pair], miss: float) -> Effect | None:
    """B / A in one metric, from the pairs in which both sides have it; None where there is none.

    The interval misses the truth with probability `miss` for normally distributed differences of logarithms; it is
    absent for fewer than three pairs. A metric that is not above 0 has no ratio.
    """
    both = [(pair.a.values(metric), pair.b.values(metric)) for pair in pairs]
    both = [(a, b) for a, b in both if a and b and min(a) > 0.0 and min(b) > 0.0]
    if not both:
        return None
    logs_a, logs_b = ([np.log(values) for values in side] for side in zip(*both, strict=True))
    starts_a, starts_b = (np.array([np.median(logs) for logs in side]) for side in (logs_a, logs_b))
    between, within = _spreads([logs_a, logs_b])
    return Effect(
        metric=metric,
        ratio=_interval(starts_b - starts_a, miss).map(math.exp),
        a=math.exp(starts_a.mean()),
        b=math.exp(starts_b.mean()),
        pairs=len(both),
        restarts_differ=between,
        windows_differ=within,
    )


def error_difference(pairs: Sequence[Pair], miss: float) -> Errors | None:
    """The sides' error ratios, and B's less A's with Student's t interval over the pairs; None without pairs."""
    if not pairs:
        return None
    a, b = (
        np.array([_error_ratio(visit) for visit in side]) for side in zip(*((p.a, p.b) for p in pairs), strict=True)
    )
    return Errors(a=float(a.mean()), b=float(b.mean()), difference=_interval(b - a, miss))


def _by_errors(errors: Errors | None) -> Verdict | None:
    if errors is None or errors.difference.low is None or errors.difference.high is None:
        return None
    if errors.difference.low > MOST_ERRORS.bound:
        return "worse"
    return "better" if errors.difference.high < -MOST_ERRORS.bound else None


def _error_ratio(visit: Visit) -> float:
    requests = sum(window.requests for window in visit.windows)
    failed = sum(window.error_ratio.value * window.requests for window in visit.windows)
    return failed / requests if requests else 0.0


def _interval(differences: FloatArray, miss: float) -> Estimate:
    """Mean with Student's t interval."""
    n, mean = len(differences), float(differences.mean())
    if n < LEAST:
        return Estimate(value=mean)
    half = student_point(miss, n - 1) * float(differences.std(ddof=1)) / math.sqrt(n)
    return Estimate(value=mean, low=mean - half, high=mean + half)


def _spreads(sides: Sequence[Sequence[FloatArray]]) -> tuple[float | None, float | None]:
    """Standard deviations between starts of one side and between windows of one start: the nested analysis of
    variance with random effects (Searle, Casella & McCulloch, *Variance Components*, 1992, section 3.6)."""
    freedom = sum(len(logs) - 1 for side in sides for logs in side)
    squares = sum(float(((logs - logs.mean()) ** 2).sum()) for side in sides for logs in side)
    within = squares / freedom if freedom else None
    starts = sum(len(side) - 1 for side in sides)
    if not starts:
        return None, None if within is None else math.sqrt(within)
    means = [np.array([logs.mean() for logs in side]) for side in sides]
    between = sum(float(((side - side.mean()) ** 2).sum()) for side in means) / starts
    windows = float(np.mean([len(logs) for side in sides for logs in side]))
    between -= (within or 0.0) / windows
    return math.sqrt(max(0.0, between)), None if within is None else math.sqrt(within)


def _latency(window: Window, metric: str) -> float | None:
    if metric in window.latency_s:
        return window.latency_s[metric].value
    return window.beyond_s.get(metric)


def _known(value: float | None) -> tuple[float, ...]:
    return () if value is None else (float(value),)
