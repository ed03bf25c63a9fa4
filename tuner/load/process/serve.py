"""`python -m tuner.load --serve`: the end of the pipe that sends the load.

The first line of standard input is a target, each further line an order (`lines`). Each order is answered by
one line on standard output:

    stage   {"rows", "bytes", "sha256"}: of its samples, a .npz file (`samples_file`) that is kept in memory
    prepare {"prepared": true, "now"}: the window is laid out; and what the monotonic clock shows there
    begin   the same as for `stage`: the window that was prepared starts at a given instant of the monotonic clock
    hold    {"held": true}: answers are held against these from the next window on
    read    {"part"}: so many bytes of that file in base64, a megabyte at most
    ask     {"status", "body", "location"}, the body in base64, or {"unanswered": "why", and its attributes}
    any     {"error": "what is wrong"}

The process ends when its input does, in the middle of a window, too.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
from urllib.parse import urlsplit

from tuner.errors import TunerError
from tuner.load.control.exchange import exchange
from tuner.load.engine.cpus import bind
from tuner.load.engine.engine import Engine
from tuner.load.engine.loops import LoadLoop
from tuner.load.model import LoadWindow, Target, Unanswered
from tuner.load.process.lines import Ask, Begin, Hold, Prepare, Read, read_order, read_target
from tuner.load.process.samples_file import dump
from tuner.measure.samples import Samples

_PART_BYTES = 1 << 20


async def serve() -> None:
    """Answer orders until standard input ends."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    loop = asyncio.get_running_loop()
    _, spoken = await loop.connect_read_pipe(lambda: _Lines(task), sys.stdin)
    try:
        target = read_target(await spoken.lines.get())
        bind(target.cpus)
        server = _Server(target)
        while True:
            answer = await server.answer(await spoken.lines.get())
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except asyncio.CancelledError:
        return


class _Lines(asyncio.Protocol):
    """The lines of standard input. Its end ends the task that runs, at once."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._task = task
        self._begun = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self.lines.put_nowait(line)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._task.cancel()


class _Server:
    """Carries out the orders, one after the other."""

    def __init__(self, target: Target) -> None:
        self._engine = Engine(target)
        self._target = target
        self._prepared: LoadLoop | None = None
        self._samples = b""

    async def answer(self, line: bytes) -> dict[str, object]:
        try:
            match read_order(line):
                case LoadWindow() as window:
                    return self._keep(await self._engine.run(window))
                case Prepare(window=window):
                    self._prepared = self._engine.prepare(window)
                    return {"prepared": True, "now": time.perf_counter()}
                case Begin(at=at):
                    prepared, self._prepared = self._prepared, None
                    if prepared is None:
                        raise ValueError("nothing was prepared")
                    return self._keep(await self._engine.send(prepared, at))
                case Hold(reference=reference):
                    self._engine.hold(reference)
                    return {"held": True}
                case Read(offset=offset):
                    return {"part": base64.b64encode(self._samples[offset : offset + _PART_BYTES]).decode()}
                case Ask() as ask:
                    # in a thread: the end of standard input ends this process meanwhile, too
                    answer = await asyncio.to_thread(
                        exchange, ask.url, ask.request, ask.timeout_s, self._target.tls, self._token(ask.url)
                    )
                    body = base64.b64encode(answer.body).decode()
                    return {"status": answer.status, "body": body, "location": answer.location}
        except Unanswered as unanswered:
            return {"unanswered": str(unanswered), **vars(unanswered)}
        except (TunerError, ValueError, OSError) as error:
            return {"error": str(error)}

    def _token(self, url: str) -> str:
        """For the target alone."""
        hosts = {urlsplit(each).netloc for each in self._target.urls}
        return self._target.token if urlsplit(url).netloc in hosts else ""

    def _keep(self, samples: Samples) -> dict[str, object]:
        self._samples = dump(samples)
        digest = hashlib.sha256(self._samples).hexdigest()
        return {"rows": len(samples), "bytes": len(self._samples), "sha256": digest}
