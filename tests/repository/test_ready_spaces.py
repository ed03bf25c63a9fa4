"""The ready search spaces that run as processes: nothing is wrong with them, and a study of each gets to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.tune import Tune
from tests.repository.ready_spaces import SPACES, short
from tuner.trials.journal import read
from tuner.trials.model import Measured

NAMES = ("fastapi", "graph")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "graph":
        pytest.importorskip("seldon_core", reason="seldon-core, which serves both steps, is not installed")
    return str(request.param)


def test_nothing_is_wrong_with_it_on_this_machine(tmp_path: Path, name: str) -> None:
    checked = Tune(tmp_path)("check", SPACES / name)
    assert (checked.status, checked.err) == (0, "")
    assert "nothing is wrong" in checked.out


def test_a_short_study_measures_the_baseline_and_another_and_exports_the_best(tmp_path: Path, name: str) -> None:
    space = short(name, tmp_path)
    # two would do, but a machine may be so busy that no window of one of them is steady
    options = ("--trials", "4", "--confirm", "0", "--tracking-uri", "none", "-o", "best.yaml")
    done = Tune(tmp_path)("run", space, *options)
    assert done.status == 0, done.err
    trials = read(tmp_path / "studies" / name / "journal.jsonl").trials
    measured = [trial.manifest_digest for trial in trials if isinstance(trial.outcome, Measured)]
    assert len(set(measured)) >= 2, [trial.outcome for trial in trials]
    assert "kind: Deployment" in (tmp_path / "best.yaml").read_text()
