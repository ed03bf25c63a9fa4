"""How the load that each side of a comparison may be put under is divided into pairs and windows."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.errors import Mistake
from tuner.measure.paired import FIRST_LOOK
from tuner.units import format_rate, format_seconds

_NEEDED = {"latency_p95": 250.0, "latency_p99": 500.0, "latency_p99.9": 5000.0}
_NEEDED_ELSE = 200.0
"""Requests in a window: some five beyond the quantile, and enough that a steady window is rarely taken for none."""
_LEAST_WINDOW_S = 0.5
_LEAST_CLOSED_S = 2.0
"""A closed loop begins with a burst of all its connections, which has to be a small part of the window."""
_HAIR = 1e-9
"""By which sums of floats may come out below what they should be."""
_MOST_WINDOWS = 3
"""In one start: their median forgives one that was disturbed; more starts tell more than more windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What pairs of windows take."""

    metric: str
    rate_rps: float | None
    """None: a closed loop."""
    warm_up_s: float
    restarted: bool
    """Each pair begins with a start of each side, and its warm-up."""
    least_closed_s: float = 0.0
    """A closed loop's window has to hold a few answers after one another."""

    @property
    def window_s(self) -> float:
        """The shortest window worth its name."""
        if self.rate_rps is None:
            return max(_LEAST_CLOSED_S, self.least_closed_s)
        return max(_LEAST_WINDOW_S, _NEEDED.get(self.metric, _NEEDED_ELSE) / self.rate_rps)

    @property
    def every_s(self) -> float:
        """Beside its windows, each pair."""
        return self.warm_up_s if self.restarted else 0.0

    @property
    def once_s(self) -> float:
        return 0.0 if self.restarted else self.warm_up_s

    def load_s(self, pairs: int, spent_s: float) -> float:
        """Load for each side that so many pairs take at least, with what is spent already."""
        return pairs * (self.every_s + self.window_s) + self.once_s + spent_s


def fewest(pairs: int) -> int:
    """Fewest pairs to tell by, where so many are asked for."""
    return min(pairs, FIRST_LOOK)


def divide(load_s: float, spent_s: float, *, pairs: int, needs: Needs) -> tuple[int, int, float]:
    """What is left of `load_s`, warm-ups included: pairs (at most so many), windows in each start, and their length.

    Raises Mistake where it carries too few pairs to tell by.
    """
    least_s = needs.window_s
    left_s = load_s - spent_s - needs.once_s
    wanted = fewest(pairs)
    pairs = min(pairs, int(left_s * (1.0 + _HAIR) / (needs.every_s + least_s)))
    if pairs < wanted:
        needed_s = needs.load_s(wanted, spent_s)
        at = "" if needs.rate_rps is None else f" at {format_rate(needs.rate_rps)}"
        raise Mistake(
            f"{format_seconds(load_s)} of load for each side carry {max(pairs, 0)} pairs{at}, and {wanted} are "
            f"needed: {needs.metric} takes windows of {format_seconds(least_s)}, warm-ups "
            f"{format_seconds(needs.warm_up_s)} each",
            f"give --time of at least {format_seconds(needed_s)}, a higher --rate or another --metric",
        )
    measured_s = left_s / pairs - needs.every_s
    windows = max(1, min(_MOST_WINDOWS, int(measured_s / least_s))) if needs.restarted else 1
    return pairs, windows, measured_s / windows
