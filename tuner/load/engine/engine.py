"""The load engine: asyncio protocols under uvloop, keep-alive connections spread evenly over the replicas.

Latency is recorded from the instant a request was due, so a server that stalls cannot hide it (coordinated
omission; Gil Tene, "How NOT to Measure Latency"). What is checked of the answers: see `recording.checks.AnswerChecks`.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from tuner.errors import GeneratorFailure
from tuner.load.engine.loops import LEAD_S, ClosedLoop, LoadLoop, OpenLoop, Setting, ThinkingLoop
from tuner.load.engine.variants import Variants
from tuner.load.http1.connection import Incoming, Replica
from tuner.load.model import LoadWindow, Protocol, Reference, Request, StreamProtocol, Target
from tuner.load.protocols import expected_statuses, protocol
from tuner.load.protocols.checked import Checked
from tuner.load.protocols.held import Held
from tuner.load.recording.checks import AnswerChecks
from tuner.load.recording.suspension import Suspension
from tuner.measure.samples import Samples

_PICKS = 65536
_OTHER_FILES = 64


class Engine:
    """Sends load windows to one target, one after the other; connections stay open between them."""

    def __init__(self, target: Target) -> None:
        """Raises GeneratorFailure for a target that cannot be sent to, ValueError for one that makes no sense."""
        if not target.urls or not target.requests:
            raise ValueError(f"a target has at least one URL and one request, not {target!r}")
        self._requests = target.requests
        self._variants = Variants(target.requests)
        speaker = protocol(target.protocol, target.options)
        kind = _replica_kind(target.requests, speaker)
        self._replicas = [
            kind(index, url, target.requests, tls=target.tls, token=target.token)
            for index, url in enumerate(target.urls)
        ]
        incoming = Incoming()
        for replica in self._replicas:
            replica.incoming = incoming
        self._speaker = speaker
        self._checks = _checks(target, speaker, self._variants.origin)

    async def run(self, window: LoadWindow) -> Samples:
        """Send one window and wait for its last answer, at most `timeout_s` after its end.

        The connections are divided evenly among the replicas, each getting at least one. Raises GeneratorFailure
        when this machine cannot make the load, ValueError for a window that makes no sense.
        """
        return await self.send(self.prepare(window))

    def prepare(self, window: LoadWindow) -> LoadLoop:
        """Lay out one window, or this engine's share of it. Raises as `run` does."""
        part = self._divide(window.connections, *window.share)
        if self._variants.differ:
            self._draw(window)
        picks = _picks(window, [request.weight for request in self._requests], part)
        setting = Setting(
            loop=asyncio.get_running_loop(),
            replicas=self._replicas,
            checks=self._checks,
            pick=self._variants.spread(picks),
            part=part,
        )
        if window.arrival != "closed":
            return OpenLoop(setting, window)
        return ThinkingLoop(setting, window) if window.think_s else ClosedLoop(setting, window)

    async def send(self, loop: LoadLoop, at: float | None = None) -> Samples:
        """Send a prepared window, from this instant of the monotonic clock on; None: at once. Raises as `run` does."""
        window = loop.window
        suspension = Suspension(asyncio.get_running_loop())
        gc.collect()
        gc.freeze()
        gc.disable()
        if at is not None:
            await asyncio.sleep(max(0.0, at - LEAD_S - time.perf_counter()))
        try:
            use = await loop.run(at)
        finally:
            loop.stop()
            self._drop(only_busy=True)  # none is, unless the window broke off
            suspended_s = suspension.stop()
            gc.enable()
            gc.unfreeze()
        if loop.broken is not None:
            raise GeneratorFailure(f"the load generator {loop.broken}")
        checking, wrong = self._checks.settle(loop.columns.status)
        samples = loop.columns.samples(
            start=loop.start,
            offered_rps=0.0 if window.arrival == "closed" else window.rate_rps,
            window_s=window.duration_s,
            connections=loop.most_connections,
            connects=loop.connects,
            resent=loop.resent,
            timeout_s=window.timeout_s,
            use=use,
        )
        checking = None if checking is None else checking[: len(samples)]
        return replace(samples, checking=checking, wrong=wrong, suspended_s=suspended_s)

    def hold(self, reference: Reference) -> None:
        """Hold all answers against these, too, from the next window on."""
        self._checks.hold(Held(self._speaker, reference, self._requests))
        for replica in self._replicas:
            replica.forget()

    def _draw(self, window: LoadWindow) -> None:
        """Bodies of its own for each window and each engine's share of it."""
        requests = self._variants.draw(window.seed, *window.share)
        for replica in self._replicas:
            replica.load(requests)
        self._checks.forget()

    def close(self) -> None:
        self._drop(only_busy=False)

    def _drop(self, *, only_busy: bool) -> None:
        for replica in self._replicas:
            for connection in tuple(replica.open):
                if connection.row >= 0 or not only_busy:
                    connection.drop()

    def _divide(self, connections: int, number: int, engines: int) -> slice:
        """Give each replica its connections, and return which of the window's requests are sent from here.

        As many engines take part as can have a connection to each replica; the others have none and send nothing.
        """
        if connections < 1:
            raise ValueError(f"{connections} connections cannot carry load; give at least 1")
        if not 0 <= number < engines:
            raise ValueError(f"there is no engine {number} of {engines}")
        _allow_files(connections + _OTHER_FILES)
        replicas = len(self._replicas)
        parts = max(1, min(engines, connections // replicas))
        for index, replica in enumerate(self._replicas):
            whole = max(1, connections // replicas + (index < connections % replicas))
            here = whole // parts + ((number + index) % parts < whole % parts)
            replica.resize(here if number < parts else 0)
        return slice(number, None, parts) if number < parts else slice(0)


def _checks(target: Target, speaker: Protocol, origin: Sequence[int]) -> AnswerChecks:
    quick = speaker.check_paths if isinstance(speaker, Checked) and speaker.has_schema else None
    statuses = expected_statuses(target.protocol, target.options)
    return AnswerChecks(speaker, len(origin), statuses=statuses, origin=origin, quick=quick)


def _replica_kind(requests: Sequence[Request], speaker: Protocol) -> Callable[..., Replica]:
    if requests[0].grpc:
        from tuner.load.grpc.connection import GrpcReplica

        return GrpcReplica
    if any(request.streams for request in requests):
        from tuner.load.http1.streaming import StreamConnection

        return partial(Replica, kind=partial(StreamConnection, speaker=cast("StreamProtocol", speaker)))
    return Replica


def _picks(window: LoadWindow, weights: Sequence[float], part: slice) -> Sequence[int]:
    """Which request each row of this part sends: as the trace says, else drawn by weight."""
    if window.picks:
        return array("l", window.picks[part])
    if len(weights) == 1:
        return (0,)
    share = np.asarray(weights) / np.sum(weights)
    drawn = np.random.default_rng([window.seed, 1]).choice(len(weights), size=_PICKS, p=share)
    rows = (part.start or 0) + np.arange(_PICKS) * (part.step or 1)
    return array("l", drawn[rows % _PICKS].astype(np.int64).tobytes())


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise GeneratorFailure(f"{count} open files are needed, {hard} are allowed here (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
