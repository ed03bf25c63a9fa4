"""The axis of a metric: its title, and the unit that its values are drawn in."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.report.plot import Axis, Scale
from tuner.space.metrics import METRICS

_FAR = 30.0
"""From this ratio on, values are drawn on a logarithmic axis."""
_MI = 1 << 20


def metric_axis(metric: str, values: Sequence[float], currency: str) -> tuple[Axis, float]:
    """The axis for these values (SI units; at least one), and what they are multiplied by there."""
    unit = METRICS[metric].unit
    text, times = {
        "rate": ("requests/s", 1.0),
        "ratio": ("%", 100.0),
        "money_per_hour": (f"{currency}/h", 1.0),
        "cores": ("cores", 1.0),
        "bytes": ("Mi", 1.0 / _MI),
    }.get(unit, ("", 1.0))
    if unit == "seconds":
        scale = Scale.of(values)
        text, times = scale.name, scale.per_s
    far = min(values) > 0.0 and max(values) / min(values) > _FAR
    return Axis(title=f"{metric.replace('_', ' ')} ({text})", scale="log" if far else "linear"), times
