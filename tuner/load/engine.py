"""The load engine: asyncio protocols under uvloop, keep-alive connections spread evenly over the replicas.

Latency is recorded from the instant a request was due, so a server that stalls cannot hide it (coordinated
omission; Gil Tene, "How NOT to Measure Latency"). What is checked of the answers: see `checks.AnswerChecks`.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from array import array
from collections.abc import Sequence

import numpy as np

from tuner.errors import GeneratorFailure
from tuner.load.checks import AnswerChecks
from tuner.load.connection import Replica
from tuner.load.model import Stage, Target
from tuner.load.protocols import protocol
from tuner.load.windows import ClosedWindow, OpenWindow, Setting
from tuner.measure.model import Samples

_PICKS = 65536
_OTHER_FILES = 64


class Engine:
    """Sends load windows to one target, one after the other; connections stay open between them."""

    def __init__(self, target: Target) -> None:
        """Raises GeneratorFailure for a target that cannot be sent to, ValueError for one that makes no sense."""
        if not target.urls or not target.requests:
            raise ValueError(f"a target has at least one URL and one request, not {target!r}")
        self._requests = target.requests
        self._replicas = [Replica(index, url, target.requests) for index, url in enumerate(target.urls)]
        self._checks = AnswerChecks(protocol(target.protocol, target.options), len(target.requests))

    async def run(self, stage: Stage) -> Samples:
        """Send one window and wait for its last answer, at most `timeout_s` after its end.

        The connections are divided evenly among the replicas, each getting at least one. Raises GeneratorFailure
        when this machine cannot make the load, ValueError for a stage that makes no sense.
        """
        self._divide(stage.connections)
        setting = Setting(
            loop=asyncio.get_running_loop(),
            replicas=self._replicas,
            checks=self._checks,
            pick=_picks([request.weight for request in self._requests], stage.seed),
        )
        is_closed = stage.arrival == "closed"
        window = ClosedWindow(setting, stage) if is_closed else OpenWindow(setting, stage)
        gc.collect()
        gc.freeze()
        gc.disable()
        cpu_s, began = time.process_time(), time.perf_counter()
        try:
            await window.run()
        finally:
            window.stop()
            self._drop(only_busy=True)  # none is, unless the window broke off
            gc.enable()
            gc.unfreeze()
        if window.broken is not None:
            raise GeneratorFailure(f"the load generator {window.broken}")
        return window.columns.samples(
            start=window.start,
            offered_rps=0.0 if is_closed else stage.rate_rps,
            window_s=stage.duration_s,
            connections=window.most_connections,
            connects=window.connects,
            cpu_s=time.process_time() - cpu_s,
            elapsed_s=time.perf_counter() - began,
        )

    def close(self) -> None:
        self._drop(only_busy=False)

    def _drop(self, *, only_busy: bool) -> None:
        for replica in self._replicas:
            for connection in tuple(replica.open):
                if connection.row >= 0 or not only_busy:
                    connection.drop()

    def _divide(self, connections: int) -> None:
        if connections < 1:
            raise ValueError(f"{connections} connections cannot carry load; give at least 1")
        _allow_files(connections + _OTHER_FILES)
        for index, replica in enumerate(self._replicas):
            share = connections // len(self._replicas) + (index < connections % len(self._replicas))
            replica.resize(max(1, share))


def _picks(weights: Sequence[float], seed: int) -> Sequence[int]:
    """Which request each row sends, drawn by weight."""
    if len(weights) == 1:
        return (0,)
    share = np.asarray(weights) / np.sum(weights)
    drawn = np.random.default_rng([seed, 1]).choice(len(weights), size=_PICKS, p=share)
    return array("l", drawn.astype(np.int64).tobytes())


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise GeneratorFailure(f"{count} open files are needed, {hard} are allowed here (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
