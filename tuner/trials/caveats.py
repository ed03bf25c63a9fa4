"""What the figures of a window must be read with, from what the server used meanwhile."""

from __future__ import annotations

from tuner.measure.model import Usage, Window
from tuner.measure.window import hidden_spread

_THROTTLED = 0.05
"""Above this share of throttled periods the CPU limit shaped the latencies, and the user should know."""
_OTHERS_CORES = 0.1
"""Above this, other programs on the servers' CPUs can be seen in the tail of the latencies."""


def caveats(window: Window, usage: Usage) -> tuple[str, ...]:
    """Sentences for the user, those of the window itself first."""
    found = [*window.warnings, *hidden_spread(window, usage)]
    if usage.throttled_ratio is not None and usage.throttled_ratio > _THROTTLED:
        found.append(f"the CPU limit throttled the server in {usage.throttled_ratio:.0%} of the periods")
    if usage.others_cores is not None and usage.others_cores > _OTHERS_CORES:
        found.append(
            f"other programs used {usage.others_cores:.2g} cores of the servers' CPUs meanwhile: "
            "on a quiet machine the figures would be better"
        )
    return tuple(found)
