"""Kill -9 at random moments of a study, resumed each time: nothing may be lost, run twice or left behind.

`scripts/benchmark/kills` does it twenty times and says what it saw; the tests do it a few times.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cli.study import agreed_books, cgroups_of, journal, processes_below, quick_space
from tests.cli.tune import Tune
from tuner.errors import InputError
from tuner.trials.model import Trial


class Place(Protocol):
    """Where the study's trials run."""

    options: tuple[str, ...]
    of_run: tuple[str, ...]
    """Further ones of `tune run` alone."""
    longest_s: float
    """So long after its start the tuner is killed at most: within one of its first trials."""
    collected_s: float
    """Within so long what was cleaned away is gone."""

    def left(self, folder: Path) -> list[str]:
        """What is there of the study's trials."""
        ...


class Here:
    """This machine."""

    options: tuple[str, ...] = ()
    of_run: tuple[str, ...] = ()
    longest_s = 14.0
    collected_s = 10.0  # servers go at once; a load generator ends by itself, when it notices that its tuner is gone

    def left(self, folder: Path) -> list[str]:
        found = [f"process {pid}" for pid in processes_below(folder)]
        if _begun(folder):
            found += [f"control group {path}" for path in cgroups_of(journal(folder).start.study_id)]
        return found


class Namespace:
    """A namespace of a cluster, made for the study."""

    of_run: tuple[str, ...] = ()
    longest_s = 25.0
    collected_s = 60.0  # pods go at once, what else they had is left to the cluster's garbage collector

    def __init__(self, kubectl: list[str], name: str) -> None:
        self._kubectl = [*kubectl, "--namespace", name]
        self.options = ("--backend", "kubernetes", "--namespace", name)

    def left(self, folder: Path) -> list[str]:
        kinds = "deployments,replicasets,pods,services,configmaps,jobs"
        query = ["get", kinds, "-l", "app.kubernetes.io/managed-by=tuner", "-o", "name"]
        found = subprocess.run([*self._kubectl, *query], capture_output=True, text=True, check=True).stdout.split()
        return found + [f"process {pid}" for pid in processes_below(folder)]


@contextmanager
def namespace(kubeconfig: Path, kubectl: str) -> Iterator[Namespace]:
    """A new namespace, gone afterwards."""
    name = f"kills-{secrets.token_hex(3)}"
    command = [kubectl, f"--kubeconfig={kubeconfig}"]
    subprocess.run([*command, "create", "namespace", name], check=True, capture_output=True)
    try:
        yield Namespace(command, name)
    finally:
        subprocess.run([*command, "delete", "namespace", name, "--wait=false"], check=True, capture_output=True)


@dataclass(frozen=True)
class Kill:
    after_s: float
    finished: int
    """Trials in the journal when the tuner died."""
    left: int
    """Things that outlived it, until they were cleaned away."""


def kill_and_resume(folder: Path, place: Place, kills: int, seed: int, trials: int) -> list[Kill]:
    """Run a study to its end through `kills` kills; asserts after each that what was finished stays as it was."""
    tune, rng, seen = Tune(folder), random.Random(seed), []
    run = ("run", str(quick_space(folder)), "--name", "toy", "--trials", str(trials), *place.options, *place.of_run)
    finished: tuple[Trial, ...] = ()
    for _ in range(kills):
        running = tune.start(*(("resume", "toy") if _begun(folder) else run))
        began = time.monotonic()
        # the whole range: while it starts, deploys, measures, writes
        delay_s = rng.uniform(0.2, place.longest_s)
        try:
            running.wait(delay_s)
        except subprocess.TimeoutExpired:  # still running, as it should be
            running.kill()
        running.communicate()
        after_s = time.monotonic() - began
        left = place.left(folder)
        cleaned = tune("clean", *place.options)
        assert cleaned.status == 0, cleaned.err
        check_nothing_left(place, folder)
        if _begun(folder):
            now = journal(folder).trials
            assert now[: len(finished)] == finished, "what was finished is lost or was run again"
            finished = now
        seen.append(Kill(after_s, len(finished), len(left)))
    ended = tune(*(("resume", "toy") if _begun(folder) else run))
    assert ended.status in (0, 1), ended.err
    kept = agreed_books(folder)
    assert list(kept.journal) == list(range(len(kept.journal)))
    assert len(kept.journal) >= trials
    check_nothing_left(place, folder)
    return seen


def check_nothing_left(place: Place, folder: Path) -> None:
    end = time.monotonic() + place.collected_s
    while left := place.left(folder):
        assert time.monotonic() < end, f"cleaning leaves {left}"
        time.sleep(0.5)


def _begun(folder: Path) -> bool:
    try:
        return bool(journal(folder).start.study_id)
    except InputError:
        return False


def _of_a_workflow(kills: int, trials: int) -> Counter[str]:
    from tests.cli.workflow_killed import kill_all_of_a_workflow
    from tests.cluster import images, ways
    from tests.cluster.argo import controller
    from tests.cluster.fixture import Cluster

    way = ways.Own()
    way.up(2)
    controller.up()
    for image in ("toy", "tune"):
        way.load(images.archive(image))
    cluster = Cluster(kubeconfig=way.kubeconfig(), way=way)
    with tempfile.TemporaryDirectory() as temporary:
        return kill_all_of_a_workflow(Path(temporary), cluster, kills, seed=7, trials=trials, say=print)


def _tell(killed: Counter[str]) -> None:
    kinds = ", ".join(f"{what} {times} times" for what, times in killed.items())
    print(f"killed: {kinds}; nothing is lost, run twice or left behind")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/benchmark/kills")
    parser.add_argument("number", nargs="?", type=int, default=20)
    parser.add_argument("--kubernetes", metavar="KUBECTL", help="on the cluster of $KUBECONFIG, by this kubectl")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--workers", action="store_true", help="of a study in PostgreSQL, all that takes part")
    parser.add_argument(
        "--workflow", action="store_true", help="of a Workflow on the tests' cluster, all that takes part"
    )
    given = parser.parse_args()
    if given.workflow:
        _tell(_of_a_workflow(given.number, given.trials))
        return
    if given.workers:
        from tests.cli.workers_killed import kill_all_kinds

        with (
            tempfile.TemporaryDirectory() as temporary,
            namespace(Path(os.environ["KUBECONFIG"]), given.kubernetes) as place,
        ):
            killed = kill_all_kinds(Path(temporary), place, given.number, seed=7, trials=given.trials)
        _tell(killed)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if given.kubernetes:
            with namespace(Path(os.environ["KUBECONFIG"]), given.kubernetes) as place:
                seen = kill_and_resume(folder, place, given.number, seed=7, trials=given.trials)
        else:
            seen = kill_and_resume(folder, Here(), given.number, seed=7, trials=given.trials)
        for number, kill in enumerate(seen):
            print(
                f"kill {number + 1}: after {kill.after_s:.2f} s, {kill.finished} trials finished, "
                f"{kill.left} things outlived it and were cleaned away"
            )
        print(f"journal, Optuna and MLflow agree on {len(agreed_books(folder).journal)} trials; nothing is left behind")


if __name__ == "__main__":
    main()
