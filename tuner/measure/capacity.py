"""The search for the highest offered rate that still meets the SLO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tuner.measure.crossing import Crossing, Exceeded, crossing
from tuner.measure.model import Window
from tuner.measure.slo import State, judge, load_factor
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.units import format_rate

NEAR = 1.5
"""An uncertain window whose worst metric is within this factor of its bound is decided together with the others."""
FARTHEST = 20.0
"""Load factors are cut to this and its inverse before the line is fitted: an error ratio of 0 has none."""
ANCHOR = 0.3
"""Weight of the closed loop in the fit, as a share of an average window's: there 1 / load factor is 0."""
KNEE = 0.8
"""Share of the closed-loop throughput tried first where no window says better."""
SAFE = 0.6
"""Share of it gone to at once from a rate that passed far below, instead of bisecting up to it: one to two windows fewer.
At `KNEE`, searches of M/D/1, whose knee is near there, came within 15 % in 32 of 40 cases, here in 40."""
DEPTH = 16.0
"""How far below the first failed rate the search goes before it gives up."""
STRIDES = (1.25, 1.6, 2.0)
"""Steps up beyond what the closed loop promised, once even its rate has passed."""
FREE_REPEATS = 2
"""Windows that cost no step: a passing moment of the machine spoilt them, or seems to have."""

