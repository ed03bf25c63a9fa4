"""What `tune workflow` writes, run by Argo's own controller on a real cluster to what it says at its end, in a namespace
that lets in only what is restricted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.in_pods import database, restrict, restricted_space, secret, url
from tests.cli.tune import Tune
from tests.cli.workflows import ENDED, check_outputs, ended, reached, was_retried
from tests.cluster.argo import controller
from tests.cluster.fixture import Cluster
from tests.record.mlflow.stores import Postgres

__all__ = ["database"]

WITHIN_S = 600.0
OF_STUDY = ("--", "--trials", "3", "--confirm", "0", "--load", "here")


def kill_a_worker(cluster: Cluster, space: str, database: Postgres) -> str:
    """Of a worker that has a trial; its pod's name."""
    import psycopg

    running = "SELECT worker FROM tuner_order WHERE state = 'running' AND number > 0"
    deadline = time.monotonic() + WITHIN_S
    while True:
        with psycopg.connect(url(database)) as session:
            try:
                found = session.execute(running).fetchone()
            except psycopg.errors.UndefinedTable:  # nobody has come yet
                found = None
        pods = cluster.kubectl("get", "pods", "-n", space, "-o", "name").split()
        names = [name.removeprefix("pod/") for name in pods]
        if found is not None:
            (pod,) = [name for name in names if name in found[0]]
            cluster.kubectl("delete", "pod", pod, "-n", space, "--grace-period=0", "--force", "--wait=false")
            return pod
        assert time.monotonic() < deadline, f"no worker had a trial; there are {names}"
        time.sleep(0.2)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("argo")
def test_a_workflow_comes_to_its_outputs_whose_worker_is_killed_and_the_controller_too(
    tmp_path: Path, cluster: Cluster, images: Callable[[str], str], database: Postgres
) -> None:
    images("toy")
    images("tune")
    with cluster.namespace("flow") as space:
        restrict(cluster, space)
        secret(cluster, space, database)
        asked = ("--namespace", space, "--name", "far", "--workers", "2", "--secret", "studies", *OF_STUDY)
        written = Tune(tmp_path)("workflow", restricted_space(tmp_path), *asked)
        assert written.status == 0, written.err
        cluster.kubectl("apply", "-f", "-", stdin=written.out)
        assert kill_a_worker(cluster, space, database)
        reached(cluster, space, lambda status: was_retried(status) or status.get("phase") in ENDED, "far")
        controller.stop()
        controller.again()
        status = ended(cluster, space, "far")
        check_outputs(status)
        assert was_retried(status)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("argo")
def test_a_schedule_comes_to_the_same(tmp_path: Path, cluster: Cluster, images: Callable[[str], str]) -> None:
    images("toy")
    images("tune")
    with cluster.namespace("cron") as space:
        restrict(cluster, space)
        (tmp_path / "claim").mkdir()
        (tmp_path / "claim").chmod(0o777)
        cluster.kubectl("create", "-f", "-", stdin=volume(space, tmp_path / "claim"))
        asked = ("--namespace", space, "--name", "often", "--cron", "* * * * *", "--claim", "studies", *OF_STUDY)
        written = Tune(tmp_path)("workflow", restricted_space(tmp_path), *asked)
        assert written.status == 0, written.err
        cluster.kubectl("apply", "-f", "-", stdin=written.out)
        try:
            check_outputs(ended(cluster, space))
        finally:
            cluster.kubectl("delete", "cronworkflows", "--all", "-n", space)
            cluster.kubectl("delete", "persistentvolume", space, "--wait=false")


def volume(space: str, folder: Path) -> str:
    """A claim, and a volume for it, for the test cluster makes none by itself: a folder of this machine, as its nodes are."""
    size = {"storage": "1Gi"}
    of_both = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    path = {"path": str(folder), "type": "Directory"}
    made = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": space},
            "spec": {**of_both, "capacity": size, "hostPath": path},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "studies", "namespace": space},
            "spec": {**of_both, "volumeName": space, "resources": {"requests": size}},
        },
    ]
    return yaml.safe_dump_all(made)
