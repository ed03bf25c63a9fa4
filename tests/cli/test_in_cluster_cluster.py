"""`tune run --in-cluster` on a real cluster: a Job in pods as restricted as can be, evicted and followed again."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.in_pods import database, restrict, restricted_space, secret, url
from tests.cli.killed import Namespace, check_nothing_left, namespace
from tests.cli.study import quick_space
from tests.cli.tune import Tune
from tests.cli.workers_killed import OneOfSeveral
from tests.cluster.fixture import Cluster
from tests.cluster.programs import programs
from tests.record.mlflow.stores import Postgres
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import read
from tuner.trials.model import Trial

__all__ = ["database"]

TRIALS = 3
TRIED_AT_MOST = 5


def pods_of(cluster: Cluster, space: str, job: str) -> list[str]:
    found = cluster.kubectl("get", "pods", "-n", space, "-l", f"job-name={job}", "-o", "name")
    return [name.removeprefix("pod/") for name in found.split()]


def evict(cluster: Cluster, space: str, pod: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": space},
    }
    path = f"/api/v1/namespaces/{space}/pods/{pod}/eviction"
    cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


@dataclass(frozen=True)
class Prepared:
    """A namespace with all that `tune run --in-cluster` needs of it."""

    tune: OneOfSeveral
    where: Namespace
    asked: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.where.options[-1]

    def trials(self, study: str) -> tuple[Trial, ...]:
        (journal,) = (self.tune.folder / "cache").rglob(f"{study}/journal.jsonl")
        return read(StudyFolder(journal.parent).journal).trials


@pytest.fixture
def prepared(
    tmp_path: Path,
    cluster: Cluster,
    images: Callable[[str], str],
    database: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Prepared]:
    images("toy")
    images("tune")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    (tmp_path / "here").mkdir()
    tune = OneOfSeveral(tmp_path / "here", url=url(database))
    space = restricted_space(tune.folder)
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as where:
        name = where.options[-1]
        restrict(cluster, name)
        rights = Tune(tmp_path)("rbac", space, "--namespace", name, "--load", "here")
        cluster.kubectl("apply", "-f", "-", stdin=rights.out)
        secret(cluster, name, database)
        asked = ("run", str(space), "--in-cluster", "--namespace", name, "--secret", "studies")
        of_study = ("--trials", str(TRIALS), "--confirm", "0", "--load", "here")
        yield Prepared(tune, where, (*asked, *of_study))


@pytest.mark.timeout(900)
def test_a_job_is_evicted_left_alone_and_followed_to_its_end(
    tmp_path: Path, cluster: Cluster, prepared: Prepared
) -> None:
    tune, name, asked = prepared.tune, prepared.name, (*prepared.asked, "--name", "far")
    running = tune.start(*asked)
    assert running.stderr is not None
    said: list[str] = []
    evicted = False
    for line in running.stderr:
        said.append(line)
        if not evicted and re.match(r"trial 1: wait until ready", line):
            evicted = True
            (pod,) = pods_of(cluster, name, "tune-far")
            evict(cluster, name, pod)
        if evicted and "goes on with the study" in line:
            running.send_signal(signal.SIGINT)
    _, rest = running.communicate()
    err = "".join(said) + rest
    assert running.returncode == 130, err
    assert "Eviction" in err
    assert "--name far --resume" in err

    for _ in range(TRIED_AT_MOST):  # a Job whose pods were too often too busy to measure is made again
        done = tune(*asked, "--resume", "-o", "best.yaml")
        if done.status != 3:
            break
    assert done.status == 0, done.err
    assert re.search(r"^trial \d+: ", done.err, re.MULTILINE)
    assert "manifest: best.yaml" in done.out
    assert "kind: Deployment" in (tune.folder / "best.yaml").read_text()
    shown = tune("show", "far")
    assert shown.status == 0, shown.err
    taken = tune(*asked)
    assert taken.status == 2
    assert "a study far is there already" in taken.err
    cluster.kubectl("delete", "job", "tune-far", "-n", name)
    check_nothing_left(prepared.where, tmp_path / "nothing")
    trials = prepared.trials("far")
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert sum(trial.searched for trial in trials) == TRIALS


@pytest.mark.timeout(900)
def test_workers_in_pods_of_their_own_run_the_trials(tmp_path: Path, cluster: Cluster, prepared: Prepared) -> None:
    """One of them is evicted within its trial: another takes its place, and the trial is run again."""
    tune, name = prepared.tune, prepared.name
    asked = (*prepared.asked, "--name", "team", "--workers", "--parallel", "2")
    running = tune.start(*asked)
    assert running.stderr is not None
    said: list[str] = []
    evicted = False
    for line in running.stderr:
        said.append(line)
        if not evicted and re.match(r"trial [1-9]\d*: wait until ready", line):
            evicted = True
            evict(cluster, name, pods_of(cluster, name, "tune-team-workers")[0])
    running.communicate()
    status, err = running.returncode, "".join(said)
    for _ in range(TRIED_AT_MOST):
        if status != 3:
            break
        done = tune(*asked, "--resume")
        status, err = done.status, done.err
    assert status == 0, err
    assert evicted, err
    assert tune("show", "team").status == 0
    cluster.kubectl("delete", "job", "tune-team", "-n", name)
    check_nothing_left(prepared.where, tmp_path / "nothing")
    trials = prepared.trials("team")
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert sum(trial.searched for trial in trials) == TRIALS


def test_a_job_that_cannot_start_is_told_and_removed(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    space = quick_space(tmp_path)
    with cluster.namespace("nowhere") as where:
        asked = ("run", space, "--in-cluster", "--namespace", where, "--secret", "studies", "--name", "far")
        nobody = Tune(tmp_path)(*asked)
        assert nobody.status == 3
        assert "the study does not start" in nobody.err
        assert "serviceaccount" in nobody.err
        cluster.kubectl("create", "serviceaccount", "tuner", "-n", where)
        no_secret = Tune(tmp_path)(*asked, "--image", "No-Such-Tuner:1")
        assert no_secret.status == 3
        assert "the study does not start" in no_secret.err
        end = time.monotonic() + 60.0
        while cluster.kubectl("get", "jobs,pods,configmaps", "-n", where, "-l", "tuner.dev/study-name", "-o", "name"):
            assert time.monotonic() < end, "what was made is still there"
            time.sleep(0.5)
