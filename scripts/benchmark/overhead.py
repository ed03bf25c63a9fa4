"""Per-trial overhead and the start of the commands; see scripts/benchmark/overhead."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.cli.study import journal, quick_space  # noqa: E402
from tests.cli.tune import Tune  # noqa: E402

TUNE = ROOT / ".venv" / "bin" / "tune"
RUNS = 7


def per_trial(trials: int) -> None:
    """A trial's own overhead, and the time between two trials: asking, the journal, telling, recorders."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        done = Tune(folder)("run", quick_space(folder), "--trials", str(trials), "--confirm", "0")
        if done.status not in (0, 1):
            sys.exit(done.err)
        found = journal(folder).trials
    inside = [trial.overhead_s for trial in found]
    between = [
        (after.started_at - (before.started_at + timedelta(seconds=before.duration_s))).total_seconds()
        for before, after in pairwise(found)
    ]
    whole = [a + b for a, b in zip(inside[1:], between, strict=True)]
    for name, values in (("within a trial", inside), ("between trials", between), ("together", whole)):
        shown = ", ".join(f"{value * 1000:.0f}" for value in sorted(values))
        print(f"{name:<16} median {median(values) * 1000:6.1f} ms   of {len(values)}: {shown}")


def start(*arguments: str) -> None:
    elapsed = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([TUNE, *arguments], check=True, capture_output=True, cwd=ROOT)
        elapsed.append(time.perf_counter() - began)
    print(f"tune {' '.join(arguments):<26} median {median(elapsed):.3f} s   fastest {min(elapsed):.3f} s")


if __name__ == "__main__":
    start("--help")
    start("check", "search_spaces/iris")
    per_trial(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
