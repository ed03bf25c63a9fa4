"""What the requested resources are charged."""

from __future__ import annotations

from tuner.space.model import Prices

GIB = 2**30


def cost_per_hour(cores: float, memory_bytes: float, gpus: float, prices: Prices) -> float:
    """Price of an hour of all replicas' requested resources, in `prices.currency`."""
    return cores * prices.core_hour + memory_bytes / GIB * prices.gib_hour + gpus * prices.gpu_hour


def cost_per_million(cost_per_hour: float, rate_rps: float) -> float:
    """Price of a million requests served at `rate_rps` without a pause. Raises ValueError for a rate not above 0."""
    if not rate_rps > 0.0:
        raise ValueError(f"a cost per request needs a rate above 0/s, not {rate_rps:g}/s")
    return cost_per_hour / 3600.0 / rate_rps * 1e6