_Verdict = Literal["passed", "failed", "generator", "undecided"]
_SURE: tuple[_Verdict, ...] = ("passed", "failed")
_VERDICTS: dict[State, _Verdict | None] = {"met": "passed", "broken": "failed", "undecided": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The next window to measure: open loop at `rate_rps`, or (None) a closed loop of `connections`."""

    rate_rps: float | None
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One open-loop window."""

    rate_rps: float
    requests: int
    factor: float | None
    """Worst metric over its bound; None: not known."""
    over: tuple[Exceeded, ...]
    """How many requests were beyond each bound; empty: not told."""
    verdict: _Verdict | None
    """None: left to the fit."""
    reason: str
    full: bool = False
    """It is no window: a closed loop got so much through, and more connections nothing more."""


class CapacitySearch:
    """A search over offered rates, driven from outside: measure what `next` asks for, hand it to `observe`.

    A closed-loop window first tells where the server saturates. Then the bracket between the highest rate that passed
    and the lowest that failed is narrowed until its ends are within `tolerance` of each other, or `max_steps` windows
    were asked for. The next rate comes from a line fitted to 1 / load factor over the rate, through what was seen so
    far (the load factor is the worst metric over its bound): every quantile of an M/M/1 queue's latency is
    proportional to 1 / (capacity - rate), and near their knee other queues come close. Where the line says nothing, or
    too far to one side, the bracket is bisected in the logarithm. The ceiling promised by the closed loop is passed by
    when the rate below it passes, so that too few connections cannot hide capacity.

    Where it is told how many requests of each window were beyond each bound, the rate is where a curve fitted to those
    shares reaches what the bound allows (`tuner.measure.crossing`). Quantiles of a few hundred correlated latencies are
    mostly too low, so a search that believed them, window by window, ended a tenth too high; shares are right on
    average. The result is the curve's, within the bracket, with the curve's interval.

    Noise: a window whose intervals leave the verdict open is decided by the curve (or line), which pools all windows;
    when it and the window disagree, the window is measured once more. So is one that could not be trusted, and one that
    failed far below what the closed loop got through. A window in which the generator was the limit is never the
    server's failure: where it was again, the rate bounds the search from above, and the result says so; where it was
    not, that was a passing moment, which tells nothing. The first two that a passing moment spoilt cost no step.

    `first` is the window at the common rate, where there is one (or it is the first `observe`); it counts.
    """

    def __init__(
        self,
        slo: Sequence[Constraint],
        *,
        first: Window | None = None,
        first_over: Sequence[Exceeded] = (),
        connections: int = 32,
        max_steps: int = 8,
        tolerance: float = 0.1,
    ) -> None:
        self._slo = tuple(slo)
        self._connections = connections
        self._left = max_steps
        self._step = 1.0 + tolerance
        self._seen: list[_Seen] = []
        self._repeat: float | None = None
        self._free = FREE_REPEATS
        self._closed_rps: float | None = None
        self._closed_note = ""
        self._knee: Crossing | None = None
        self._asked = False
        if first is not None:
            self.observe(first, first_over)

    def next(self) -> Probe | None:
        """The next window to measure; None: the search is over."""
        rate_rps = self._rate() if self._left > 0 else None
        if self._left == 0 or (rate_rps is None and self._closed_rps is not None):
            return None
        if not self._asked:
            self._asked = True
            self._left -= 1
        return Probe(rate_rps=rate_rps, connections=self._connections)

    def observe(self, window: Window, over: Sequence[Exceeded] = (), *, full: bool = False) -> None:
        """Take in a measured window, an open-loop one by its offered rate, and how many of its requests were beyond
        each bound (`tuner.measure.crossing.exceeded`).

        `full`: the closed loop filled the server, more connections get nothing more through. Then no higher rate meets
        an SLO, however well a window does that ends before its backlog is long.
        """
        self._asked = False
        if window.offered_rps == 0.0:
            self._closed_rps = window.achieved_rps
            if full and window.achieved_rps > 0.0:
                self._seen.append(_most(window.achieved_rps))
            self._knee = self._fitted()
            self._closed_note = "; ".join(window.untrusted) if window.generator_limited else ""
            return
        again = self._repeat is not None
        self._repeat = None
        seen = self._judged(window, tuple(over))
        self._seen = self._reconciled(seen) if again else [*self._seen, seen]
        self._knee = self._fitted()
        free = self._free > 0 and (seen.verdict == "generator" or self._surprising(seen))
        if not again and (free or seen.verdict == "generator" or self._doubtful(seen, window)):
            self._repeat = seen.rate_rps
            if free:
                self._free -= 1
                self._left += 1

    def result(self) -> tuple[Estimate | None, str]:
        """The highest rate that meets the SLO with the interval it lies in (an end that cannot be told is None), and in
        words what bounded it, or why there is none."""
        passed, above = self._bracket()
        if passed is None:
            return None, self._nothing_passed(above)
        failed = above.rate_rps if above is not None and self._verdict(above) == "failed" else None
        found = self._estimate(passed, failed)
        if failed is None:  # nothing is known of the rates above
            found = replace(found, is_least=True, high=None)
        return found, self._bounded_by(passed, above)

    def _estimate(self, passed: float, failed: float | None) -> Estimate:
        """Within the bracket, where the fitted curve has the knee; an end that the curve does not tell is the nearest
        rate whose own verdict was beyond doubt."""
        sure = {verdict: [seen.rate_rps for seen in self._seen if seen.verdict == verdict] for verdict in _SURE}
        low = max((rate for rate in sure["passed"] if rate <= passed), default=None)
        high = min((rate for rate in sure["failed"] if rate > passed), default=None)
        knee = self._knee
        if knee is None or failed is None:
            return Estimate(value=passed, low=low, high=high)
        value = min(max(knee.rate_rps, passed), failed)
        low = low if knee.low_rps is None else min(knee.low_rps, value)
        high = high if knee.high_rps is None else max(knee.high_rps, value)
        return Estimate(value=value, low=low, high=high)

    # What was seen ---------------------------------------------------------------------------------------------------

    def _judged(self, window: Window, over: tuple[Exceeded, ...]) -> _Seen:
        judgement = judge(window, self._slo)
        return _Seen(
            rate_rps=window.offered_rps,
            requests=window.requests,
            factor=None if window.generator_limited else _factor(window, self._slo, over),
            over=() if window.generator_limited else over,
            verdict="generator" if window.generator_limited else _VERDICTS[judgement.state],
            reason=judgement.reason,
        )

    def _reconciled(self, again: _Seen) -> list[_Seen]:
        """What was seen, in the light of a window measured again: where the generator kept up now, that it did not was
        a passing moment; and where a failure is not confirmed, both are left to the fit."""
        if again.verdict in ("failed", "generator"):
            return [*self._seen, again]
        *before, last = self._seen
        if last.verdict == "generator":
            return [*before, again]
        if last.verdict == "failed":
            return [*before, replace(last, verdict=None), replace(again, verdict=None)]
        return [*before, last, again]

    def _surprising(self, seen: _Seen) -> bool:
        """It failed far below what the closed loop got through: a server may, and one stall of a machine lets a short
        window look so."""
        return seen.verdict == "failed" and seen.rate_rps < KNEE * (self._closed_rps or 0.0)

    def _doubtful(self, seen: _Seen, window: Window) -> bool:
        if seen.verdict is not None:
            return False
        if seen.factor is None:
            return True
        if window.untrusted:
            # Offered more than the closed loop could get through, a server is unsteady because it is overloaded.
            return not (seen.factor >= NEAR and self._closed_rps and seen.rate_rps >= self._closed_rps)
        return (self._verdict(seen) == "passed") != (seen.factor <= 1.0)

    def _verdict(self, seen: _Seen) -> _Verdict:
        if seen.verdict is not None:
            return seen.verdict
        factors = [other.factor for other in self._seen if other.rate_rps == seen.rate_rps and other.factor is not None]
        if not factors:
            return "undecided"
        factor = math.exp(sum(math.log(_cut(one)) for one in factors) / len(factors))
        crossing = self._crossing()
        if crossing is None or not 1.0 / NEAR < factor < NEAR:
            return "passed" if factor <= 1.0 else "failed"
        return "passed" if seen.rate_rps <= crossing else "failed"

    def _bracket(self) -> tuple[float | None, _Seen | None]:
        """The highest rate that passed below the lowest that did not, and that one."""
        judged = [(seen, self._verdict(seen)) for seen in self._seen]
        above = min((seen for seen, verdict in judged if verdict != "passed"), key=_by_rate, default=None)
        ceiling = math.inf if above is None else above.rate_rps
        passed = [seen.rate_rps for seen, verdict in judged if verdict == "passed" and seen.rate_rps < ceiling]
        return max(passed, default=None), above

    def _fitted(self) -> Crossing | None:
        """Where the first of the bounds is crossed, by how many requests were beyond each; None: that is not known."""
        metrics = dict.fromkeys(one.metric for seen in self._seen for one in seen.over)
        found = [
            crossing(
                [(s.rate_rps, one) for s in self._seen for one in s.over if one.metric == metric], self._closed_rps
            )
            for metric in metrics
        ]
        return min((one for one in found if one is not None), key=lambda one: one.rate_rps, default=None)

    def _crossing(self) -> float | None:
        """Where the knee is; without counts, the rate at which the line fitted to 1 / load factor reaches 1."""
        if any(seen.over for seen in self._seen):
            return None if self._knee is None else self._knee.rate_rps
        known = [(s.rate_rps, _cut(s.factor), s.requests) for s in self._seen if s.factor is not None]
        if not known:
            return None
        rates, factors, requests = (np.array(column, dtype=np.float64) for column in zip(*known, strict=True))
        # Weight falls away from the bound: the line is the curve's chord there, the error of 1 / factor grows with it,
        # and far above the bound the factor depends on the window's length.
        weights = requests * np.minimum(factors, 1.0 / factors) ** 4
        if self._closed_rps:
            rates = np.append(rates, self._closed_rps)
            weights = np.append(weights, ANCHOR * weights.mean())
            factors = np.append(factors, math.inf)
        centre, height = np.average(rates, weights=weights), np.average(1.0 / factors, weights=weights)
        spread = float(weights @ (rates - centre) ** 2)
        if spread == 0.0:
            return None
        slope = float(weights @ ((rates - centre) * (1.0 / factors - height))) / spread
        crossing = float(centre + (1.0 - height) / slope) if slope < 0.0 else 0.0
        return crossing if crossing > 0.0 and math.isfinite(crossing) else None

    # What to measure next --------------------------------------------------------------------------------------------

    def _rate(self) -> float | None:
        """The next offered rate; None: a closed loop, or (after one) nothing more."""
        if self._repeat is not None or self._closed_rps is None:
            return self._repeat
        passed, above = self._bracket()
        if passed is not None and above is not None:
            below = self._below_full(above.rate_rps)
            if above.rate_rps == self._full_rps and passed * self._step < below:
                return below
            return self._between(passed, above.rate_rps) if above.rate_rps > passed * self._step * (1 + 1e-9) else None
        if passed is not None:
            return self._upward(passed, self._closed_rps)
        return self._downward(above, self._closed_rps)

    def _between(self, low: float, high: float) -> float:
        """A rate just below the crossing, or just above when the bracket begins there already."""
        margin = self._step**0.45
        crossing = self._crossing()
        if crossing is None or not low < crossing < high:
            crossing = math.sqrt(low * high)
        rate = crossing / margin if crossing / margin > low * 1.02 else crossing * margin
        # A bracket about as narrow as wanted is closed from within; a wide one is not cut too far to one side, lest a
        # wrong line creep.
        edge = margin**2 if high / low <= margin**4 else (high / low) ** 0.15
        return float(min(max(rate, low * edge), high / edge))

    def _upward(self, passed: float, closed: float) -> float:
        ceiling = closed * self._step
        if passed * self._step < SAFE * closed and self._crossing() is None:
            return SAFE * closed
        if passed * self._step < ceiling:
            return self._between(passed, ceiling)
        beyond = sum(seen.rate_rps * self._step >= ceiling for seen in self._seen)
        return passed * (self._step, *STRIDES)[min(beyond - 1, len(STRIDES))]

    def _downward(self, above: _Seen | None, closed: float) -> float | None:
        if above is None:
            return KNEE * closed if closed > 0.0 else None
        rate, margin = above.rate_rps, self._step**0.45
        full = self._full_rps
        tried = {seen.rate_rps for seen in self._seen if seen.rate_rps < full}
        if not tried and full < math.inf:
            return self._below_full(full)
        if rate * DEPTH <= max(tried, default=0.0):
            return None
        if len(tried) > 1:  # the line was wrong already
            return rate / 2.0 ** min(len(tried) - 1, 2)
        guess = self._crossing() or KNEE * closed or rate / 2.0
        return float(min(max(guess / margin, rate / 4.0), rate / margin**2))

    @property
    def _full_rps(self) -> float:
        """What closed loops got through that filled the server; inf: that is not known."""
        return min((seen.rate_rps for seen in self._seen if seen.full), default=math.inf)

    def _below_full(self, full: float) -> float:
        """The first rate to try below it, unless windows say better: servers that answer many at once keep their bounds
        until shortly before they are full."""
        return float(min(self._crossing() or full, full) / self._step ** (2 * 0.45))

    # What to say -----------------------------------------------------------------------------------------------------

    def _nothing_passed(self, above: _Seen | None) -> str:
        if above is None:
            why = ": the closed loop got no good answer" if self._closed_rps == 0.0 else ""
            return f"no offered rate was tried{why}"
        if self._verdict(above) == "failed":
            return f"even the lowest rate tried, {format_rate(above.rate_rps)}, failed: {above.reason}"
        return (
            f"no rate passed; at {format_rate(above.rate_rps)}, the lowest tried, nothing can be said: {above.reason}"
        )

    def _bounded_by(self, passed: float, above: _Seen | None) -> str:
        if above is None:
            limit = f"; {self._closed_note}" if self._closed_note else ""
            return f"the knee was not reached: {format_rate(passed)}, the highest rate tried, still passed{limit}"
        at = format_rate(above.rate_rps)
        if above.verdict == "generator":
            return f"the load generator's limit was reached before the server's, at {at}: {above.reason}"
        if self._verdict(above) == "undecided":
            return f"the knee was not reached: at {at} nothing can be said: {above.reason}"
        narrow = above.rate_rps <= passed * self._step * (1 + 1e-9)
        wide = "" if narrow else f" (the search ran out of steps with {format_rate(passed)} passed)"
        return f"bounded at {at}: {above.reason}{wide}"


def _most(rate_rps: float) -> _Seen:
    """What a closed loop that filled the server got through: there it fails, without a window."""
    reason = f"closed loops got {format_rate(rate_rps)} through, more connections nothing more: above, a backlog grows"
    return _Seen(rate_rps=rate_rps, requests=0, factor=None, over=(), verdict="failed", reason=reason, full=True)


def _factor(window: Window, slo: Sequence[Constraint], over: Sequence[Exceeded]) -> float | None:
    """Worst metric over its bound; where too few requests tell a quantile, the share beyond over the allowed one."""
    factor = load_factor(window, slo)
    if factor is None and over and window.requests:
        return max(one.share / one.allowed if one.allowed else math.inf for one in over)
    return factor


def _cut(factor: float) -> float:
    return min(max(factor, 1.0 / FARTHEST), FARTHEST)


def _by_rate(seen: _Seen) -> float:
    return seen.rate_rps
