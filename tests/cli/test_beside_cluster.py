"""`tune run --parallel` on a cluster: trials beside each other, killed on the way, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.killed import check_nothing_left, kill_and_resume, namespace
from tests.cli.study import agreed_books, journal, quick_space
from tests.cli.tune import Tune
from tests.cluster.fixture import Cluster
from tests.cluster.programs import programs
from tuner.units import quantity

TRIALS = 5
PARALLEL = ("--parallel", "2", "--load", "here")
RESUMED_AT_MOST = 5
"""A study ends when a machine is so busy that windows in a row are refused; it goes on when asked to."""


@pytest.mark.timeout(900)
def test_a_study_of_trials_beside_each_other(
    tmp_path: Path, cluster: Cluster, images: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its workers is killed: its trial is taken down, and run again by another."""
    images("toy")  # type: ignore[operator]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    tune = Tune(tmp_path)
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as where:
        options = ("--trials", str(TRIALS), "--name", "toy", *PARALLEL, *where.options)
        running = tune.start("run", quick_space(tmp_path), *options)
        assert running.stderr is not None
        told: list[str] = []
        for line in running.stderr:
            told.append(line)
            if re.match(r"trial [1-9]\d*: wait until ready", line):
                os.kill(_workers(running.pid)[0], signal.SIGKILL)
                break
        _, rest = running.communicate()
        status, err, resumed = running.returncode, "".join(told) + rest, 0
        assert "died by signal 9" in err
        while status == 3 and "lateness" in err and resumed < RESUMED_AT_MOST:
            done = tune("resume", "toy")
            status, err, resumed = done.status, done.err, resumed + 1
        assert status in (0, 1), err
        check_nothing_left(where, tmp_path)
    held = journal(tmp_path)
    assert held.start.parallel == 2
    agreed_books(tmp_path)
    assert sum(trial.searched for trial in held.trials) == TRIALS
    spans = sorted((one.started_at, one.started_at + timedelta(seconds=one.duration_s)) for one in held.trials)
    assert any(began < ended for (_, ended), (began, _) in pairwise(spans)), "none ran beside another"


@pytest.mark.timeout(900)
def test_killed_with_trials_beside_each_other_and_resumed(
    tmp_path: Path, cluster: Cluster, images: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    images("toy")  # type: ignore[operator]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as where:
        where.of_run = PARALLEL
        kill_and_resume(tmp_path, where, kills=2, seed=8, trials=3)


def test_load_generators_that_leave_no_room_are_told_before_anything_is_measured(
    tmp_path: Path, cluster: Cluster, images: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    images("toy")  # type: ignore[operator]
    images("load")  # type: ignore[operator]
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cpus = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.allocatable.cpu}").split()
    many = int(sum(map(quantity, cpus))) + 1
    with namespace(cluster.kubeconfig, f"{programs()}/kubectl") as where:
        asked = (
            "run",
            quick_space(tmp_path),
            "--parallel",
            str(many),
            "--trials",
            "3",
            "--name",
            "toy",
            *where.options,
        )
        done = Tune(tmp_path)(*asked)
        assert done.status == 2, done.err
        assert "there is no room for the manifest as it stands" in done.err
        assert f"beside {many} load generators of 1 cpu each" in done.err
        assert "fewer trials at a time" in done.err
        check_nothing_left(where, tmp_path)


def _workers(pid: int) -> list[int]:
    """Those of a tuner."""
    found = subprocess.run(
        ["pgrep", "-P", str(pid), "-f", "tuner.cli.trials"], capture_output=True, text=True, check=False
    )
    return [int(one) for one in found.stdout.split()]
