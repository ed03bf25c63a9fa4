"""Samples with known columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tuner.measure.samples import Samples
from tuner.statistics.model import FloatArray


def rows(scheduled_s: Sequence[float] | FloatArray, **changes: Any) -> Samples:
    """A window of good answers, each of which came when its request was due, but for `changes`."""
    due = np.asarray(scheduled_s, dtype=np.float64)
    n = len(due)
    columns: dict[str, Any] = {
        **dict.fromkeys(("scheduled_s", "sent_s", "first_byte_s", "finished_s"), due),
        "status": np.full(n, 200, dtype=np.int64),
        "replica": np.zeros(n, dtype=np.int64),
        "waited": np.zeros(n, dtype=np.bool_),
        "offered_rps": 10.0,
        "window_s": 1.0,
        "connections": 4,
        "generator_cpu_s": 0.1,
        "generator_elapsed_s": 1.0,
    }
    return Samples(**(columns | changes))


def samples(n: int = 1000, *, remote_s: float = 0.010, **changes: Any) -> Samples:
    """Due every 10 ms, sent 50 us late, answered after `remote_s`, the last 1 ms of it receiving."""
    due = np.arange(n) / 100.0
    sent = due + 50e-6
    columns: dict[str, Any] = {
        "sent_s": sent,
        "first_byte_s": sent + remote_s - 0.001,
        "finished_s": sent + remote_s,
        "offered_rps": 100.0,
        "window_s": n / 100.0,
        "generator_elapsed_s": n / 100.0,
        "connect_s": np.full(n, np.nan),
    }
    return rows(**({"scheduled_s": due} | columns | changes))
