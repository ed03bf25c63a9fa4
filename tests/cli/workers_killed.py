"""A study in PostgreSQL that workers run on a cluster, while all that takes part is killed at random moments: the workers,
whoever decides, and the database. Nothing may be lost, run twice or left behind.

`scripts/benchmark/kills --workers` does it twenty times and says what it saw.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.killed import Namespace
from tests.cli.study import quick_space
from tests.cli.tune import COMMAND, Tune
from tests.record.mlflow.stores import Postgres, postgres_programs, running

WORKERS = 2


@dataclass(frozen=True)
class OneOfSeveral(Tune):
    """`tune` on a machine of its own: nothing of it is another's but the database."""

    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "XDG_CACHE_HOME": str(self.folder / "cache"), "TUNE_STUDIES": self.url}


class Background:
    """A command whose words go to a file, so that nobody has to listen."""

    def __init__(self, tune: OneOfSeveral, *words: str) -> None:
        self._tune, self._words = tune, words
        self.start()

    def start(self) -> None:
        with (self._tune.folder / "said").open("ab") as said:
            self.running = subprocess.Popen(
                [*COMMAND, *self._words],
                cwd=self._tune.folder,
                env=self._tune.environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()

    def end(self) -> None:
        """Interrupted, so that it takes down what it deployed."""
        if self.running.poll() is None:
            self.running.send_signal(signal.SIGINT)
            self.running.wait(120)


@contextmanager
def database() -> Iterator[Postgres]:
    programs = postgres_programs()
    if programs is None:
        raise FileNotFoundError("no PostgreSQL is installed here (Debian: postgresql)")
    with running(programs) as server:
        yield server


def kill_all_kinds(folder: Path, place: Namespace, kills: int, seed: int, trials: int) -> Counter[str]:
    """Run a study to its end through so many kills; returns how often what was killed. Asserts that nothing is lost."""
    rng, killed = random.Random(seed), Counter[str]()
    with database() as server:
        url = f"postgresql://tuner@127.0.0.1:{server.port}/postgres"
        machines = [OneOfSeveral(folder / name, url=url) for name in ("decides", *map(str, range(WORKERS)))]
        for one in machines:
            one.folder.mkdir()
        space = quick_space(machines[0].folder)
        run = ("run", str(space), "--name", "far", "--resume", "--workers", "--parallel", str(WORKERS))
        options = ("--trials", str(trials), "--load", "here", "--tracking-uri", "none", *place.options)
        deciding = Background(machines[0], *run, *options)
        team = [Background(one, "worker", "far") for one in machines[1:]]
        kept: list[bytes] = []
        try:
            for _ in range(kills):
                time.sleep(rng.uniform(1.0, place.longest_s))
                which = rng.choice(("worker", "decider", "database"))
                if deciding.running.poll() is not None:
                    break
                killed[which] += 1
                if which == "worker":
                    rng.choice(team).kill()
                elif which == "decider":
                    deciding.kill()
                else:
                    server.stop(signal.SIGQUIT)
                    time.sleep(rng.uniform(0.0, 5.0))
                    server.start()
                kept = check_kept(url, kept)
                for one in (deciding, *team):
                    if one.running.poll() not in (None, 0, 1):
                        one.start()
            while deciding.running.wait() not in (0, 1):
                deciding.start()
                for one in team:
                    if one.running.poll() not in (None, 0):
                        one.start()
        finally:
            for one in (deciding, *team):
                one.end()
        kept = check_kept(url, kept)
        check_whole(kept, trials)
        end = time.monotonic() + place.collected_s
        while left := place.left(folder):
            assert time.monotonic() < end, f"{left} is left"
            machines[0]("clean", *place.options)
            time.sleep(1.0)
    return killed


def check_kept(url: str, before: list[bytes]) -> list[bytes]:
    """The trials of the journal of `far`, as the database has it: those of before among them, as they were."""
    import psycopg

    with psycopg.connect(url) as session:
        found = session.execute("SELECT line FROM tuner_line WHERE study = 'far' ORDER BY number").fetchall()
    now = [bytes(line) for (line,) in found if json.loads(bytes(line))["kind"] == "trial"]
    assert now[: len(before)] == before, "what was finished is lost or was run again"
    return now


def check_whole(kept: list[bytes], trials: int) -> None:
    numbers = [json.loads(line)["data"]["number"] for line in kept]
    assert numbers == list(range(len(numbers))), "lost, or run twice"
    assert len(numbers) >= trials
