"""Streams of tokens: how long until the first one, and how long from one to the next.

The time to the first token counts from the instant its request was due, as latency does, so that a stalled server
cannot hide it. The time between tokens is that between two events of one stream. A server may put several tokens into
one event, and events that arrive together have the same instant: what is measured is what a reader of the stream sees.
"""

from __future__ import annotations

import math

import numpy as np

from tuner.measure.samples import Samples
from tuner.space.metrics import GAP_PERCENTILES, TTFT_PERCENTILES
from tuner.statistics.model import BoolArray, Estimate, FloatArray
from tuner.statistics.quantiles import MISS, estimate_quantiles


def first_token_s(samples: Samples) -> FloatArray:
    """Seconds from when each request was due to its first token, shape (n,); NaN where none came."""
    first: FloatArray = np.full(len(samples), np.nan)
    if samples.tokens is not None:
        rows, places = np.unique(samples.tokens.row, return_index=True)  # of equal rows, the first to come
        first[rows] = samples.tokens.at_s[places] - samples.scheduled_s[rows]
    return first


def gaps_s(samples: Samples, counted: BoolArray) -> FloatArray:
    """Seconds between neighbouring tokens of the streams that are `counted` (by request), in the order they ended."""
    if samples.tokens is None:
        return np.zeros(0)
    kept = counted[samples.tokens.row]
    row, at_s = samples.tokens.row[kept], samples.tokens.at_s[kept]
    order = np.argsort(row, kind="stable")
    row, at_s = row[order], at_s[order]
    same = row[1:] == row[:-1]
    ended_s, gaps = at_s[1:][same], np.diff(at_s)[same]
    in_time: FloatArray = gaps[np.argsort(ended_s, kind="stable")]
    return in_time


def token_quantiles(
    samples: Samples, good: BoolArray, censored: BoolArray, waits_s: FloatArray, miss: float = MISS
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Quantiles of both, by metric name (``ttft_p50``, ``itl_p50``, ...), with intervals as those of latencies have.

    `good` and `censored` (timed out, or never sent) are the requests that count, `waits_s` is how long each waited. A
    censored request without a token counts as slower than all; a quantile that falls on one stands in the second
    mapping, with the least it can be. Times between tokens are those of good requests. Both are empty without streams.
    """
    if samples.tokens is None:
        return {}, {}
    first = first_token_s(samples)
    unanswered = censored & np.isnan(first)
    counted = unanswered | ((good | censored) & np.isfinite(first))
    firsts = np.where(unanswered, np.inf, first)[counted]
    found: dict[str, Estimate] = {}
    beyond: dict[str, float] = {}
    for name, estimate in _named(firsts, TTFT_PERCENTILES, miss).items():
        if math.isinf(estimate.value):
            beyond[name] = float(waits_s[unanswered].min())
        else:
            found[name] = estimate
    return found | _named(gaps_s(samples, good), GAP_PERCENTILES, miss), beyond


def _named(values: FloatArray, percentiles: tuple[tuple[str, float], ...], miss: float) -> dict[str, Estimate]:
    if not len(values):
        return {}
    estimates = estimate_quantiles(values, tuple(level for _, level in percentiles), miss)
    return {name: estimates[level] for name, level in percentiles if level in estimates}
