"""Runs windows of the engine in a test's own process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import uvloop

from tuner.load.engine.engine import Engine
from tuner.load.model import LoadWindow, Target
from tuner.measure.samples import Samples


def constant(rate: float = 200.0, duration: float = 0.25, connections: int = 4, timeout: float = 5.0) -> LoadWindow:
    return LoadWindow(
        arrival="constant", rate_rps=rate, duration_s=duration, connections=connections, timeout_s=timeout, seed=1
    )


def closed(duration: float = 0.2, connections: int = 4, timeout: float = 5.0) -> LoadWindow:
    return LoadWindow(arrival="closed", duration_s=duration, connections=connections, timeout_s=timeout)


def run(to: Target, *stages: LoadWindow, between: Callable[[], None] | None = None) -> list[Samples]:
    """The samples of each stage; `between` is called after each."""

    async def main() -> list[Samples]:
        found = []
        with closing(Engine(to)) as engine:
            for stage in stages:
                found.append(await engine.run(stage))
                if between is not None:
                    between()
        return found

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def statuses(samples: Samples) -> Counter[int]:
    return Counter(samples.status.tolist())
