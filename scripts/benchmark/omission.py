"""A frozen server under a constant rate; see scripts/benchmark/omission.

The arithmetic: a request that is due t seconds before the server wakes up waits t, all others do not wait. With n
requests of which f fall into the freeze of F seconds, the q-quantile is F (1 - (1 - q) n / f) where that is positive.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable

import testers
from table import machine, markdown
from testers import QUANTILES, Run

from tuner.load.model import LoadWindow
from tuner.load.process.local import LocalGenerator

FREEZE_AT_S, FREEZE_S = 3.0, 2.0
CONNECTIONS = 16
SHOWN = ("p50", "p90", "p99", "p99.9", "max")


def arithmetic(rate: float, seconds: float) -> Run:
    requests, frozen = rate * seconds, rate * FREEZE_S
    latency_s = {
        name: max(0.0, FREEZE_S * (1 - (1 - level / 100) * requests / frozen)) for name, level in QUANTILES.items()
    }
    return Run(requests=int(requests), failed=0, seconds=seconds, cpu_s=0.0, latency_s={**latency_s, "max": FREEZE_S})


def ours(url: str, rate: float, seconds: float) -> Run:
    cpus = (min(os.sched_getaffinity(0)),)
    stage = LoadWindow(arrival="constant", rate_rps=rate, duration_s=seconds, connections=CONNECTIONS, timeout_s=30.0)
    with LocalGenerator(testers.target(url, cpus=cpus)) as generator:
        return testers.ours(generator, stage)


def runs(rate: float, seconds: float) -> dict[str, Callable[[str], Run]]:
    users = int(rate * (FREEZE_S + 1)) + CONNECTIONS
    found: dict[str, Callable[[str], Run]] = {
        "ours, constant rate": lambda url: ours(url, rate, seconds),
        "k6, constant-arrival-rate": lambda url: testers.k6(url, users, seconds, rate=rate),
        f"hey -q, closed loop of {CONNECTIONS}": lambda url: testers.hey(url, CONNECTIONS, seconds, rate=rate),
        f"wrk, closed loop of {CONNECTIONS}, corrected by it": lambda url: testers.wrk(url, CONNECTIONS, seconds),
    }
    absent = testers.missing()
    for name, why in absent.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    return {label: run for label, run in found.items() if label.split()[0].strip(",") not in absent}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/omission")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (default: 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run (default: 10)")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    given = parser.parse_args()
    found = {"the arithmetic": arithmetic(given.rate, given.seconds)}
    for label, run in runs(given.rate, given.seconds).items():
        # a server of its own for each: it freezes so long after the first request
        with testers.server("--freeze-at", str(FREEZE_AT_S), "--freeze-for", str(FREEZE_S)) as url:
            found[label] = run(url)
    if given.json:
        print(json.dumps({label: dataclasses.asdict(run) for label, run in found.items()}))
        return
    rows = [
        (label, f"{run.requests}", str(run.failed), *(f"{run.latency_s[name] * 1e3:,.1f}" for name in SHOWN))
        for label, run in found.items()
    ]
    print(f"A server frozen for {FREEZE_S:g} s of {given.seconds:g} s, {given.rate:g}/s asked for; latencies in ms.\n")
    print(markdown(("client", "requests", "failed", *SHOWN), rows))
    print(f"\n{machine(**testers.versions())}")


if __name__ == "__main__":
    main()
