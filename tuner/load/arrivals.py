"""When requests are due: pure arithmetic, seeded, in seconds since the start of the window.

Gaps and rate are chosen apart: gaps are drawn with a mean of 1, and the k-th request is due when the integral of the
rate reaches their sum so far (time change of a point process; Brown, Barbieri, Ventura, Kass & Frank, *The
time-rescaling theorem*, Neural Computation 14(2), 2002, and for simulation Çinlar, *Introduction to Stochastic
Processes*, 1975, chapter 4.7). With exponential gaps that is the inhomogeneous Poisson process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from tuner.load.model import Arrival, LoadWindow
from tuner.statistics.model import FloatArray
from tuner.workload.intensity import Intensity

_HAIR = 1e-9
"""Share of a request by which rounding may miss the last one of a window."""


class TimeChanged:
    """Requests due where the integral of the rate reaches what `following` says."""

    def __init__(self, following: Callable[[float], float], intensity: Intensity) -> None:
        """`following`: the count at which the next request is due, given the one at which the last was."""
        self._following = following
        self._intensity = intensity

    def next(self, elapsed_s: float) -> float:
        """inf: the rate stays at 0 from here on."""
        if elapsed_s == float("inf"):
            return elapsed_s
        return float(self._intensity.instant(self._following(float(self._intensity.due(elapsed_s)))))


class Replay:
    """Instants as they were recorded."""

    def __init__(self, due_s: tuple[float, ...]) -> None:
        self._rest: Iterator[float] = iter(due_s)

    def next(self, elapsed_s: float) -> float:  # noqa: ARG002 - two may be due at one instant
        """inf: there are no more."""
        return next(self._rest, float("inf"))


def arrival(window: LoadWindow) -> Arrival:
    """The arrival process of an open-loop window. Raises ValueError for a closed loop, which has none, and for a rate
    or a trace that cannot be offered."""
    if window.arrival == "trace":
        return Replay(_recorded(window))
    intensity, random, shape = _intensity(window), _random(window), _gamma_shape(window)
    if window.arrival == "constant":
        return TimeChanged(lambda due: math.floor(due + 1e-6) + 1.0, intensity)
    if window.arrival == "poisson":
        return TimeChanged(lambda due: due + random.standard_exponential(), intensity)
    return TimeChanged(lambda due: due + float(random.standard_gamma(shape)) / shape, intensity)


def schedule(window: LoadWindow) -> FloatArray:
    """All instants up to `duration_s` at which a request is due, ascending, shape (n,).

    The same instants as repeated `Arrival.next`, but computed at once and without its accumulated rounding, so that
    nothing is left to be computed while the load runs. Raises ValueError like `arrival`.
    """
    if window.arrival == "trace":
        recorded = np.asarray(_recorded(window), dtype=np.float64)
        return recorded[recorded <= window.duration_s]
    intensity = _intensity(window)
    expected = float(intensity.due(window.duration_s))
    due: FloatArray = np.minimum(intensity.instant(_sums(window, expected)), window.duration_s)
    return due


def _sums(window: LoadWindow, expected: float) -> FloatArray:
    """Sums of the gaps so far, up to `expected`."""
    if window.arrival == "constant":
        return np.arange(1, int(expected + _HAIR) + 1, dtype=np.float64)
    random, shape, cv = _random(window), _gamma_shape(window), window.cv if window.arrival == "gamma" else 1.0

    def draw(count: int) -> FloatArray:
        if window.arrival == "poisson":
            return random.standard_exponential(count)
        gaps: FloatArray = random.standard_gamma(shape, count) / shape
        return gaps

    gaps = draw(int(expected + 6.0 * max(cv, 1.0) * expected**0.5) + 16)
    while (sums := np.cumsum(gaps))[-1] <= expected:
        gaps = np.concatenate([gaps, draw(len(gaps))])
    kept: FloatArray = sums[sums <= expected]
    return kept


def _random(window: LoadWindow) -> np.random.Generator:
    return np.random.default_rng(window.seed)


def _intensity(window: LoadWindow) -> Intensity:
    if window.arrival == "closed":
        raise ValueError("a 'closed' window has no arrival times; they follow from the answers")
    if window.profile:
        return Intensity(window.profile)
    if not 0.0 < window.rate_rps < float("inf"):
        raise ValueError(f"a rate of {window.rate_rps!r} requests/s cannot be offered; give a positive number")
    return Intensity(((0.0, window.rate_rps),))


def _gamma_shape(window: LoadWindow) -> float:
    """Of gamma gaps with this coefficient of variation."""
    if not 0.0 < window.cv < float("inf"):
        raise ValueError(
            f"gaps with a coefficient of variation of {window.cv!r} cannot be drawn; give a positive number"
        )
    return window.cv**-2


def _recorded(window: LoadWindow) -> tuple[float, ...]:
    due_s = np.asarray(window.due_s, dtype=np.float64)
    if not len(due_s) or not np.isfinite(due_s).all() or due_s[0] < 0.0 or (np.diff(due_s) < 0.0).any():
        raise ValueError("a trace has at least one instant, none below 0, and they ascend")
    return window.due_s
