"""Measured latencies of queues beside their closed forms; see scripts/benchmark/truth."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Barrier

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.measure.closed_forms import quantile  # noqa: E402
from tests.servers.queueing import Queue, services  # noqa: E402
from tuner.load.model import LoadWindow, Request, Target  # noqa: E402
from tuner.load.process.local import LocalGenerator  # noqa: E402
from tuner.measure.samples import Samples  # noqa: E402
from tuner.statistics.model import BoolArray, FloatArray  # noqa: E402
from tuner.statistics.quantiles import estimate_quantiles  # noqa: E402

LEVELS = (0.5, 0.9, 0.99)
CONNECTIONS = 128
ALL_RPS = 4800.0
"""Of all servers at a time: two CPUs are then busy for some half of the time. Beyond that they wait for each other."""
GRID = 4000
EDGE_S = 1.5
"""Cut from both ends of each run at least: other pairs lay out their windows then, or send in what they measured."""
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
        return int(self.queue.split("/")[2])

    @property
    def service(self) -> str:
        return "constant" if "/D/" in self.queue else "exponential"

    @property
    def rate_rps(self) -> float:
        return self.load * self.workers / self.mean_s

    @property
    def pairs(self) -> int:
        """Servers with their generators at a time."""
        return min(24, int(ALL_RPS / self.rate_rps))

    @property
    def lead_s(self) -> float:
        return max(EDGE_S, LEAD * self.mean_s / self.workers * min(1.0, 0.01 / (1.0 - self.load) ** 2))


CELLS = (
    Cell("M/M/1", 0.5, 0.010, 3000),
    Cell("M/M/1", 0.8, 0.005, 12000),
    Cell("M/M/1", 0.9, 0.002, 24000),
    Cell("M/D/1", 0.5, 0.020, 2000),
    Cell("M/D/1", 0.8, 0.004, 8000),
    Cell("M/D/1", 0.9, 0.002, 12000),
    Cell("M/M/4", 0.5, 0.016, 4000),
    Cell("M/M/4", 0.8, 0.008, 6000),
    Cell("M/M/4", 0.9, 0.006, 20000),
)


@dataclass(frozen=True)
class Run:
    latency_s: FloatArray
    """In the order scheduled, without what is cut from both ends."""
    extra_s: FloatArray
    """What each was longer than in the queue alone."""
    late_s: float
    """The p99 of the generator's lateness."""


