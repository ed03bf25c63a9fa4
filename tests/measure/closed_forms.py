"""Sojourn times (waiting and service) of queues, in closed form, in units of the mean service time."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache


def tail(queue: str, load: float, t: float) -> float:
    """P(sojourn > t). `queue` is ``M/D/1`` or ``M/M/c`` with a number for c; `load`: the share of time a server works."""
    if queue == "M/D/1":
        return 1.0 if t < 1.0 else 1.0 - md1_wait(load, t - 1.0)
    return mmc_tail(load, int(queue.removeprefix("M/M/")), t)


def mmc_tail(load: float, servers: int, t: float) -> float:
    """Erlang C; Gross & Harris, *Fundamentals of Queueing Theory*, section 2.3."""
    if servers == 1:
        return math.exp(-(1.0 - load) * t)
    offered = load * servers
    last = offered**servers / math.factorial(servers) / (1.0 - load)
    waits = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    slack = servers - offered
    if slack == 1.0:
        return math.exp(-t) * (1.0 + waits * t)
    return (1.0 - waits) * math.exp(-t) + waits * (slack * math.exp(-t) - math.exp(-slack * t)) / (slack - 1.0)


def md1_wait(load: float, x: float) -> float:
    """P(wait <= x) in M/D/1 (Erlang 1909; Crommelin 1932 for one server). The terms alternate and cancel: 80 digits."""
    with localcontext() as context:
        context.prec = 80
        rho, at = Decimal(load), Decimal(x)
        total = Decimal(0)
        for k in range(int(x) + 1):
            u = rho * (k - at)
            total += (u**k if k else Decimal(1)) / math.factorial(k) * (-u).exp()
        return float((1 - rho) * total)


@cache
def quantile(queue: str, load: float, level: float) -> float:
    return _crossing(lambda t: tail(queue, load, t) <= 1.0 - level)


def _crossing(beyond: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    while not beyond(high):
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return high
