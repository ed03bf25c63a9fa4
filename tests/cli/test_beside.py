"""`tune run --parallel` on this machine, and one of its workers for itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.study import journal, processes_below, quick_space
from tests.cli.tune import Tune
from tuner.manifests.render import render
from tuner.targets.inputs import inputs_of
from tuner.trials.beside import WorkerProcesses
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Measured, Proposal

TRIALS = (sys.executable, "-P", "-m", "tuner.cli.trials")


def test_a_machine_too_small_for_it_is_refused_before_anything_starts(tmp_path: Path) -> None:
    number = max(2, len(os.sched_getaffinity(0)))
    done = Tune(tmp_path)("run", quick_space(tmp_path), "--parallel", str(number))
    assert done.status == 2
    assert "two CPUs each, on cores of their own, and a core for the tuner" in done.err
    assert "--backend kubernetes" in done.err
    assert not (tmp_path / "studies").exists()


def test_a_replay_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("workers,throughput\n1,100\n")
    options = ("--backend", "replay", "--table", table, "--parallel", "2")
    done = Tune(tmp_path)("run", quick_space(tmp_path), *options)
    assert (done.status, "takes no time" in done.err) == (2, True)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a study and its baseline."""
    place = tmp_path_factory.mktemp("beside")
    done = Tune(place)("run", quick_space(place), "--trials", "1", "--confirm", "0", "--name", "toy")
    assert done.status == 0, done.err
    return place


@pytest.fixture
def folder(here: Path) -> StudyFolder:
    return StudyFolder(here / "studies" / "toy")


class OneWorker:
    """Of a study that is run by nobody else."""

    def __init__(self, folder: StudyFolder) -> None:
        self._inputs = inputs_of(folder)
        self.stages: list[tuple[int, str]] = []
        own = f"XDG_STATE_HOME={folder.root.parent.parent / 'state'}"
        self.workers = WorkerProcesses(
            [("env", own, *TRIALS, str(folder.root), "--number", "0")],
            on_stage=lambda *told: self.stages.append(told),
            on_rate=lambda _: None,
            notice=lambda _: None,
        )

    def start(self, number: int) -> None:
        """The baseline, once more."""
        configuration = self._inputs.baseline
        rendered = render(self._inputs.space, self._inputs.manifest, configuration)
        self.workers.start(Proposal(number=number, purpose="confirm", configuration=configuration, rendered=rendered))

    def await_stage(self, number: int, stage: str) -> None:
        while (number, stage) not in self.stages:
            self.workers.hear()


def test_a_worker_runs_what_it_is_given_and_takes_down_what_it_deployed(here: Path, folder: StudyFolder) -> None:
    one = OneWorker(folder)
    with one.workers:
        one.start(1)
        trial = one.workers.next()
        assert (trial.number, trial.manifest_digest) == (1, journal(here).trials[0].manifest_digest)
        assert isinstance(trial.outcome, Measured)
        assert folder.log(1).exists()
        one.start(2)
        one.await_stage(2, "warm-up")
    assert processes_below(here) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_interrupted_says_so(here: Path, folder: StudyFolder, sign: signal.Signals) -> None:
    one = OneWorker(folder)
    with one.workers:
        one.start(1)
        one.await_stage(1, "warm-up")
        (pid,) = one.workers.pids
        os.kill(pid, sign)
        with pytest.raises(KeyboardInterrupt, match=sign.name):
            one.workers.next()
    assert processes_below(here) == []


def test_a_worker_without_orders_ends(here: Path, folder: StudyFolder) -> None:
    ended = subprocess.run(
        [*TRIALS, str(folder.root), "--number", "0"],
        env=Tune(here).environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, b"")
