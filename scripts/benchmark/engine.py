"""The load engine beside wrk, k6 and hey; see scripts/benchmark/engine.

The server answers from memory and is the slower side, so requests a second say what the server can do; the client's
worth is requests per second of its own CPU time. All run in turn, the client on one CPU and the server on another,
every client at the same priority and each of them on one CPU alone. Two kinds of answers: *equal* ones, which our
engine knows byte for byte once it has checked one, and *different* ones (an id in each), which it parses and checks one
by one. Of the others, k6 discards the bodies, which is its fastest way.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import testers
from table import machine, markdown
from testers import Run

from tuner.load.model import LoadWindow
from tuner.load.process.local import LocalGenerator

CONNECTIONS = (16, 64)
LATE_RPS = 5000.0
WINDOW_ROWS = 100_000
Figures = dict[str, list[tuple[float, float]]]
"""By "CONNECTIONS CLIENT", a pair a round: requests a second, and requests per second of the client's CPU time."""


def figure(run: Run) -> tuple[float, float]:
    if run.failed:
        sys.exit(f"{run.failed} of {run.requests} requests failed")
    return run.requests / run.seconds, run.requests / run.cpu_s


def ours(generator: LocalGenerator, connections: int, seconds: float) -> Run:
    return testers.ours(generator, LoadWindow(arrival="closed", duration_s=seconds, connections=connections))


def throughput(rounds: int, seconds: float, cpus: tuple[int, int]) -> Figures:
    figures: Figures = {}
    absent = testers.missing()
    client, serving = cpus
    with ExitStack() as stack:
        equal = stack.enter_context(testers.server("--cpu", str(serving)))
        different = stack.enter_context(testers.server("--cpu", str(serving), "--different"))
        plain, parsing, checking = (
            stack.enter_context(LocalGenerator(testers.target(url, protocol, (client,))))
            for url, protocol in ((equal, "http"), (different, "http"), (different, "seldon"))
        )
        for generator in (plain, parsing, checking):  # started, bound, and their connections open
            ours(generator, max(CONNECTIONS), 0.2)
        bind = testers.like(plain.pid)
        clients: dict[str, Callable[[int], Run]] = {
            "wrk": lambda n: testers.wrk(equal, n, seconds, bind),
            "k6": lambda n: testers.k6(equal, n, seconds, bind),
            "hey": lambda n: testers.hey(equal, n, seconds, bind),
            "ours, equal answers": lambda n: ours(plain, n, seconds),
            "ours, different answers": lambda n: ours(parsing, n, seconds),
            "ours, different answers, JSON checked": lambda n: ours(checking, n, seconds),
        }
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for name, run in clients.items():
                    if name not in absent:
                        figures.setdefault(f"{connections} {name}", []).append(figure(run(connections)))
    return figures


def lateness(rounds: int, seconds: float, cpus: tuple[int, int]) -> list[dict[str, float]]:
    """Of each round at a constant rate, in ms where in time."""
    found = []
    stage = LoadWindow(arrival="constant", rate_rps=LATE_RPS, duration_s=seconds, connections=16)
    with (
        testers.server("--cpu", str(cpus[1])) as url,
        LocalGenerator(testers.target(url, cpus=(cpus[0],))) as generator,
    ):
        generator.run(stage)
        for _ in range(rounds):
            samples = generator.run(stage)
            late = samples.lateness_s * 1e3
            found.append(
                {
                    **{
                        name: float(np.quantile(late, q)) for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
                    },
                    "CPU": samples.generator_cpu_s / samples.generator_elapsed_s,
                    "latency p50": float(np.quantile(samples.latency_s, 0.5) * 1e3),
                    "latency p99": float(np.quantile(samples.latency_s, 0.99) * 1e3),
                }
            )
    return found


def memory(requests: int, cpus: tuple[int, int]) -> list[tuple[int, float]]:
    """(requests so far, the generator's resident MiB) after each window."""
    found, sent = [], 0
    stage = LoadWindow(arrival="constant", rate_rps=20_000, duration_s=WINDOW_ROWS / 20_000, connections=16)
    with (
        testers.server("--cpu", str(cpus[1])) as url,
        LocalGenerator(testers.target(url, cpus=(cpus[0],))) as generator,
    ):
        while sent < requests:
            sent += len(generator.run(stage))
            pages = int(Path(f"/proc/{generator.pid}/statm").read_text().split()[1])
            found.append((sent, pages * os.sysconf("SC_PAGESIZE") / 2**20))
    return found


def show(figures: Figures, late: list[dict[str, float]], resident: list[tuple[int, float]]) -> None:
    rows = []
    for name, pairs in figures.items():
        reference = figures.get(f"{name.split()[0]} wrk", pairs)
        ratios = [mine[1] / theirs[1] for mine, theirs in zip(pairs, reference, strict=True)]
        rps, per_cpu = (statistics.median(pair[index] for pair in pairs) for index in (0, 1))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        connections, client = name.split(maxsplit=1)
        rows.append((client, connections, f"{rps:,.0f}", f"{per_cpu:,.0f}", f"{statistics.median(ratios):.2f}", spread))
    head = ("client", "connections", "requests/s", "per client CPU s", "of wrk's", "in its rounds")
    print(markdown(head, rows))
    print(
        f"\nA constant {LATE_RPS:g}/s over 16 connections from one CPU, in ms; CPU is the share of it that was used:\n"
    )
    names = list(late[0])
    print(
        markdown(
            ("round", *names), [(str(n), *(f"{each[name]:.3f}" for name in names)) for n, each in enumerate(late, 1)]
        )
    )
    if resident:
        print(f"\nResident memory of the generator, in windows of {WINDOW_ROWS:,} requests:\n")
        print(markdown(("requests", "MiB"), [(f"{sent:,}", f"{mib:.1f}") for sent, mib in resident]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/engine")
    parser.add_argument("--rounds", type=int, default=5, help="of each client, in turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run (default: 3)")
    parser.add_argument("--requests", type=int, default=1_000_000, help="for the memory (default: 1000000; 0: none)")
    parser.add_argument("--json", action="store_true", help="all figures of all rounds as JSON")
    given = parser.parse_args()
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        sys.exit("two CPUs are needed, one for the client and one for the server; this process may use one")
    cpus = (allowed[0], allowed[1])
    for name, why in testers.missing().items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    figures = throughput(given.rounds, given.seconds, cpus)
    late = lateness(given.rounds, given.seconds, cpus)
    resident = memory(given.requests, cpus)
    if given.json:
        print(json.dumps({"figures": figures, "lateness_ms": late, "resident_mib": resident}))
        return
    show(figures, late, resident)
    print(f"\n{machine(**testers.versions())}")


if __name__ == "__main__":
    main()
