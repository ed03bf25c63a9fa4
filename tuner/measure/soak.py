"""A steady load over a long time, window by window: what grows, and what was used in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuner.measure.model import Usage, Window
from tuner.statistics.trend import Trend, trend

SETTLING = 0.2
"""Share of a soak that is left out of its trends: caches fill, heaps find their size."""
_FIELDS = {"latency_p50": "latency_p50_s", "latency_p99": "latency_p99_s", "memory": "memory_bytes"}
"""What has a trend: the field of a moment, by metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One window of a soak, as far as it could be measured."""

    at_s: float
    """Its middle, since the soak began."""
    latency_p50_s: float | None
    latency_p99_s: float | None
    memory_bytes: int | None
    cpu_cores: float | None
    error_ratio: float


def moment(at_s: float, window: Window, usage: Usage) -> Moment:
    p50, p99 = (window.latency_s.get(name) for name in ("latency_p50", "latency_p99"))
    return Moment(
        at_s=at_s,
        latency_p50_s=None if p50 is None else p50.value,
        latency_p99_s=None if p99 is None else p99.value,
        memory_bytes=usage.memory_peak_bytes,
        cpu_cores=usage.cpu_cores,
        error_ratio=window.error_ratio.value,
    )


def trends(moments: Sequence[Moment]) -> Iterator[tuple[str, Trend]]:
    """By metric, of the settled part; what fewer moments have than a trend needs is absent."""
    settled = moments[int(len(moments) * SETTLING) :]
    for metric, field in _FIELDS.items():
        known = [(one.at_s, value) for one in settled if (value := getattr(one, field)) is not None]
        at_s, values = np.array(known, dtype=np.float64).reshape(-1, 2).T
        found = trend(at_s, values)
        if found is not None:
            yield metric, found


def measured(moments: Sequence[Moment]) -> tuple[str, ...]:
    """Metrics that at least one moment has."""
    return tuple(metric for metric, field in _FIELDS.items() if any(getattr(one, field) is not None for one in moments))


def total(usages: Sequence[Usage]) -> Usage:
    """Over all windows: means, and the peak of the memory."""

    def mean(field: str) -> float | None:
        known = [getattr(usage, field) for usage in usages if getattr(usage, field) is not None]
        return sum(known) / len(known) if known else None

    memory = [usage.memory_peak_bytes for usage in usages if usage.memory_peak_bytes is not None]
    return replace(
        usages[-1],
        cpu_cores=mean("cpu_cores"),
        memory_peak_bytes=max(memory, default=None),
        throttled_ratio=mean("throttled_ratio"),
        others_cores=mean("others_cores"),
        restarts=sum(usage.restarts for usage in usages),
    )
