"""`python -m tuner.load`: the load engine alone, from a shell or driven over standard input by `PipedGenerator`.

With `--serve` the first line of standard input is a target, each further line an order (`lines`). Each order is
answered by one line on standard output:

    stage   {"rows", "bytes", "sha256"}: of its samples, a .npz file (`samples_file`) that is kept in memory
    prepare {"prepared": true}: the stage is laid out
    begin   the same as for a stage: the one that was prepared starts at a given instant of the monotonic clock
    read    {"part"}: so many bytes of that file in base64, a megabyte at most
    ask     {"status", "body"}, the body in base64, or {"unanswered": "why"}
    any     {"error": "what is wrong"}

The process ends when its input does, in the middle of a window, too.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import uvloop

from tuner.errors import InputError, TunerError
from tuner.load.engine import Engine
from tuner.load.exchange import exchange
from tuner.load.lines import Ask, Begin, Prepare, Read, read_order, read_target
from tuner.load.model import Stage, Target, Unanswered
from tuner.load.protocols import NAMES
from tuner.load.requests import options, requests
from tuner.load.samples_file import dump, write
from tuner.load.windows import Window
from tuner.measure.model import FloatArray, Samples, Status
from tuner.space.model import RequestSource, WorkloadSpec
from tuner.units import rate, seconds

_PART_BYTES = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: sent; 2: bad input; 3: the generator failed; 130: interrupted."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.serve and (not given.url or (given.rate is None) != given.closed):
        parser.error("give --url, and either --rate or --closed")
    try:
        if given.serve:
            uvloop.run(_serve())
        else:
            samples = _window(_target(given), _stage(given), given.processes)
            if given.out is not None:
                write(samples, given.out)
            sys.stdout.write(json.dumps(summary(samples), indent=2) + "\n")
    except (InputError, ValueError) as error:
        return _say(error, 2)
    except (TunerError, OSError) as error:
        return _say(error, 3)
    except KeyboardInterrupt:
        return 130
    return 0


def summary(samples: Samples) -> dict[str, object]:
    """Bare figures of one window, for a quick look; `tuner.measure` judges whether they can be trusted."""
    good = samples.status == 200
    latency = (samples.finished_s - samples.scheduled_s)[good]
    lateness = (samples.sent_s - samples.scheduled_s)[~samples.waited & np.isfinite(samples.sent_s)]
    bad, counts = np.unique(samples.status[~good], return_counts=True)
    return {
        "requests": len(samples),
        "good": int(good.sum()),
        "errors": {_status_name(int(status)): int(count) for status, count in zip(bad, counts, strict=True)},
        "waited": int(samples.waited.sum()),
        "rate_rps": float(good.sum() / samples.window_s),
        "latency_s": _quantiles(latency),
        "lateness_s": _quantiles(lateness),
        "connections": samples.connections,
        "connects": samples.connects,
        "generator_cpu_ratio": samples.generator_cpu_ratio,
        "requests_per_cpu_s": len(samples) / samples.generator_cpu_s if samples.generator_cpu_s else None,
    }


def _window(target: Target, stage: Stage, processes: int) -> Samples:
    if processes == 1:
        return uvloop.run(_send(target, stage))
    from tuner.load.local import local_generator

    with local_generator(target, processes) as generator:
        return generator.run(stage)


async def _send(target: Target, stage: Stage) -> Samples:
    _bind(target.cpus)
    engine = Engine(target)
    try:
        return await engine.run(stage)
    finally:
        engine.close()


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


async def _serve() -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    loop = asyncio.get_running_loop()
    _, spoken = await loop.connect_read_pipe(lambda: _Lines(task), sys.stdin)
    try:
        target = read_target(await spoken.lines.get())
        _bind(target.cpus)
        server = _Server(target)
        while True:
            answer = await server.answer(await spoken.lines.get())
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except asyncio.CancelledError:
        return


class _Server:
    """Carries out the orders, one after the other."""

    def __init__(self, target: Target) -> None:
        self._engine = Engine(target)
        self._prepared: Window | None = None
        self._samples = b""

    async def answer(self, line: bytes) -> dict[str, object]:
        try:
            match read_order(line):
                case Stage() as stage:
                    return self._keep(await self._engine.run(stage))
                case Prepare(stage=stage):
                    self._prepared = self._engine.prepare(stage)
                    return {"prepared": True}
                case Begin(at=at):
                    window, self._prepared = self._prepared, None
                    if window is None:
                        raise ValueError("nothing was prepared")
                    return self._keep(await self._engine.send(window, at))
                case Read(offset=offset):
                    return {"part": base64.b64encode(self._samples[offset : offset + _PART_BYTES]).decode()}
                case Ask() as ask:
                    # in a thread: the end of standard input ends this process meanwhile, too
                    answer = await asyncio.to_thread(exchange, ask.url, ask.request, ask.timeout_s)
                    return {"status": answer.status, "body": base64.b64encode(answer.body).decode()}
        except Unanswered as unanswered:
            return {"unanswered": str(unanswered)}
        except (TunerError, ValueError, OSError) as error:
            return {"error": str(error)}

    def _keep(self, samples: Samples) -> dict[str, object]:
        self._samples = dump(samples)
        digest = hashlib.sha256(self._samples).hexdigest()
        return {"rows": len(samples), "bytes": len(self._samples), "sha256": digest}


def _bind(cpus: Sequence[int]) -> None:
    """Keep to these CPUs and, where allowed, go before all else that wants them.

    On a busy machine the scheduler makes an ordinary process wait for milliseconds: requests would be sent late, and
    no window could be trusted. Without CPUs of its own the generator stays ordinary, or it would starve the server.
    """
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


def _target(given: argparse.Namespace) -> Target:
    headers = dict(header.split(":", 1) for header in given.header)
    workload = WorkloadSpec(
        protocol=given.protocol,
        requests=tuple(RequestSource(path=path) for path in given.body or [Path(os.devnull)]),
        path=given.path,
        method=given.method or ("POST" if given.body else "GET"),
        headers={name: value.strip() for name, value in headers.items()},
        model=given.model,
    )
    urls = tuple(url.rstrip("/") for url in given.url)
    return Target(
        urls=urls, protocol=given.protocol, requests=requests(workload), cpus=given.cpus, options=options(workload)
    )


def _stage(given: argparse.Namespace) -> Stage:
    return Stage(
        arrival="closed" if given.closed else given.arrival,
        rate_rps=given.rate or 0.0,
        duration_s=given.duration,
        connections=given.connections,
        timeout_s=given.timeout,
        seed=given.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tuner.load",
        description="Put a model server under load and print what became of the requests, as JSON.",
        epilog="example: python -m tuner.load --url http://127.0.0.1:9000 --protocol seldon --body request.json "
        "--rate 100/s --duration 5s",
    )
    add = parser.add_argument
    add("--url", action="append", help="base URL of a replica; may be repeated")
    add("--protocol", choices=NAMES, default="http", help="how the server is spoken to (default: http)")
    add("--body", action="append", type=Path, metavar="FILE", help="file with a request's body; may be repeated")
    add("--path", help="request path instead of the protocol's usual one")
    add("--method", help="HTTP method (protocol http; default: POST with a body, else GET)")
    add("--header", action="append", default=[], metavar="NAME:VALUE", help="header to send; may be repeated")
    add("--model", help="model name in the paths of v2 and tensorflow")
    add("--rate", type=rate, help="open loop: requests offered, such as 100/s")
    add("--arrival", choices=("constant", "poisson"), default="poisson", help="open loop: gaps (default: poisson)")
    add("--closed", action="store_true", help="closed loop: every connection sends as soon as it has its answer")
    add("--duration", type=seconds, default=5.0, help="length of the window (default: 5s)")
    add("--connections", type=int, default=16, help="most connections, over all replicas (default: 16)")
    add("--timeout", type=seconds, default=5.0, help="time after which a request counts as failed (default: 5s)")
    add("--seed", type=int, default=0, help="seed of the arrival times (default: 0)")
    add("--cpus", type=_cpus, default=(), help="CPUs to run on, such as 0,1")
    add("--processes", type=int, default=1, help="engine processes, each on its own of the CPUs (default: 1)")
    add("--out", type=Path, metavar="FILE", help="write the samples here (.npz)")
    add("--serve", action="store_true", help="take a target and orders as lines of JSON from standard input")
    return parser


def _cpus(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _status_name(status: int) -> str:
    return f"http {status}" if status >= 100 else Status(status).name.lower().replace("_", " ")


def _quantiles(values: FloatArray) -> dict[str, float]:
    if not len(values):
        return {}
    return {name: float(np.quantile(values, q)) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1))}


def _say(error: Exception, status: int) -> int:
    sys.stderr.write(f"{error}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
