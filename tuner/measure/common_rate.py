"""The offered rate at which latencies of all configurations are compared, when the user named none."""

from __future__ import annotations

import math

SHARE = 0.5


def derive(capacity_rps: float) -> float:
    """Half of the baseline's capacity, rounded to two significant digits.

    At half load queues form now and then, so that configurations differ, and the baseline meets its SLO with room
    for noise; a configuration half as able as the baseline is still not flooded. Raises ValueError for a capacity
    that is not a positive number.
    """
    if not (capacity_rps > 0.0 and math.isfinite(capacity_rps)):
        raise ValueError(f"a common rate needs a capacity above 0/s, not {capacity_rps:g}/s")
    return float(f"{capacity_rps * SHARE:.1e}")
