"""The search for the highest offered rate that still meets the SLO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.measure.model import Estimate, Window
from tuner.measure.slo import Judgement, judge, load_factor
from tuner.space.model import Constraint
from tuner.units import format_rate

NEAR = 1.5
"""An uncertain window whose worst metric is within this factor of its bound is measured once more."""
KNEE = 0.8
"""Share of the closed-loop throughput tried first: latencies take off there in most queues."""
DEPTH = 16.0
"""How far below the first failed rate the search goes before it gives up."""
STRIDES = (1.25, 1.6, 2.0)
"""Steps up beyond what the closed loop promised, once even its rate has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The next window to measure: open loop at `rate_rps`, or (None) a closed loop of `connections`."""

    rate_rps: float | None
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is known of one rate."""

    rate_rps: float
    verdict: Literal["passed", "failed", "generator", "unknown"]
    reason: str


class CapacitySearch:
    """Bisection over offered rates, driven from outside: measure what `next` asks for, hand it to `observe`.

    A closed-loop window first tells about where the server saturates; offered rates are then bisected (in the
    logarithm) between the highest that passed and the lowest that failed, until the two are within `tolerance` of each
    other or `max_steps` windows were asked for. The ceiling that the closed loop promises is only presumed: it is
    passed by when the rate below it passes, so that too few connections cannot hide capacity.

    Noise: a window that is uncertain and near its bound is measured once more, and the two decide together, by the
    geometric mean of their distances to the bound. A window in which the generator was the limit is never the server's
    failure: it bounds the search from above, and the result says so.

    `first` is the window at the common rate, where there is one (or it is the first `observe`); it counts.
    """

    def __init__(
        self,
        slo: Sequence[Constraint],
        *,
        first: Window | None = None,
        connections: int = 32,
        max_steps: int = 8,
        tolerance: float = 0.1,
    ) -> None:
        self._slo = tuple(slo)
        self._connections = connections
        self._left = max_steps
        self._step = 1.0 + tolerance
        self._seen: list[_Seen] = []
        self._undecided: list[Window] = []
        self._closed_rps: float | None = None
        self._closed_note = ""
        if first is not None:
            self.observe(first)

    def next(self) -> Probe | None:
        """The next window to measure; None: the search is over."""
        if self._left == 0:
            return None
        rate_rps = self._rate()
        if rate_rps is None and self._closed_rps is not None:
            return None
        return Probe(rate_rps=rate_rps, connections=self._connections)

    def observe(self, window: Window) -> None:
        """Take in a measured window; an open-loop one by its offered rate."""
        self._left -= bool(self._seen or self._undecided or self._closed_rps is not None or window.offered_rps == 0.0)
        if window.offered_rps == 0.0:
            self._closed_rps = window.achieved_rps
            self._closed_note = "; ".join(window.untrusted) if window.generator_limited else ""
            return
        if window.generator_limited:
            self._note(window.offered_rps, "generator", "; ".join(window.untrusted))
            return
        self._decide(window, judge(window, self._slo))

    def result(self) -> tuple[Estimate | None, str]:
        """The highest rate that passed, with the bracket it stands in (`high` None: no rate failed), and in words what
        bounded it, or why there is none."""
        passed, above = self._passed(), self._above()
        if passed is None:
            return None, self._nothing_passed()
        failed = above.rate_rps if above is not None and above.verdict == "failed" else None
        estimate = Estimate(value=passed, low=passed, high=failed)
        return estimate, self._bounded_by(passed, above)

    # What was seen ---------------------------------------------------------------------------------------------------

    def _decide(self, window: Window, judgement: Judgement) -> None:
        before, self._undecided = self._undecided, []
        windows = [*before, window]
        factors = [load_factor(seen, self._slo) for seen in windows]
        if not window.untrusted and judgement.state != "uncertain":
            passed = judgement.state == "met"
        elif not before and (window.untrusted or factors[0] is None or 1.0 / NEAR < factors[0] < NEAR):
            self._undecided = windows
            return
        elif known := [factor for factor in factors if factor is not None]:
            passed = math.prod(known) <= 1.0
        else:
            self._note(window.offered_rps, "unknown", judgement.reason)
            return
        self._note(window.offered_rps, "passed" if passed else "failed", judgement.reason)

    def _note(self, rate_rps: float, verdict: Literal["passed", "failed", "generator", "unknown"], why: str) -> None:
        self._undecided = []
        self._seen.append(_Seen(rate_rps=rate_rps, verdict=verdict, reason=why))

    def _passed(self) -> float | None:
        return max((seen.rate_rps for seen in self._seen if seen.verdict == "passed"), default=None)

    def _above(self) -> _Seen | None:
        """The lowest rate that did not pass."""
        others = [seen for seen in self._seen if seen.verdict != "passed"]
        return min(others, key=lambda seen: seen.rate_rps, default=None)

    # What to measure next --------------------------------------------------------------------------------------------

    def _rate(self) -> float | None:
        """The next offered rate; None: a closed loop, or (after one) nothing more."""
        if self._undecided:
            return self._undecided[0].offered_rps
        if self._closed_rps is None:
            return None
        passed, above = self._passed(), self._above()
        if passed is not None and above is not None:
            return math.sqrt(passed * above.rate_rps) if above.rate_rps > passed * self._step else None
        if passed is not None:
            return self._upward(passed, self._closed_rps)
        return self._downward(above.rate_rps if above is not None else None, self._closed_rps)

    def _upward(self, passed: float, closed: float) -> float:
        knee, ceiling = KNEE * closed, closed * self._step
        if passed * self._step < knee:
            return knee
        if passed * self._step < ceiling:
            return math.sqrt(passed * ceiling)
        beyond = sum(seen.verdict == "passed" and seen.rate_rps * self._step >= ceiling for seen in self._seen)
        return passed * (self._step, *STRIDES)[min(beyond - 1, len(STRIDES))]

    def _downward(self, above: float | None, closed: float) -> float | None:
        knee = KNEE * closed
        if above is None:
            return knee if closed > 0.0 else None
        if 0.0 < knee < above / self._step:
            return knee
        highest = max(seen.rate_rps for seen in self._seen)
        return above / 2.0 if above > highest / DEPTH else None

    # What to say -----------------------------------------------------------------------------------------------------

    def _nothing_passed(self) -> str:
        above = self._above()
        if above is None:
            return (
                "no offered rate was tried: the closed loop got no good answer"
                if self._closed_rps == 0.0
                else ("no offered rate was tried")
            )
        if above.verdict == "failed":
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
        if above.verdict == "unknown":
            return f"the knee was not reached: at {at} nothing can be said: {above.reason}"
        wide = (
            ""
            if above.rate_rps <= passed * self._step * (1 + 1e-9)
            else (f" (the search ran out of steps with {format_rate(passed)} passed)")
        )
        return f"bounded at {at}: {above.reason}{wide}"
