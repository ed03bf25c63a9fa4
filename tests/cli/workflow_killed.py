"""A study as a Workflow of a real cluster, while all that takes part is killed at random moments: pods of workers, the pod of
whoever decides, Argo's controller, and the database. Nothing may be lost, run twice or left behind.

`scripts/benchmark/kills --workflow` does it twenty times and says what it saw.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.cli.in_pods import restrict, restricted_space, secret, url
from tests.cli.tune import Tune
from tests.cli.workers_killed import check_kept, check_whole
from tests.cli.workflows import ENDED, check_outputs, ended, status_of
from tests.cluster.argo import controller
from tests.cluster.fixture import Cluster
from tests.cluster.places import machine_address
from tests.record.mlflow.stores import postgres_programs, running

LONGEST_S = 25.0
"""Between two kills, at most."""
_WITHIN_S = 1800.0
"""Of the last kill it has come to its end: Argo waits longer before each new attempt of a step."""
_COLLECTED_S = 700.0
"""What a worker leaves that is killed while it takes a trial down the cluster removes, ten minutes after."""
_KINDS = "deployments,replicasets,services,jobs"
_OURS = "app.kubernetes.io/managed-by=tuner"


def kill_all_of_a_workflow(
    folder: Path, cluster: Cluster, kills: int, seed: int, trials: int, say: Callable[[str], None]
) -> Counter[str]:
    """To its outputs, through so many kills; returns how often what was killed. Asserts that nothing is lost."""
    programs = postgres_programs()
    if programs is None:
        raise FileNotFoundError("no PostgreSQL is installed here (Debian: postgresql)")
    rng, killed = random.Random(seed), Counter[str]()
    with running(programs, also_at=machine_address()) as server, cluster.namespace("flow") as space:
        restrict(cluster, space)
        secret(cluster, space, server)
        asked = ("--namespace", space, "--name", "far", "--workers", "2", "--secret", "studies")
        of_study = ("--trials", str(trials), "--confirm", "0", "--load", "here")
        written = Tune(folder)("workflow", restricted_space(folder), *asked, "--", *of_study)
        assert written.status == 0, written.err
        cluster.kubectl("apply", "-f", "-", stdin=written.out)
        kept: list[bytes] = []
        while killed.total() < kills:
            time.sleep(rng.uniform(1.0, LONGEST_S))
            if status_of(cluster, space, "far").get("phase") in ENDED:
                break
            which = rng.choice(("worker", "study", "controller", "database"))
            if which == "controller":
                controller.stop()
                time.sleep(rng.uniform(0.0, 5.0))
                controller.again()
            elif which == "database":
                server.stop(signal.SIGQUIT)
                time.sleep(rng.uniform(0.0, 5.0))
                server.start()
            elif pods := _running(cluster, space, f"far-{which}-"):
                gone = ("--grace-period=0", "--force", "--wait=false")
                cluster.kubectl("delete", "pod", rng.choice(pods), "-n", space, *gone)
            else:  # Argo has not begun it anew yet
                continue
            killed[which] += 1
            kept = _kept(url(server), kept)
            say(f"kill {killed.total()}: {which}; {len(kept)} trials are kept")
        status = ended(cluster, space, "far", within_s=_WITHIN_S)
        check_outputs(status)
        check_whole(check_kept(url(server), kept), trials)
        end = time.monotonic() + _COLLECTED_S
        while left := cluster.kubectl("get", _KINDS, "-n", space, "-l", _OURS, "-o", "name").split():
            assert time.monotonic() < end, f"{left} is left"
            time.sleep(1.0)
    return killed


def _running(cluster: Cluster, space: str, begin: str) -> list[str]:
    found = cluster.kubectl("get", "pods", "-n", space, "--field-selector=status.phase=Running", "-o", "name")
    return [name for pod in found.split() if (name := pod.removeprefix("pod/")).startswith(begin)]


def _kept(url: str, before: list[bytes]) -> list[bytes]:
    try:
        return check_kept(url, before)
    except psycopg.errors.UndefinedTable:  # nobody has come yet
        assert not before
        return []
