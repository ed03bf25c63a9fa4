"""How much a correlated series tells: its integrated autocorrelation time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuner.statistics.model import FloatArray
from tuner.statistics.student import normal_point, student_point

WINDOW_FACTOR = 5.0
"""Sokal's c: the sum over lags is cut at the first lag that is at least c times the sum so far."""
FEWEST_DEGREES = 2.0
"""Of freedom; a variance known worse than that is no ground for an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """`time`: n correlated observations tell as much about their mean as n / time independent ones; at least 1."""

    time: float
    error: float
    """Standard error of `time`."""
    degrees: float
    """Of freedom of a variance estimated by way of `time`; infinite where nothing varies."""

    def cautious(self, miss: float) -> float:
        """`time` for an interval that may miss the truth with probability `miss`, itself an estimate as it is.

        Where the correlation is significant its standard error is added. That the variance was estimated is paid for
        by the square of Student's point over the normal one, so that normal (or binomial) intervals of n / cautious
        observations are as wide as Student's.
        """
        time = self.time + self.error if self.time > 1.0 + 2.0 * self.error else self.time
        if math.isinf(self.degrees):
            return time
        return time * (student_point(miss, max(FEWEST_DEGREES, self.degrees)) / normal_point(miss)) ** 2


def correlation_time(series: FloatArray) -> Correlation:
    """Integrated autocorrelation time of a series of n observations in time order.

    Automatic windowing and the standard error follow Sokal, *Monte Carlo Methods in Statistical Mechanics* (1997),
    section 3: the error is ``time * sqrt((4 M + 2) / n)`` for a sum cut at lag M. That the mean is the series' own
    makes the sum too small by about (2 M + 1) / n of it, which is made good (Wolff, *Monte Carlo errors with less
    errors*, Computer Physics Communications 156, 2004, equation 49). The sum of 2 M + 1 correlations has the spread of
    a variance with n / (2 M + 1) degrees of freedom (Priestley, *Spectral Analysis and Time Series*, 1981, section
    6.2.4: the truncated window). A constant series has time 1.
    """
    n = len(series)
    centred = series - series.mean() if n else series
    power = float(centred @ centred)
    if n < 2 or power == 0.0:
        return Correlation(time=1.0, error=0.0, degrees=math.inf)
    length = 1 << (2 * n - 1).bit_length()  # zero padding: the correlation must not wrap around
    spectrum = np.fft.rfft(centred, length)
    autocorrelation = np.fft.irfft(spectrum * np.conj(spectrum), length)[:n] / power
    times = 2.0 * np.cumsum(autocorrelation) - 1.0
    enough = np.flatnonzero(np.arange(n) >= WINDOW_FACTOR * times)
    cut = int(enough[0]) if len(enough) else n - 1
    lags = 2 * cut + 1
    time = max(1.0, float(times[cut]) * (1.0 + lags / n))
    return Correlation(time=time, error=time * math.sqrt(2 * lags / n), degrees=n / lags)
