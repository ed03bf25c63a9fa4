"""How often `tune compare` is right: identical configurations, and a true difference; see scripts/benchmark/same."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tuner.commands.compare import Settings, compare
from tuner.errors import EnvironmentFailure
from tuner.measure.comparison_text import headline
from tuner.measure.paired import Verdict
from tuner.targets.model import TargetOptions
from tuner.targets.named import subject

TOY = Path(__file__).parents[2] / "tests" / "servers"
SERVICE_MS = 10.0
"""Whole milliseconds, as A's times 1.1 are: the server's timer knows no finer ones."""
WORKERS = 8
SPACE = """\
name: {name}
manifest: deployment.yaml
parameters:
  workers: {{int: [1, 8], set: env/TOY_WORKERS}}
workload:
  protocol: seldon
  request: request.json
  rate: {rate:g}/s
  warm_up: 300ms
objectives: {{throughput: maximize}}
local:
  command: [{python}, toy.py]
  folder: ..
"""


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    headline: str
    pairs: int
    load_s: float
    """Of the side that had more."""
    wall_s: float
    restarts_differ: float | None


def configuration(place: Path, name: str, service_ms: float, rate_rps: float) -> Path:
    """A search space of the toy server: `WORKERS` requests at once, each by a timer of `service_ms`."""
    folder = place / name
    shutil.copytree(TOY / "toy", folder)
    text = (folder / "deployment.yaml").read_text()
    for old, new in (
        ('value: "4"', f'value: "{service_ms:g}"'),
        ('value: "1"', f'value: "{WORKERS}"'),
        ("cpu: 500m", 'cpu: "1"'),
    ):
        if old not in text:
            sys.exit(f"{TOY}/toy/deployment.yaml holds no {old!r} any more")
        text = text.replace(old, new)
    (folder / "deployment.yaml").write_text(text)
    (folder / "space.yaml").write_text(SPACE.format(name=name, rate=rate_rps, python=sys.executable))
    return folder


def outcome(a: Path, b: Path, settings: Settings, seed: int) -> Outcome:
    options = TargetOptions(seed=seed)
    sides = [subject(str(side), options=options) for side in (a, b)]
    began = time.monotonic()
    try:
        found = compare(*sides, settings, on_stage=lambda _: None)
    except EnvironmentFailure as failure:
        wall_s = time.monotonic() - began
        return Outcome("undecided", str(failure), pairs=0, load_s=0.0, wall_s=wall_s, restarts_differ=None)
    effect = found.assessment.effect(found.terms.metric)
    return Outcome(
        verdict=found.assessment.verdict,
        headline=headline(found),
        pairs=len(found.pairs),
        load_s=max(found.load_s),
        wall_s=time.monotonic() - began,
        restarts_differ=None if effect is None else effect.restarts_differ,
    )


def series(name: str, a: Path, b: Path, settings: Settings, count: int, log: IO[str]) -> list[Outcome]:
    found = []
    for number in range(count):
        one = outcome(a, b, settings, seed=10_000 * number)
        found.append(one)
        print(json.dumps({"series": name, **asdict(one)}), file=log, flush=True)
        print(f"{name} {number + 1}/{count}, {one.wall_s:.0f} s: {one.headline}", file=sys.stderr, flush=True)
    return found


def row(name: str, wanted: Verdict, found: list[Outcome], target: float) -> str:
    verdicts = Counter(one.verdict for one in found)
    share = verdicts[wanted] / len(found)
    others = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items() if verdict != wanted) or "none"
    load, pairs = ([getattr(one, field) for one in found] for field in ("load_s", "pairs"))
    restarts = [one.restarts_differ for one in found if one.restarts_differ is not None]
    return (
        f"| {name} | {len(found)} | {verdicts[wanted]} ({share:.1%}; target {target:.0%}) | {others} "
        f"| {statistics.median(load):.1f} s, {max(load):.1f} s | {statistics.median(pairs):g}, {max(pairs)} "
        f"| {statistics.median(restarts) if restarts else 0.0:.1%} | {sum(one.wall_s for one in found) / 60:.1f} min |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/same")
    parser.add_argument("--pairs", type=int, default=40, help="comparisons of each kind")
    parser.add_argument("--slower", type=float, default=1.10, help="service time of B over A's where they differ")
    parser.add_argument("--metric", default="latency_p50")
    parser.add_argument("--rate", type=float, default=320.0)
    parser.add_argument("--time", type=float, default=42.0, help="most seconds of load for each side of a comparison")
    parser.add_argument("--restarts", type=int, default=18, help="most pairs of restarts in a comparison")
    parser.add_argument("--json", type=Path, default=Path(os.devnull), help="a line of JSON for each comparison")
    given = parser.parse_args()
    settings = Settings(pairs=given.restarts, time_s=given.time, metric=given.metric)
    with tempfile.TemporaryDirectory() as folder, given.json.open("w") as log:
        place = Path(folder)
        shutil.copy(TOY / "toy.py", place)
        os.environ["XDG_STATE_HOME"] = str(place / "state")
        a = configuration(place, "a", SERVICE_MS, given.rate)
        twin = configuration(place, "twin", SERVICE_MS, given.rate)
        slower = configuration(place, "slower", SERVICE_MS * given.slower, given.rate)
        same = series("same", a, twin, settings, given.pairs, log)
        different = series("different", a, slower, settings, given.pairs, log)
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(
        f"By {given.metric} at {given.rate:g}/s of a server with {WORKERS} workers that takes {SERVICE_MS:g} ms a request ({machine}).\n"
    )
    print(
        "| sides | comparisons | right | wrong | load a side: median, most | pairs of restarts: median, most "
        "| restarts differ | took |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(row("identical: no difference", "no difference", same, 0.95))
    print(row(f"service time x {given.slower:g}: worse", "worse", different, 0.90))


if __name__ == "__main__":
    main()
