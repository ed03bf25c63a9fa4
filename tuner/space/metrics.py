"""The metrics a study can aim at or bound: their names, units and better direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["minimize", "maximize"]
Unit = Literal["rate", "seconds", "ratio", "money_per_hour", "cores", "bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A quantity that is measured of each trial. `better` is the direction a user would want."""

    name: str
    unit: Unit
    better: Direction
    meaning: str


LATENCY_PERCENTILES: tuple[tuple[str, float], ...] = (
    ("latency_p50", 0.50),
    ("latency_p90", 0.90),
    ("latency_p95", 0.95),
    ("latency_p99", 0.99),
    ("latency_p99.9", 0.999),
)

TTFT_PERCENTILES: tuple[tuple[str, float], ...] = (("ttft_p50", 0.50), ("ttft_p90", 0.90), ("ttft_p99", 0.99))
GAP_PERCENTILES: tuple[tuple[str, float], ...] = (("itl_p50", 0.50), ("itl_p90", 0.90), ("itl_p99", 0.99))

STREAM_METRICS = frozenset(name for name, _ in (*TTFT_PERCENTILES, *GAP_PERCENTILES))
"""Measured only of answers that are streams of tokens."""

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="throughput", unit="rate", better="maximize", meaning="highest offered rate that meets the SLO"),
        *(
            Metric(name=name, unit="seconds", better="minimize", meaning=f"{what} at the common rate, {q:.4g} quantile")
            for what, percentiles in (
                ("latency", LATENCY_PERCENTILES),
                ("time to a stream's first token", TTFT_PERCENTILES),
                ("time between a stream's tokens", GAP_PERCENTILES),
            )
            for name, q in percentiles
        ),
        Metric(name="error_ratio", unit="ratio", better="minimize", meaning="failed requests at the common rate"),
        Metric(name="cost", unit="money_per_hour", better="minimize", meaning="price of the requested resources"),
        Metric(name="cpu", unit="cores", better="minimize", meaning="CPU used by all replicas at the common rate"),
        Metric(
            name="cpu_per_request", unit="seconds", better="minimize", meaning="CPU time of an answered request there"
        ),
        Metric(name="memory", unit="bytes", better="minimize", meaning="peak memory of all replicas together"),
        Metric(
            name="startup",
            unit="seconds",
            better="minimize",
            meaning="time from deploying (on a cluster: from when node, volumes and images are there) to ready",
        ),
    )
}
