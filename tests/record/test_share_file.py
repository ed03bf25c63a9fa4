"""How far a study is, for Argo's executor."""

from __future__ import annotations

from pathlib import Path

from tests.record import examples
from tuner.record.share_file import ShareFile
from tuner.study.stop import Spent


def test_the_share_rises_and_is_whole_only_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "below" / "progress"
    told = ShareFile(file, examples.space(), now=lambda: 0.0)
    summary = examples.summary()
    told.started(summary.start)
    said = [file.read_text()]
    for trial in summary.trials:
        told.proposed(examples.proposal(trial.number))
        told.stage(trial.number, "deploy")
        told.foreseen(
            Spent(trials=trial.number, time_s=0.0, cost=None, usual_s=None, usual_cost=None, currency="USD"), None
        )
        told.finished(trial)
        said.append(file.read_text())
    assert said[0] == "0/100\n"
    assert [int(one.split("/")[0]) for one in said] == sorted(int(one.split("/")[0]) for one in said)
    assert said[1] == "11/100\n"
    assert all(one != "100/100\n" for one in said)
    told.closed(summary)
    assert file.read_text() == "100/100\n"
