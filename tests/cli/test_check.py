"""`tune check --try`, of real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.study import quick_space
from tests.cli.tune import Tune


@pytest.fixture
def tune(tmp_path: Path) -> Tune:
    quick_space(tmp_path)
    return Tune(tmp_path)


def test_the_baseline_is_started_asked_and_taken_down(tune: Tune) -> None:
    done = tune("check", "toy", "--try")
    assert done.status == 0, done.err
    assert "toy/request.json: status 200 after " in done.out
    assert "the baseline answers, " in done.out
    found = tune("check", "toy", "--try", "--json").json["tried"]
    assert found["works"] is True
    assert [one["status"] for one in found["answers"]] == [200]
    assert tune("clean").out == "nothing was left behind\n"


def test_an_answer_that_is_wrong_is_shown_with_what_to_change(tune: Tune) -> None:
    space = tune.folder / "toy" / "space.yaml"
    space.write_text(space.read_text().replace("protocol: ", "path: /nowhere\n  protocol: "))
    done = tune("check", "toy", "--try")
    assert done.status == 3
    assert "the baseline failed at verify: WrongAnswer" in done.out
    assert "status 404" in done.out
    assert "to change: change the request or the path (workload.request, workload.path)" in done.out
    ended = tune("run", "toy", "--trials", "6", "--tracking-uri", "none")
    assert ended.status == 3, ended.err
    assert "ended: the manifest as it stands answers wrongly (verify: WrongAnswer" in ended.out
    assert "status 404" in ended.out
    assert ended.out.rstrip().splitlines()[-1].startswith("next: tune check ")


def test_a_server_that_does_not_start_is_shown_with_what_it_said(tune: Tune) -> None:
    manifest = tune.folder / "toy" / "deployment.yaml"
    manifest.write_text(
        manifest.read_text().replace("env:\n", "env:\n            - {name: TOY_FAIL, value: crash}\n", 1)
    )
    done = tune("check", "toy", "--try", "--json")
    assert done.status == 3, done.err
    failure = done.json["tried"]["failure"]
    assert (failure["stage"], failure["kind"]) == ("ready", "Crashed")
    assert failure["advice"].startswith("make the manifest start as it stands")


def test_nothing_runs_in_a_replay(tune: Tune) -> None:
    (tune.folder / "table.csv").write_text(
        "workers,service,replicas,cpu,memory,throughput,latency_p90\n1,4,1,500m,64Mi,9,0.1\n"
    )
    done = tune("check", "toy", "--try", "--backend", "replay", "--table", "table.csv")
    assert done.status == 2
    assert "--try: nothing runs in a replay" in done.err
