"""When requests are due: pure arithmetic, seeded, in seconds since the start of the window."""

from __future__ import annotations

import numpy as np

from tuner.load.model import Arrival, Stage
from tuner.measure.model import FloatArray


class Constant:
    """Equal gaps of 1 / `rate_rps` seconds."""

    def __init__(self, rate_rps: float) -> None:
        self._gap_s = 1.0 / _positive(rate_rps)

    def next(self, elapsed_s: float) -> float:
        return elapsed_s + self._gap_s


class Poisson:
    """Independent exponential gaps with a mean of 1 / `rate_rps` seconds: what many independent users make."""

    def __init__(self, rate_rps: float, seed: int) -> None:
        self._gap_s = 1.0 / _positive(rate_rps)
        self._random = np.random.default_rng(seed)

    def next(self, elapsed_s: float) -> float:
        return elapsed_s + self._random.exponential(self._gap_s)


def arrival(stage: Stage) -> Arrival:
    """The arrival process of an open-loop stage. Raises ValueError for a closed loop, which has none."""
    if stage.arrival == "constant":
        return Constant(stage.rate_rps)
    if stage.arrival == "poisson":
        return Poisson(stage.rate_rps, stage.seed)
    raise ValueError(f"a {stage.arrival!r} stage has no arrival times; they follow from the answers")


def schedule(stage: Stage) -> FloatArray:
    """All instants in (0, `duration_s`] at which a request is due, ascending, shape (n,).

    The same instants as repeated `Arrival.next` (a constant rate is computed without its accumulated rounding), but
    computed at once, so that nothing is left to be computed while the load runs. Raises ValueError like `arrival`.
    """
    rate_rps, duration_s = _positive(stage.rate_rps), stage.duration_s
    if stage.arrival == "constant":
        return np.arange(1, int(rate_rps * duration_s + 1e-9) + 1, dtype=np.float64) / rate_rps
    if stage.arrival != "poisson":
        raise ValueError(f"a {stage.arrival!r} stage has no arrival times; they follow from the answers")
    random = np.random.default_rng(stage.seed)
    expected = rate_rps * duration_s
    gaps = random.exponential(1.0 / rate_rps, size=int(expected + 6.0 * expected**0.5) + 16)
    while (due := np.cumsum(gaps))[-1] <= duration_s:
        gaps = np.concatenate([gaps, random.exponential(1.0 / rate_rps, size=len(gaps))])
    kept: FloatArray = due[due <= duration_s]
    return kept


def _positive(rate_rps: float) -> float:
    if not 0.0 < rate_rps < float("inf"):
        raise ValueError(f"a rate of {rate_rps!r} requests/s cannot be offered; give a positive number")
    return rate_rps
