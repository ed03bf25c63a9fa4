"""Samples with known parts, for what is added up."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.measure.model import Samples


def samples(n: int = 1000, *, remote_s: float = 0.010, **changes: Any) -> Samples:
    """Due every 10 ms, sent 50 us late, answered after `remote_s`, the last 1 ms of it receiving."""
    due = np.arange(n) / 100.0
    sent = due + 50e-6
    columns: dict[str, Any] = {
        "scheduled_s": due,
        "sent_s": sent,
        "first_byte_s": sent + remote_s - 0.001,
        "finished_s": sent + remote_s,
        "status": np.full(n, 200, dtype=np.int64),
        "replica": np.zeros(n, dtype=np.int64),
        "waited": np.zeros(n, dtype=np.bool_),
        "offered_rps": 100.0,
        "window_s": n / 100.0,
        "connections": 4,
        "generator_cpu_s": 0.1,
        "generator_elapsed_s": n / 100.0,
        "connect_s": np.full(n, np.nan),
    }
    return Samples(**(columns | changes))
