"""Our gRPC and k6's against one server, in turn, closed loop, one connection a virtual user in both.

The server is grpcio's, in Python, and by far the slower side: calls a second say what it can do. The client's worth is
calls per second of its own CPU time. k6's CPU time is counted less that of a run of one call, so that reading its
script and the .proto file costs it nothing. Two kinds of answers: *equal* ones, and *different* ones (a number in
each), which our engine cannot know by their bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from tuner.load.model import LoadWindow, Request, Target
from tuner.load.process.local import LocalGenerator

CONNECTIONS = (1, 16, 64)
CLIENT_CPU, SERVER_CPU = 0, 1
PROTO = """
syntax = "proto3";
package benchmark;
service Echo {
  rpc Equal(Features) returns (Answer);
  rpc Different(Features) returns (Answer);
}
message Features { repeated double values = 1; }
message Answer { int64 number = 1; repeated double values = 2; }
"""
SCRIPT = """
import grpc from 'k6/net/grpc';
const client = new grpc.Client();
client.load([__ENV.FOLDER], 'echo.proto');
export default () => {
  if (__ITER == 0) client.connect(__ENV.ADDRESS, { plaintext: true });
  const answer = client.invoke('benchmark.Echo/' + __ENV.METHOD, { values: [5.1, 3.5, 1.4, 0.2] });
  if (!answer || answer.status !== grpc.StatusOK) throw new Error('not OK');
};
"""
VALUES = b"\x12\x18" + bytes(24)
MESSAGE = b"\x0a\x20" + bytes(32)
_METHODS = ("Equal", "Different")


def serve() -> None:
    os.sched_setaffinity(0, {SERVER_CPU})
    numbers = itertools.count(1)

    def equal(request: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG001
        return b"\x08\x07" + VALUES

    def different(request: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG001
        number = next(numbers)
        return b"\x08" + bytes([number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14 & 0x7F]) + VALUES

    handlers = {
        "Equal": grpc.unary_unary_rpc_method_handler(equal),
        "Different": grpc.unary_unary_rpc_method_handler(different),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmark.Echo", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()


@contextmanager
def server() -> Iterator[int]:
    command = [sys.executable, __file__, "--server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.kill()


class K6:
    """k6 on the CPU and at the priority of the process `like`."""

    def __init__(self, program: str, folder: Path, port: int, like: int) -> None:
        self._program, self._folder, self._port, self._like = program, folder, port, like
        self._start_cpu_s = {method: self._run(method, ("--iterations", "1"))[1] for method in _METHODS}

    def __call__(self, method: str, connections: int, seconds: float) -> tuple[float, float]:
        """(calls a second, calls a second of client CPU)"""
        count, cpu_s = self._run(method, ("--vus", str(connections), "--duration", f"{seconds}s"))
        return count / seconds, count / (cpu_s - self._start_cpu_s[method])

    def _run(self, method: str, options: tuple[str, ...]) -> tuple[int, float]:
        def bind() -> None:
            os.sched_setaffinity(0, os.sched_getaffinity(self._like))
            os.sched_setscheduler(0, os.sched_getscheduler(self._like), os.sched_getparam(self._like))

        summary = self._folder / "summary.json"
        told = {"FOLDER": str(self._folder), "ADDRESS": f"127.0.0.1:{self._port}", "METHOD": method}
        command = [self._program, "run", "--quiet", "--no-usage-report", "--summary-export", str(summary), *options]
        command += [part for name, value in told.items() for part in ("--env", f"{name}={value}")]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, str(self._folder / "echo.js")], capture_output=True, text=True, check=False, preexec_fn=bind
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or "not OK" in done.stderr:
            raise SystemExit(f"k6 failed: {done.stderr}{done.stdout}")
        count = json.loads(summary.read_text())["metrics"]["iterations"]["count"]
        return int(count), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(generator: LocalGenerator, connections: int, seconds: float) -> tuple[float, float]:
    samples = generator.run(LoadWindow(arrival="closed", duration_s=seconds, connections=connections))
    good = int(samples.good.sum())
    if good != len(samples):
        raise SystemExit(f"{len(samples) - good} of {len(samples)} calls failed")
    return good / samples.generator_elapsed_s, good / samples.generator_cpu_s


def target(port: int, method: str) -> Target:
    request = Request(
        method="POST", path=f"/benchmark.Echo/{method}", headers={}, body=MESSAGE, grpc=True, timeout_s=60.0
    )
    return Target(urls=(f"grpc://127.0.0.1:{port}",), protocol="grpc", requests=(request,), cpus=(CLIENT_CPU,))


def compare(program: str, rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    figures: dict[str, list[tuple[float, float]]] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        server() as port,
        LocalGenerator(target(port, "Equal")) as equal,
        LocalGenerator(target(port, "Different")) as different,
    ):
        folder = Path(name)
        (folder / "echo.proto").write_text(PROTO)
        (folder / "echo.js").write_text(SCRIPT)
        generators = {"Equal": equal, "Different": different}
        for generator in generators.values():  # started, bound, and their connections open
            ours(generator, max(CONNECTIONS), 0.2)
        k6 = K6(program, folder, port, equal.pid)
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for method in _METHODS:
                    what = f"{connections} {method.lower()} answers,"
                    figures.setdefault(f"{what} k6", []).append(k6(method, connections, seconds))
                    figures.setdefault(f"{what} ours", []).append(ours(generators[method], connections, seconds))
    return figures


def show(figures: dict[str, list[tuple[float, float]]]) -> None:
    print(f"{'connections, answers, client':36} {'calls/s':>9} {'per client CPU s':>17} {'of k6':>7}  rounds of it")
    for name, pairs in figures.items():
        other = figures[f"{name.rpartition(',')[0]}, k6"]
        ratios = [mine[1] / theirs[1] for mine, theirs in zip(pairs, other, strict=True)]
        rps, per_cpu = (statistics.median(pair[index] for pair in pairs) for index in (0, 1))
        spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:36} {rps:9,.0f} {per_cpu:17,.0f} {statistics.median(ratios):7.2f}  {spread}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/grpc", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true", help="all figures of all rounds as JSON")
    parser.add_argument("--k6", default="k6", help=argparse.SUPPRESS)
    parser.add_argument("--server", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.server:
        serve()
        return
    if not {CLIENT_CPU, SERVER_CPU} <= os.sched_getaffinity(0):
        sys.exit(f"CPUs {CLIENT_CPU} and {SERVER_CPU} are needed, this process may use {os.sched_getaffinity(0)}")
    figures = compare(given.k6, given.rounds, given.seconds)
    if given.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()
