"""How much a correlated series tells: its integrated autocorrelation time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuner.measure.model import FloatArray

WINDOW_FACTOR = 5.0
"""Sokal's c: the sum over lags is cut at the first lag that is at least c times the sum so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """`time`: n correlated observations tell as much about their mean as n / time independent ones; at least 1."""

    time: float
    error: float
    """Standard error of `time`."""

    @property
    def cautious(self) -> float:
        """`time` plus its standard error where the correlation is significant, else `time`."""
        return self.time + self.error if self.time > 1.0 + 2.0 * self.error else self.time


def correlation_time(series: FloatArray) -> Correlation:
    """Integrated autocorrelation time of a series of n observations in time order.

    Automatic windowing and the standard error follow Sokal, *Monte Carlo Methods in Statistical Mechanics* (1997),
    section 3: the error is ``time * sqrt((4 M + 2) / n)`` for a sum cut at lag M. A constant series has time 1.
    """
    n = len(series)
    centred = series - series.mean() if n else series
    power = float(centred @ centred)
    if n < 2 or power == 0.0:
        return Correlation(time=1.0, error=0.0)
    length = 1 << (2 * n - 1).bit_length()  # zero padding: the correlation must not wrap around
    spectrum = np.fft.rfft(centred, length)
    autocorrelation = np.fft.irfft(spectrum * np.conj(spectrum), length)[:n] / power
    times = 2.0 * np.cumsum(autocorrelation) - 1.0
    enough = np.flatnonzero(np.arange(n) >= WINDOW_FACTOR * times)
    cut = int(enough[0]) if len(enough) else n - 1
    time = max(1.0, float(times[cut]))
    return Correlation(time=time, error=time * math.sqrt((4 * cut + 2) / n))
