"""The CPUs that the engine's process runs on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from tuner.errors import GeneratorFailure


def bind(cpus: Sequence[int]) -> None:
    """Keep to these CPUs and, where allowed, go before all else that wants them.

    On a busy machine the scheduler makes an ordinary process wait for milliseconds: requests would be sent late, and
    no window could be trusted. Without CPUs of its own the generator stays ordinary, or it would starve the server.
    """
    if cpus and hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:
            allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))))
            asked = ",".join(map(str, cpus))
            raise GeneratorFailure(
                f"the load generator cannot run on CPUs {asked} ({error.strerror}); it may on {allowed}"
            ) from None
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
