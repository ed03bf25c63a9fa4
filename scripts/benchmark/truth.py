"""Measured latencies of queues beside their closed forms; see scripts/benchmark/truth."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.measure.closed_forms import quantile  # noqa: E402
from tuner.load.local import LocalGenerator  # noqa: E402
from tuner.load.model import Request, Stage, Target  # noqa: E402
from tuner.measure.model import FloatArray, Samples  # noqa: E402
from tuner.measure.quantiles import estimate_quantiles  # noqa: E402

LEVELS = (0.5, 0.9, 0.99)
CONNECTIONS = 128
LEAD = 1200.0
"""Mean service times that are cut from the start of each run, over (1 - load) / 0.1: a queue that begins empty needs
some of its relaxation times, 1 / (1 - sqrt(load)) ** 2 services, to forget it."""


@dataclass(frozen=True)
class Cell:
    queue: str
    load: float
    mean_s: float
    """Long enough that a round trip on loopback is a few percent of the median."""
    requests: int
    """A run, after the lead: enough for 5 % over all runs, the latencies being correlated."""

    @property
    def workers(self) -> int:
        return 1 if self.queue == "M/D/1" else int(self.queue.removeprefix("M/M/"))

    @property
    def rate_rps(self) -> float:
        return self.load * self.workers / self.mean_s

    @property
    def lead_s(self) -> float:
        return LEAD * self.mean_s / self.workers * min(1.0, 0.01 / (1.0 - self.load) ** 2)


CELLS = (
    Cell("M/M/1", 0.5, 0.005, 1200),
    Cell("M/M/1", 0.8, 0.002, 9000),
    Cell("M/M/1", 0.9, 0.001, 24000),
    Cell("M/D/1", 0.5, 0.006, 1000),
    Cell("M/D/1", 0.8, 0.002, 8000),
    Cell("M/D/1", 0.9, 0.001, 12000),
    Cell("M/M/4", 0.5, 0.005, 2000),
    Cell("M/M/4", 0.8, 0.004, 6000),
    Cell("M/M/4", 0.9, 0.004, 16000),
)


@contextmanager
def server(cell: Cell, seed: int) -> Iterator[str]:
    kind = "constant" if cell.queue == "M/D/1" else "exponential"
    command = [
        sys.executable,
        ROOT / "tests/servers/queueing.py",
        "--service",
        kind,
        "--mean",
        f"{cell.mean_s * 1e3}ms",
    ]
    child = subprocess.Popen(
        # not the seed of any schedule: the same draws would be gaps and service times
        [*command, "--workers", str(cell.workers), "--seed", str(1_000_000 + seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.stdin.close()
        child.wait(timeout=10)
        child.stdout.close()


def measured(cell: Cell, seeds: range, share: float) -> list[tuple[FloatArray, float]]:
    """By run: latencies in the order scheduled, without the lead, and the p99 of the generator's lateness."""
    found = []
    request = Request(method="GET", path="/", headers={}, body=b"")
    with (
        server(cell, seeds.start) as url,
        LocalGenerator(Target(urls=(url,), protocol="http", requests=(request,))) as generator,
    ):
        for seed in seeds:
            stage = Stage(
                arrival="poisson",
                rate_rps=cell.rate_rps,
                duration_s=cell.lead_s + share * cell.requests / cell.rate_rps,
                connections=CONNECTIONS,
                timeout_s=30.0,
                seed=seed,
            )
            found.append(_kept(generator.run(stage), cell.lead_s))
    return found


def round_trip_s() -> float:
    """What a request costs beyond the queue: the median where none waits, less the service time."""
    cell = Cell("M/D/1", 0.2, 0.004, 0)
    request = Request(method="GET", path="/", headers={}, body=b"")
    with (
        server(cell, 0) as url,
        LocalGenerator(Target(urls=(url,), protocol="http", requests=(request,))) as generator,
    ):
        stage = Stage(arrival="constant", rate_rps=cell.rate_rps, duration_s=4.0, connections=CONNECTIONS)
        latency_s, _ = _kept(generator.run(stage), 1.0)
    return float(np.median(latency_s)) - cell.mean_s


def _kept(samples: Samples, lead_s: float) -> tuple[FloatArray, float]:
    if (samples.status != 200).any():
        raise SystemExit(f"{int((samples.status != 200).sum())} requests failed: that was no measurement")
    kept = samples.scheduled_s >= lead_s
    late = (samples.sent_s - samples.scheduled_s)[kept & ~samples.waited]
    return (samples.finished_s - samples.scheduled_s)[kept], float(np.quantile(late, 0.99)) if len(late) else 0.0


def row(cell: Cell, runs: list[tuple[FloatArray, float]], overhead_s: float) -> tuple[str, bool]:
    pooled = np.sort(np.concatenate([latency_s for latency_s, _ in runs]))
    shown, near, held, told = [], True, 0, 0
    intervals = [estimate_quantiles(latency_s, LEVELS) for latency_s, _ in runs]
    for level in LEVELS:
        truth_s = quantile(cell.queue, cell.load, level) * cell.mean_s
        value_s = float(pooled[math.ceil(len(pooled) * level) - 1])
        error = value_s / truth_s - 1.0
        ends = [found[level] for found in intervals if level in found]
        true_s = truth_s + overhead_s
        covered = sum((e.low is None or e.low <= true_s) and (e.high is None or true_s <= e.high) for e in ends)
        whole = sum(e.low is not None and e.high is not None for e in ends)
        cover = covered / len(ends) if ends else 1.0
        near &= abs(error) <= 0.05
        held, told = held + covered, told + len(ends)
        shown.append(
            f"{truth_s * 1e3:.2f} | {value_s * 1e3:.2f} | {error:+.1%} | {cover:.0%} ({whole / len(runs):.0%})"
        )
    late_ms = float(np.median([late for _, late in runs])) * 1e3
    return (
        f"| {cell.queue} | {cell.load} | {len(pooled)} | {' | '.join(shown)} | {late_ms:.2f} |",
        near and held >= 0.93 * told,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/truth")
    parser.add_argument("--runs", type=int, default=100, help="runs of each queue (default: 100)")
    parser.add_argument("--pairs", type=int, default=6, help="servers with their generators at a time (default: 6)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual requests a run (default: 1.0)")
    parser.add_argument("--only", help="such as M/M/1@0.9")
    given = parser.parse_args()
    overhead_s = round_trip_s()
    columns = " | ".join(f"p{level * 100:g} true, ms | measured | error | covered" for level in LEVELS)
    print(f"| queue | load | requests | {columns} | lateness p99, ms |")
    print(f"|{' --- |' * (4 + 4 * len(LEVELS))}")
    all_good = True
    for cell in CELLS:
        if given.only and given.only != f"{cell.queue}@{cell.load}":
            continue
        each = math.ceil(given.runs / given.pairs)
        seeds = [range(at, min(at + each, given.runs)) for at in range(0, given.runs, each)]
        with ThreadPoolExecutor(len(seeds)) as pool:
            parts = pool.map(lambda part: measured(cell, part, given.share), seeds)  # noqa: B023
            line, good = row(cell, [run for part in parts for run in part], overhead_s)
        all_good &= good
        print(line, flush=True)
    print()
    print(
        "error: of all runs together, against the closed form; covered: runs whose 95 % interval holds the truth and a"
    )
    print(f"round trip of {overhead_s * 1e3:.2f} ms, which no queue has (in brackets: runs that could give both ends)")
    print(
        "all within 5 %, each queue's intervals holding the truth in at least 93 %"
        if all_good
        else "NOT all within 5 % and covered in 93 %"
    )
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
