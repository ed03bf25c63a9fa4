"""Runs windows of the engine in a test's own process."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import uvloop

from tests.load.grpc_servers import GrpcServer
from tests.load.servers import Server
from tuner.load.engine.engine import Engine
from tuner.load.model import LoadWindow, Target
from tuner.measure.samples import Samples
from tuner.workload.model import RequestSource, WorkloadSpec


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


def one_window(server: Server | GrpcServer, to: Callable[..., Target], stage: LoadWindow, **options: Any) -> Samples:
    """The samples of one window for `to` of the server's URL; the server is up meanwhile."""
    with server:
        (samples,) = run(to(server.url, **options), stage)
    return samples


def load(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The engine from a shell."""
    command = [sys.executable, "-m", "tuner.load", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)


def workload_of(folder: Path, body: bytes, **changes: Any) -> WorkloadSpec:
    """A workload of this one request, which is written into the folder."""
    file = folder / "request.json"
    file.write_bytes(body)
    return WorkloadSpec(**{"protocol": "http", "requests": (RequestSource(path=file),), **changes})


def free_port() -> int:
    """One on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def told_by(*command: str, lines: Sequence[str], answers: int) -> list[Any]:
    """What Python, run with this command, answers to the lines, a line of JSON each, before it ends well."""
    child = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("".join(f"{line}\n" for line in lines))
    child.stdin.flush()
    found = [json.loads(child.stdout.readline()) for _ in range(answers)]
    child.stdin.close()
    assert child.wait(10) == 0
    child.stdout.close()
    return found


def statuses(samples: Samples) -> Counter[int]:
    return Counter(samples.status.tolist())
