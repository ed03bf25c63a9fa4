"""A measurement of before, put together from what was recorded of it."""

from __future__ import annotations

from tuner.backends.model import Recorded
from tuner.manifests.model import PodSet
from tuner.measure.cost import cost_per_hour, cost_per_million
from tuner.measure.model import Measurement, Usage, Window
from tuner.space.metrics import METRICS
from tuner.space.model import Prices
from tuner.statistics.model import Estimate
from tuner.trials.resources import requested

_OF_WINDOW = ("latency_", "ttft_", "itl_")


def replayed(recorded: Recorded, pods: PodSet, prices: Prices) -> Measurement:
    """Metrics that were not recorded are absent from it; but the cost, which then follows from the pods' requests."""
    metrics = recorded.metrics
    asked = requested(pods)
    cost = (
        metrics["cost"].value
        if "cost" in metrics
        else cost_per_hour(asked.cores, asked.memory_bytes, asked.gpus, prices)
    )
    capacity = metrics.get("throughput")
    cpu, memory = metrics.get("cpu"), metrics.get("memory")
    rate_rps = recorded.rate_rps or 0.0
    window = Window(
        offered_rps=rate_rps,
        achieved_rps=_answered_rps(metrics.get("cpu_per_request"), cpu, rate_rps),
        latency_s={name: value for name, value in metrics.items() if name.startswith(_OF_WINDOW)},
        error_ratio=metrics.get("error_ratio", Estimate(value=0.0)),
        errors={},
        requests=0,
        warm_up_s=0.0,
        lateness_p99_s=0.0,
        generator_cpu_ratio=0.0,
        replica_share=(),
        beyond_s=recorded.beyond_s,
    )
    return Measurement(
        at_rate=window,
        curve=(),
        throughput_rps=capacity,
        throughput_note="replayed" if capacity is not None else "not recorded",
        usage=Usage(
            cpu_cores=None if cpu is None else cpu.value,
            memory_peak_bytes=None if memory is None else int(memory.value),
        ),
        startup_s=metrics["startup"].value if "startup" in metrics else 0.0,
        requested_cores=asked.cores,
        requested_memory_bytes=asked.memory_bytes,
        requested_gpus=asked.gpus,
        cost_per_hour=cost,
        currency=prices.currency,
        cost_per_million=cost_per_million(cost, capacity.value) if capacity is not None else None,
        warnings=recorded.warnings,
        load_from="a record",
        recorded_speed=recorded.speed,
        not_recorded=_absent(recorded),
    )


def _answered_rps(per_request: Estimate | None, cpu: Estimate | None, rate_rps: float) -> float:
    """So that the CPU of a request comes out as it was recorded."""
    if per_request is not None and cpu is not None and per_request.value > 0.0:
        return cpu.value / per_request.value
    return rate_rps


def _absent(recorded: Recorded) -> tuple[str, ...]:
    """Of the metrics that every measurement of a server has, those that this one has not."""
    usual = ("error_ratio", "startup", "cpu_per_request")
    return tuple(name for name in METRICS if name in usual and name not in recorded.metrics)
