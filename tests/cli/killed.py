"""Kill -9 at random moments of a study, resumed each time: nothing may be lost, run twice or left behind.

`python -m tests.cli.killed 20` does it twenty times and says what it saw; the tests do it a few times.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cli.study import books, cgroups_of, journal, processes_below, quick_space
from tests.cli.tune import Tune
from tuner.errors import InputError
from tuner.trials.model import Trial


@dataclass(frozen=True)
class Kill:
    after_s: float
    finished: int
    """Trials in the journal when the tuner died."""
    left: int
    """Processes that outlived it, until they were cleaned away."""


def kill_and_resume(folder: Path, kills: int, seed: int, trials: int) -> list[Kill]:
    """Run a study to its end through `kills` kills; asserts after each that what was finished stays as it was."""
    tune, rng, seen = Tune(folder), random.Random(seed), []
    space = quick_space(folder)
    finished: tuple[Trial, ...] = ()
    for _ in range(kills):
        arguments = ("resume", "toy") if _begun(folder) else ("run", space, "--name", "toy", "--trials", trials)
        running = tune.start(*map(str, arguments))
        began = time.monotonic()
        # the whole range: while it starts, deploys, measures, writes
        delay_s = rng.uniform(0.2, 14.0)
        try:
            running.wait(delay_s)
        except Exception:
            running.kill()
        running.communicate()
        after_s = time.monotonic() - began
        left = processes_below(folder)
        cleaned = tune("clean")
        assert cleaned.status == 0, cleaned.err
        assert processes_below(folder) == [], "cleaning leaves no process"
        if not _begun(folder):
            seen.append(Kill(after_s, 0, len(left)))
            continue
        now = journal(folder).trials
        assert cgroups_of(journal(folder).start.study_id) == [], "cleaning leaves no control group"
        assert now[: len(finished)] == finished, "what was finished is lost or was run again"
        finished = now
        seen.append(Kill(after_s, len(finished), len(left)))
    ended = tune("resume", "toy") if _begun(folder) else tune("run", space, "--name", "toy", "--trials", str(trials))
    assert ended.status in (0, 1), ended.err
    kept = books(folder)
    assert kept.journal == kept.optuna == kept.mlflow, kept
    assert list(kept.journal) == list(range(len(kept.journal)))
    assert len(kept.journal) >= trials
    assert processes_below(folder) == []
    assert cgroups_of(journal(folder).start.study_id) == []
    return seen


def _begun(folder: Path) -> bool:
    try:
        return bool(journal(folder).start.study_id)
    except InputError:
        return False


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as place:
        for number, kill in enumerate(kill_and_resume(Path(place), count, seed=7, trials=12)):
            print(
                f"kill {number + 1}: after {kill.after_s:.2f} s, {kill.finished} trials finished, "
                f"{kill.left} processes outlived it and were cleaned away"
            )
        held = books(Path(place))
        print(f"journal, Optuna and MLflow agree on {len(held.journal)} trials; no process or control group is left")
