"""Our engine and wrk against one server, in turn, the client on one CPU and the server on another.

The server answers from memory and is the slower side, so requests a second say what the server can do; the client's
worth is requests per second of its own CPU time. Two kinds of answers: *equal* ones, which our engine knows byte for
byte once it has checked one, and *different* ones (an id in each), which it parses and checks one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvloop

from tuner.load.local import LocalGenerator
from tuner.load.model import Request, Stage, Target

BODY = b'{"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}}'
PATH = "/api/v1.0/predictions"
CONNECTIONS = (16, 64)
CLIENT_CPU, SERVER_CPU = 0, 1


class Answering(asyncio.Protocol):
    """Answers whatever comes in one piece, from memory."""

    different = False
    number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        Answering.number += self.different
        self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 87\r\n\r\n"
            b'{"data": {"ndarray": [[0.9548, 0.0451, 0.0001]]}, "meta": {"puid": "%016d"}}' % Answering.number
        )


async def serve(different: bool) -> None:
    os.sched_setaffinity(0, {SERVER_CPU})
    Answering.different = different
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server(different: bool) -> Iterator[str]:
    command = [sys.executable, __file__, "--server", "different" if different else "equal"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.kill()


def wrk(url: str, connections: int, seconds: float, script: Path, like: int) -> tuple[float, float]:
    """(requests a second, requests a second of client CPU), on the CPU and at the priority of the process `like`."""

    def bind() -> None:
        os.sched_setaffinity(0, os.sched_getaffinity(like))
        os.sched_setscheduler(0, os.sched_getscheduler(like), os.sched_getparam(like))

    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script), url + PATH]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=bind)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if count is None or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise SystemExit(f"wrk failed: {done.stdout}")
    return int(count[1]) / float(count[2]), int(count[1]) / cpu_s


def ours(generator: LocalGenerator, connections: int, seconds: float) -> tuple[float, float]:
    samples = generator.run(Stage(arrival="closed", duration_s=seconds, connections=connections))
    good = int((samples.status == 200).sum())
    if good != len(samples):
        raise SystemExit(f"{len(samples) - good} of {len(samples)} requests failed")
    return good / samples.generator_elapsed_s, good / samples.generator_cpu_s


def lateness_ms(generator: LocalGenerator, rate: float, seconds: float) -> dict[str, float]:
    samples = generator.run(Stage(arrival="constant", rate_rps=rate, duration_s=seconds, connections=16))
    late = (samples.sent_s - samples.scheduled_s)[~samples.waited]
    found = {name: float(np.quantile(late, q) * 1e3) for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}
    return found | {
        "free": len(late) / len(samples),
        "cpu": samples.generator_cpu_s / samples.generator_elapsed_s,
        "latency p50": float(np.quantile(samples.finished_s - samples.scheduled_s, 0.5) * 1e3),
        "latency p99": float(np.quantile(samples.finished_s - samples.scheduled_s, 0.99) * 1e3),
    }


def target(url: str, protocol: str) -> Target:
    headers = {"Content-Type": "application/json"}
    request = Request(method="POST", path=PATH, headers=headers, body=BODY)
    return Target(urls=(url,), protocol=protocol, requests=(request,), cpus=(CLIENT_CPU,))


def compare(rounds: int, seconds: float) -> dict[str, object]:
    figures: dict[str, list[tuple[float, float]]] = {}
    late: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, server(False) as equal, server(True) as different:
        script = Path(folder, "post.lua")
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = '{BODY.decode()}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        )
        with (
            LocalGenerator(target(equal, "http")) as plain,
            LocalGenerator(target(different, "http")) as parsing,
            LocalGenerator(target(different, "seldon")) as checking,
        ):
            for generator in (plain, parsing, checking):  # started, bound, and their connections open
                ours(generator, max(CONNECTIONS), 0.2)
            for _ in range(rounds):
                for connections in CONNECTIONS:
                    for name, figure in (
                        ("wrk", lambda n=connections: wrk(equal, n, seconds, script, plain.pid)),
                        ("ours, equal answers", lambda n=connections: ours(plain, n, seconds)),
                        ("ours, different answers, parsed", lambda n=connections: ours(parsing, n, seconds)),
                        ("ours, different answers, JSON checked", lambda n=connections: ours(checking, n, seconds)),
                    ):
                        figures.setdefault(f"{connections} {name}", []).append(figure())
                late.append(lateness_ms(plain, 5000.0, seconds))
    return {"figures": figures, "lateness_ms": late}


def show(result: dict[str, object]) -> None:
    figures: dict[str, list[tuple[float, float]]] = result["figures"]  # type: ignore[assignment]
    print(f"{'connections, client':48} {'requests/s':>11} {'per client CPU s':>17} {'of wrk':>7}  rounds of it")
    for name, pairs in figures.items():
        other = figures[f"{name.split()[0]} wrk"]
        ratios = [mine[1] / theirs[1] for mine, theirs in zip(pairs, other, strict=True)]
        rps, per_cpu = (statistics.median(pair[index] for pair in pairs) for index in (0, 1))
        spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:48} {rps:11,.0f} {per_cpu:17,.0f} {statistics.median(ratios):7.2f}  {spread}")
    late: list[dict[str, float]] = result["lateness_ms"]  # type: ignore[assignment]
    print("a constant 5000/s, lateness in ms where a connection was free (share: free), CPU ratio of the client:")
    for round_ in late:
        print("  " + "  ".join(f"{name} {value:.3f}" for name, value in round_.items()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true", help="all figures of all rounds as JSON")
    parser.add_argument("--server", choices=("equal", "different"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.server:
        uvloop.run(serve(given.server == "different"))
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not on PATH; install it (Debian: apt-get install wrk)")
    if not {CLIENT_CPU, SERVER_CPU} <= os.sched_getaffinity(0):
        sys.exit(f"CPUs {CLIENT_CPU} and {SERVER_CPU} are needed, this process may use {os.sched_getaffinity(0)}")
    result = compare(given.rounds, given.seconds)
    if given.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
