"""Where a request's latency went, as the client sees it: parts that add up to it, request by request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tuner.measure.samples import Samples
from tuner.measure.tokens import first_token_s
from tuner.statistics.model import BoolArray, FloatArray
from tuner.statistics.quantiles import estimate_quantiles

MEDIAN, TAIL = 0.5, 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile and the interval it lies in; None where there is no such end, or no value within it.

    Of the client's own samples the interval is a 95 % confidence interval; of a server's histogram it is the bucket,
    in which the value is interpolated.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of the latency, over all requests that were answered."""

    name: str
    mean_s: float
    share: float
    """Of the mean latency, 0 to 1; 0 where the latency itself is 0."""
    p50: Quantile | None
    """None: the samples cannot carry it."""
    p99: Quantile | None
    count: int


def split(samples: Samples) -> dict[str, FloatArray]:
    """Seconds of each component of each answered request, by name.

    The bounds are the instants that the generator records, so for every request the components add up to its latency,
    ``finished_s - scheduled_s``, but for the rounding of doubles:

    - ``queue``: no connection was free for it, and none began to be made
    - ``connect``: its connection being made, TLS included (`Samples.connect_s`)
    - ``send``: the generator's own delay, from the instant it was due until it was sent on a connection that was free,
      or until the generator saw that none was (`Samples.noticed_s`)
    - ``wait``: from the send until the first byte of the answer
    - ``receive``: from there until the last byte

    Where connects were not recorded, ``queue`` and ``connect`` are one: ``queue and connect``. The connect of a second
    try, after the server closed an idle connection, lies between the first send and the answer: it counts in ``wait``.
    """
    rows = answered(samples)
    before = (samples.sent_s - samples.scheduled_s)[rows]
    waited = samples.waited[rows]
    noticed = samples.noticed_s if samples.noticed_s is not None else samples.scheduled_s
    late = np.clip(np.nan_to_num((noticed - samples.scheduled_s)[rows], nan=0.0), 0.0, before)
    send = np.where(waited, late, before)
    held = before - send
    parts: dict[str, FloatArray] = {"queue and connect": held}
    if samples.connect_s is not None:
        connect = np.minimum(np.nan_to_num(samples.connect_s[rows], nan=0.0), held)
        parts = {"queue": held - connect, "connect": connect}
    first, finished = samples.first_byte_s[rows], samples.finished_s[rows]
    return {**parts, "send": send, "wait": first - samples.sent_s[rows], "receive": finished - first}


def latency(samples: Samples) -> FloatArray:
    """Seconds from the scheduled instant to the last byte, of each answered request."""
    return samples.latency_s[answered(samples)]


def components(samples: Samples) -> tuple[Component, ...]:
    """The parts of the latency (see `split`); empty when nothing was answered.

    Over all answered requests of the window, those with an error status too: a server's own metrics count them as
    well. Their means add up to the mean latency; their quantiles do not, since no request need be slow in every part.
    """
    parts = split(samples)
    total = float(latency(samples).mean()) if answered(samples).any() else 0.0
    return tuple(component(name, values, total) for name, values in parts.items() if len(values))


def server_timings(samples: Samples) -> tuple[Component, ...]:
    """What the server told in ``Server-Timing`` headers, by name, over the answered requests that hold it.

    The means are over those requests alone; the shares are of the mean latency of all.
    """
    rows = answered(samples)
    total = float(latency(samples).mean()) if rows.any() else 0.0
    told = {name: values[rows & np.isfinite(values)] for name, values in samples.server_timing_s.items()}
    return tuple(component(name, values, total) for name, values in told.items() if len(values))


def first_token(samples: Samples) -> Component | None:
    """From a request's send to the first token of its stream, over the answered ones; None: nothing was streamed.

    Counted as a server counts its own time to the first token: what came before the send is left out.
    """
    rows = answered(samples)
    after_send = first_token_s(samples) - (samples.sent_s - samples.scheduled_s)
    values = after_send[rows & np.isfinite(after_send)]
    if not len(values):
        return None
    return component("first token", values, float(latency(samples).mean()))


def component(name: str, values: FloatArray, total_s: float) -> Component:
    """Describe one column, in time order and not empty; `total_s` is the mean latency."""
    mean = float(values.mean())
    return Component(
        name=name,
        mean_s=mean,
        share=mean / total_s if total_s > 0.0 else 0.0,
        count=len(values),
        **_quantiles(values),
    )


def answered(samples: Samples) -> BoolArray:
    """Which requests got a whole answer, right or wrong."""
    whole = samples.answered
    for instant in (samples.sent_s, samples.first_byte_s, samples.finished_s):
        whole &= np.isfinite(instant)
    return whole


def _quantiles(values: FloatArray) -> Mapping[str, Quantile | None]:
    estimates = estimate_quantiles(values, (MEDIAN, TAIL))
    found = {level: Quantile(value=e.value, low=e.low, high=e.high) for level, e in estimates.items()}
    return {"p50": found.get(MEDIAN), "p99": found.get(TAIL)}
