"""How the load that each side of a comparison may be put under is divided into pairs and windows."""

from __future__ import annotations

from tuner.errors import Mistake
from tuner.measure.paired import FIRST_LOOK
from tuner.units import format_rate, format_seconds

_NEEDED = {"latency_p95": 250.0, "latency_p99": 500.0, "latency_p99.9": 5000.0}
_NEEDED_ELSE = 200.0
"""Requests in a window: some five beyond the quantile, and enough that a steady window is rarely taken for none."""
_LEAST_WINDOW_S = 0.5
_LEAST_CLOSED_S = 2.0
"""A closed loop begins with a burst of all its connections, which has to be a small part of the window."""
_MOST_WINDOWS = 3
"""In one start: their median forgives one that was disturbed; more starts tell more than more windows."""


def divide(
    load_s: float,
    spent_s: float,
    *,
    pairs: int,
    metric: str,
    rate_rps: float | None,
    warm_up_s: float,
    restarted: bool,
) -> tuple[int, int, float]:
    """What is left of `load_s`, warm-ups included: pairs (at most so many), windows in each start, and their length.

    `rate_rps` None: a closed loop. Raises Mistake where it carries too few pairs to tell by.
    """
    least_s = _LEAST_CLOSED_S
    if rate_rps is not None:
        least_s = max(_LEAST_WINDOW_S, _NEEDED.get(metric, _NEEDED_ELSE) / rate_rps)
    every_s, once_s = (warm_up_s, 0.0) if restarted else (0.0, warm_up_s)
    left_s = load_s - spent_s - once_s
    wanted = min(pairs, FIRST_LOOK)
    pairs = min(pairs, int(left_s / (every_s + least_s)))
    if pairs < wanted:
        needed_s = wanted * (every_s + least_s) + once_s + spent_s
        at = "" if rate_rps is None else f" at {format_rate(rate_rps)}"
        raise Mistake(
            f"{format_seconds(load_s)} of load for each side carry {max(pairs, 0)} pairs{at}, and {wanted} are "
            f"needed: {metric} takes windows of {format_seconds(least_s)}, warm-ups {format_seconds(warm_up_s)} each",
            f"give --time of at least {format_seconds(needed_s)}, a higher --rate or another --metric",
        )
    measured_s = left_s / pairs - every_s
    windows = min(_MOST_WINDOWS, int(measured_s / least_s)) if restarted else 1
    return pairs, windows, measured_s / windows
