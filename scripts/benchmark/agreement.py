"""Load testers side by side; see scripts/benchmark/agreement.

The server answers each request by itself after an exponential time (M/G/infinity), so that closed and open loops see
the same latencies, and whoever measures rightly tells the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
from collections.abc import Callable

import testers
from table import machine, markdown
from testers import Run

from tuner.load.model import LoadWindow
from tuner.load.process.local import LocalGenerator

MEAN_MS = 5.0
CONNECTIONS = 64
SHOWN = ("p50", "p90", "p95", "p99")


def runs(url: str, generator: LocalGenerator, rate: float, seconds: float) -> dict[str, Callable[[], Run]]:
    """The closed loops have so many connections that they send about as much."""
    few = max(1, round(rate * (MEAN_MS + 0.5) / 1e3))
    stage = LoadWindow(arrival="constant", rate_rps=rate, duration_s=seconds, connections=CONNECTIONS)
    bind = testers.like(generator.pid)
    found: dict[str, Callable[[], Run]] = {
        f"ours, constant {rate:g}/s": lambda: testers.ours(generator, stage),
        f"k6, constant {rate:g}/s": lambda: testers.k6(url, CONNECTIONS, seconds, bind, rate=rate),
        f"wrk, closed loop of {few}": lambda: testers.wrk(url, few, seconds, bind),
        f"hey -q, closed loop of {2 * few}": lambda: testers.hey(url, 2 * few, seconds, bind, rate=rate),
    }
    absent = testers.missing()
    for name, why in absent.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    return {label: run for label, run in found.items() if label.split()[0].strip(",") not in absent}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/agreement")
    parser.add_argument(
        "--rate",
        type=float,
        default=970.0,
        help="requests a second; not in step with the server's timer of 1 ms (default: 970)",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run (default: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turn (default: 3)")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    given = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    found: dict[str, list[Run]] = {}
    with (
        testers.server("--mean-ms", str(MEAN_MS), "--cpu", str(cpus[-1])) as url,
        LocalGenerator(testers.target(url, cpus=(cpus[0],))) as generator,
    ):
        testers.ours(generator, LoadWindow(arrival="closed", duration_s=0.5, connections=CONNECTIONS))
        for _ in range(given.rounds):
            for label, run in runs(url, generator, given.rate, given.seconds).items():
                found.setdefault(label, []).append(run())
    if given.json:
        print(json.dumps({label: [dataclasses.asdict(run) for run in each] for label, each in found.items()}))
        return
    print(
        f"Each answer after {MEAN_MS:g} ms on average (exponential); medians of {given.rounds} runs, latencies in ms.\n"
    )
    print(markdown(("client", "requests/s", "failed", *SHOWN), [row(label, each) for label, each in found.items()]))
    print(f"\n{machine(**testers.versions())}")


def row(label: str, each: list[Run]) -> tuple[str, ...]:
    rate = statistics.median((run.requests - run.failed) / run.seconds for run in each)
    latencies = [statistics.median(run.latency_s[name] for run in each) * 1e3 for name in SHOWN]
    return (label, f"{rate:,.0f}", str(sum(run.failed for run in each)), *(f"{value:.2f}" for value in latencies))


if __name__ == "__main__":
    main()