@contextmanager
def server(cell: Cell, seed: int) -> Iterator[str]:
    command = [
        sys.executable,
        ROOT / "tests/servers/queueing.py",
        "--service",
        cell.service,
        "--mean",
        f"{cell.mean_s * 1e3}ms",
    ]
    child = subprocess.Popen(
        [*command, "--workers", str(cell.workers), "--seed", str(seed)],
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


def measured(cell: Cell, seeds: range, share: float, in_step: Barrier, steps: int) -> list[Run]:
    """The runs begin in step with the other pairs', after one that is not counted: a process that starts or ends takes
    the CPUs from all of them.
    """
    found = []
    request = Request(method="GET", path="/", headers={}, body=b"")
    seed = 1_000_000 + seeds.start  # that of no schedule: the same draws would be gaps and service times
    drawn = services(cell.service, cell.mean_s, seed)
    with (
        server(cell, seed) as url,
        LocalGenerator(Target(urls=(url,), protocol="http", requests=(request,))) as generator,
    ):
        first = LoadWindow(arrival="constant", rate_rps=cell.rate_rps, duration_s=0.5, connections=CONNECTIONS)
        _queued_s(generator.run(first), cell, drawn)
        for step in range(steps):
            in_step.wait()
            if step >= len(seeds):
                continue
            stage = LoadWindow(
                arrival="poisson",
                rate_rps=cell.rate_rps,
                duration_s=cell.lead_s + share * cell.requests / cell.rate_rps + EDGE_S,
                connections=CONNECTIONS,
                timeout_s=30.0,
                seed=seeds[step],
            )
            samples = generator.run(stage)
            kept = (samples.scheduled_s >= cell.lead_s) & (samples.scheduled_s < stage.duration_s - EDGE_S)
            found.append(_run(samples, _queued_s(samples, cell, drawn), kept))
        in_step.wait()
    return found


def together(cell: Cell, runs: int, share: float, pairs: int) -> list[Run]:
    """`measured` of all runs, by so many pairs of a server and its generator at a time."""
    each = math.ceil(runs / pairs)
    seeds = [range(at, min(at + each, runs)) for at in range(0, runs, each)]
    part = partial(measured, cell, share=share, in_step=Barrier(len(seeds)), steps=each)
    with ThreadPoolExecutor(len(seeds)) as pool:
        return [run for found in pool.map(part, seeds) for run in found]


def with_extra(cell: Cell, extra_s: FloatArray) -> FloatArray:
    """The closed form's quantiles at `LEVELS` of a latency to which an independent extra is added, seconds."""
    at = np.arange(0.5, GRID) / GRID
    queue_s = np.array([quantile(cell.queue, cell.load, level) for level in at]) * cell.mean_s
    sums: FloatArray = np.quantile(queue_s[:, None] + np.quantile(extra_s, at[:: GRID // 500])[None, :], LEVELS)
    return sums


def _queued_s(samples: Samples, cell: Cell, drawn: Iterator[float]) -> FloatArray:
    """What the queue alone would have made of these very arrivals and service times."""
    queue = Queue(cell.workers, drawn)
    return np.array([queue.done(at) - at for at in samples.scheduled_s.tolist()])


def _run(samples: Samples, queued_s: FloatArray, kept: BoolArray) -> Run:
    if not samples.good.all():
        raise SystemExit(f"{int((~samples.good).sum())} requests failed: that was no measurement")
    late = (samples.sent_s - samples.scheduled_s)[kept & ~samples.waited]
    latency_s = samples.finished_s - samples.scheduled_s
    return Run(
        latency_s=latency_s[kept],
        extra_s=(latency_s - queued_s)[kept],
        late_s=float(np.quantile(late, 0.99)) if len(late) else 0.0,
    )


def row(cell: Cell, runs: list[Run]) -> tuple[str, bool]:
    pooled = np.sort(np.concatenate([run.latency_s for run in runs]))
    shown, near, held, told = [], True, 0, 0
    intervals = [estimate_quantiles(run.latency_s, LEVELS) for run in runs]
    true_s = [dict(zip(LEVELS, with_extra(cell, run.extra_s), strict=True)) for run in runs]
    for level in LEVELS:
        truth_s = quantile(cell.queue, cell.load, level) * cell.mean_s
        value_s = float(pooled[math.ceil(len(pooled) * level) - 1])
        error = value_s / truth_s - 1.0
        ends = [(found[level], true[level]) for found, true in zip(intervals, true_s, strict=True) if level in found]
        covered = sum((e.low is None or e.low <= at_s) and (e.high is None or at_s <= e.high) for e, at_s in ends)
        whole = sum(e.low is not None and e.high is not None for e, _ in ends)
        cover = covered / len(ends) if ends else 1.0
        near &= abs(error) <= 0.05
        held, told = held + covered, told + len(ends)
        shown.append(
            f"{truth_s * 1e3:.2f} | {value_s * 1e3:.2f} | {error:+.1%} | {cover:.0%} ({whole / len(runs):.0%})"
        )
    extra_ms, late_ms = (
        1e3 * float(np.median(each))
        for each in ([np.median(run.extra_s) for run in runs], [run.late_s for run in runs])
    )
    return (
        f"| {cell.queue} | {cell.load} | {len(pooled)} | {' | '.join(shown)} | {extra_ms:.2f} | {late_ms:.2f} |",
        near and held >= 0.93 * told,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/truth")
    parser.add_argument("--runs", type=int, default=100, help="runs of each queue (default: 100)")
    parser.add_argument(
        "--pairs", type=int, help=f"servers with their generators at a time (default: {ALL_RPS:g} requests/s)"
    )
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual requests a run (default: 1.0)")
    parser.add_argument("--only", help="such as M/M/1@0.9")
    given = parser.parse_args()
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))  # servers and generators inherit it
    except PermissionError:
        print("ordinary priority: all share the CPUs by turns of milliseconds, which the latencies will show\n")
    columns = " | ".join(f"p{level * 100:g} true, ms | measured | error | covered" for level in LEVELS)
    print(f"| queue | load | requests | {columns} | extra, ms | lateness p99, ms |")
    print(f"|{' --- |' * (5 + 4 * len(LEVELS))}")
    all_good = True
    for cell in CELLS:
        if given.only and given.only != f"{cell.queue}@{cell.load}":
            continue
        line, good = row(cell, together(cell, given.runs, given.share, given.pairs or cell.pairs))
        all_good &= good
        print(line, flush=True)
    print()
    print(
        "error: of all runs together, against the closed form; covered: runs whose 95 % interval holds the truth and the"
    )
    print(
        "extra, which no queue has: what sending and waking up took beyond the queue of the run's own arrivals and service"
    )
    print("times (in brackets: runs whose interval has both ends)")
    print(
        "all within 5 %, each queue's intervals holding the truth in at least 93 %"
        if all_good
        else "NOT all within 5 % and covered in 93 %"
    )
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
