"""Bounds on metrics, as the SLO and ``tune export --where`` write them: ``latency_p99 <= 50ms``."""

from __future__ import annotations

import re

from tuner.errors import Mistake
from tuner.nearest import nearest
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint
from tuner.units import metric_value

_BOUND = re.compile(r"\s*([^\s<>=]+)\s*([<>=!]+)\s*(.*?)\s*")
_SIGNED = re.compile(r"\s*([<>=!]+)\s*(.*?)\s*")


def parse_bound(text: str) -> Constraint:
    """``METRIC <= VALUE`` or ``METRIC >= VALUE``. Raises Mistake."""
    match = _BOUND.fullmatch(text)
    if match is None:
        raise Mistake(f"{text!r} is not a bound", "write for example 'latency_p99 <= 50ms' or 'throughput >= 200/s'")
    metric, sign, value = match.groups()
    return _constraint(metric, sign, value)


def bound_on(metric: str, value: str | int | float) -> Constraint:
    """The bound on a metric as the SLO gives it: a value, or ``<= value``, ``>= value``.

    A bare value bounds from the side that is worse: at least for throughput, at most for all others. Raises
    Mistake.
    """
    match = _SIGNED.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return _constraint(metric, *match.groups())
    known(metric)
    return _constraint(metric, ">=" if METRICS[metric].better == "maximize" else "<=", value)


def known(metric: str) -> None:
    """Raises Mistake, with the nearest name, when there is no such metric."""
    if metric not in METRICS:
        raise Mistake(f"unknown metric {metric!r}", nearest(metric, METRICS))


def _constraint(metric: str, sign: str, value: str | int | float) -> Constraint:
    known(metric)
    if sign not in ("<=", ">="):
        raise Mistake(f"{sign!r} is no bound for {metric}", "write <= or >=")
    return Constraint(metric=metric, bound=metric_value(METRICS[metric].unit, value), at_least=sign == ">=")
