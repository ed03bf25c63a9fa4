"""The process backend beside the Kubernetes backend; see scripts/benchmark/agree."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TUNE = ROOT / ".venv" / "bin" / "tune"


def study(folder: Path, space: Path, trials: int, *options: str) -> dict[str, Any]:
    began = time.monotonic()
    common = ["--trials", str(trials), "--confirm", "0", "--sampler", "random", "--seed", "1", "--json"]
    done = subprocess.run(
        [TUNE, "run", space.resolve(), *common, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        sys.exit((folder / "log").read_text()[-3000:])
    found: dict[str, Any] = json.loads(done.stdout)
    found["took_s"] = time.monotonic() - began
    return found


def throughputs(found: dict[str, Any]) -> dict[str, tuple[float | None, str]]:
    """By configuration: the throughput, None where it was not measured, and how the trial ended."""
    results = {}
    for trial in found["trials"]:
        metric = (trial["metrics"] or {}).get("throughput")
        name = " ".join(f"{knob}={value}" for knob, value in trial["configuration"].items())
        results[name] = (metric["value"] if metric else None, trial["outcome"]["name"])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/agree")
    parser.add_argument("space", type=Path)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--namespace", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        here = study(Path(one), given.space, given.trials)
        there = study(Path(other), given.space, given.trials, "--backend", "kubernetes", "--namespace", given.namespace)
    a, b = throughputs(here), throughputs(there)
    print(f"{'configuration':<60} {'processes':>12} {'cluster':>12}")
    for name in a:
        shown = [
            f"{value:.0f}/s" if value is not None else how for value, how in (a[name], b.get(name, (None, "not tried")))
        ]
        print(f"{name:<60} {shown[0]:>12} {shown[1]:>12}")
    known = [(a[name][0], b[name][0]) for name in a if name in b and a[name][0] is not None and b[name][0] is not None]
    pairs = list(combinations(known, 2))
    same = sum((p[0] - q[0]) * (p[1] - q[1]) > 0 for p, q in pairs)  # type: ignore[operator]
    print(f"{len(known)} configurations measured in both; of {len(pairs)} pairs {same} are in the same order")
    for name, found in (("processes", here), ("cluster", there)):
        choice = found["choice"]
        chosen = "none" if choice is None else f"trial {choice['candidate']['trial']}"
        print(f"{name}: {found['took_s']:.0f} s in all; chosen: {chosen}")


if __name__ == "__main__":
    main()
