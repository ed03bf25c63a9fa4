"""The main job: a real study of the toy server by the commands alone, on this machine, with real load."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest
import yaml

from tests.cli.mlflow_store import give_store
from tests.cli.study import agreed_books, cgroups_of, journal, processes_below, quick_space
from tests.cli.tune import Tune, interrupt
from tuner.trials.model import Measured


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """A working folder in which a study of three trials was run."""
    folder = tmp_path_factory.mktemp("study")
    tune = Tune(folder)
    finished = tune("run", quick_space(folder), "--trials", "3", "--seed", "1", "-o", "best.yaml")
    assert finished.status == 0, finished.err
    assert "Pareto front" in finished.out
    assert "baseline" in finished.out
    assert (folder / "best.yaml").exists()
    return tune


def test_a_server_that_never_starts_ends_the_study_with_the_reason(tmp_path: Path) -> None:
    """Nothing was measured, which is not an SLO that was not met."""
    space = quick_space(tmp_path)
    manifest = space / "deployment.yaml"
    (deployment,) = yaml.safe_load_all(manifest.read_text())
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    server.setdefault("env", []).append({"name": "TOY_FAIL", "value": "crash"})
    manifest.write_text(yaml.safe_dump(deployment))
    ended = Tune(tmp_path)("run", space, "--trials", "6", "--tracking-uri", "none")
    assert ended.status == 3, ended.err
    assert "nothing was chosen: nothing could be measured: the trial failed at ready: Crashed" in ended.out
    assert "ended: the manifest as it stands does not start or does not answer (ready: Crashed" in ended.out
    assert "SLO" not in ended.out.replace("breaks the SLO", "")


def test_the_three_books_agree(done: Tune) -> None:
    assert len(agreed_books(done.folder).journal) >= 4, "three trials, and the confirmation"


def test_trial_0_is_the_manifest_as_it_stands(done: Tune) -> None:
    deployed = done.folder / "studies" / "toy" / "trials" / "0000" / "manifest.yaml"
    assert deployed.read_bytes() == (done.folder / "toy" / "deployment.yaml").read_bytes()


def test_show_says_what_the_journal_says(done: Tune) -> None:
    shown = done("show", "toy", "--json").json
    trials = journal(done.folder).trials
    assert [trial["number"] for trial in shown["trials"]] == [trial.number for trial in trials]
    assert shown == json.loads(json.dumps(shown, allow_nan=False))
    table = done("show", "toy")
    assert table.status == 0
    assert "ended:" in table.out


def test_the_exported_manifest_is_what_was_measured(done: Tune) -> None:
    chosen = done("show", "toy", "--json").json["choice"]["candidate"]["trial"]
    exported = done("export", "toy")
    assert exported.status == 0, exported.err
    assert exported.out == (done.folder / "best.yaml").read_text()
    measured = (done.folder / "studies" / "toy" / "trials" / f"{chosen:04d}" / "manifest.yaml").read_text()
    found, was = yaml.safe_load(exported.out), yaml.safe_load(measured)
    notes = found["metadata"].pop("annotations")
    assert notes["tuner.dev/trial"] == str(chosen)
    assert "tuner.dev/measured-throughput" in notes
    assert found == was
    kept = [line for line in exported.out.splitlines() if "tuner.dev/" not in line and line.strip() != "annotations:"]
    assert kept == measured.splitlines()


def test_export_of_any_trial_and_of_none(done: Tune) -> None:
    assert done("export", "toy", "--trial", "0", "-o", "zero.yaml").status == 0
    assert "tuner.dev/trial" in (done.folder / "zero.yaml").read_text()
    none = done("export", "toy", "--where", "throughput >= 100k/s")
    assert none.status == 1
    assert "nothing to export" in none.err
    wrong = done("export", "toy", "--where", "latency_p98 <= 5ms")
    assert wrong.status == 2
    assert "latency_p98" in wrong.err


def test_export_refuses_what_was_changed_after_it_was_measured(done: Tune) -> None:
    manifest = done.folder / "studies" / "toy" / "trials" / "0000" / "manifest.yaml"
    text = manifest.read_text()
    try:
        manifest.write_text(text.replace("replicas: 1", "replicas: 9"))
        refused = done("export", "toy", "--trial", "0")
        assert refused.status == 3
        assert "changed after it was measured" in refused.err
    finally:
        manifest.write_text(text)


def test_sync_writes_what_is_missing_and_nothing_twice(done: Tune) -> None:
    give_store(done.folder / "elsewhere.db")
    elsewhere = f"sqlite:///{done.folder / 'elsewhere.db'}"
    number = len(journal(done.folder).trials)
    assert done("sync", "toy", "--tracking-uri", elsewhere, "--json").json["trials_written"] == number
    assert done("sync", "toy", "--tracking-uri", elsewhere, "--json").json["trials_written"] == 0


def test_more_trials_for_a_finished_study(done: Tune) -> None:
    before = journal(done.folder).trials
    resumed = done("resume", "toy", "--trials", "4")
    assert resumed.status == 0, resumed.err
    after = journal(done.folder).trials
    assert after[: len(before)] == before, "what was finished is not run again"
    assert len(after) > len(before)
    agreed_books(done.folder)


def test_nothing_is_left_running(done: Tune) -> None:
    assert processes_below(done.folder) == []
    assert cgroups_of(journal(done.folder).start.study_id) == []


def test_a_study_goes_on_with_its_own_inputs_and_not_with_others(tune: Tune) -> None:
    space = quick_space(tune.folder)
    assert tune("run", space, "--trials", "1", "--confirm", "0", "--tracking-uri", "none").status in (0, 1, 3)
    (space / "request.json").write_text('{"data": {"ndarray": [[1, 1]]}}')
    resumed = tune("resume", "toy", "--trials", "2")
    assert resumed.status in (0, 1, 3), resumed.err
    said = f"{space / 'request.json'} changed since study toy began, which goes on with its copy in studies/toy/inputs"
    assert said in resumed.err
    assert [trial.number for trial in journal(tune.folder).trials][:2] == [0, 1]
    copy = tune.folder / "studies" / "toy" / "inputs" / "request.json"
    copy.write_bytes((space / "request.json").read_bytes())
    resumed = tune("resume", "toy", "--trials", "3")
    assert resumed.status == 2
    assert "changed since study toy began" in resumed.err


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_state_and_leaves_nothing(tune: Tune, sign: signal.Signals) -> None:
    space = quick_space(tune.folder)
    running = tune.start("run", space, "--trials", "9", "--tracking-uri", "none")
    _, rest = interrupt(running, "trial 1: measure", sign)
    assert running.returncode == 130, rest
    assert "interrupted" in rest
    assert "`tune resume toy` goes on" in rest
    assert processes_below(tune.folder) == []
    contents = journal(tune.folder)
    assert [trial.number for trial in contents.trials] == [0]
    resumed = tune("resume", "toy", "--trials", "2")
    assert resumed.status in (0, 1), resumed.err
    trials = journal(tune.folder).trials
    assert trials[0] == contents.trials[0]
    assert trials[1].number == 1


def test_mlflow_down_harms_nothing(tune: Tune) -> None:
    space = quick_space(tune.folder)
    finished = tune("run", space, "--trials", "1", "--confirm", "0", "--tracking-uri", "http://127.0.0.1:9")
    assert finished.status in (0, 1), finished.err
    assert "tune sync toy" in finished.err
    (trial,) = journal(tune.folder).trials
    assert isinstance(trial.outcome, Measured)
    synced = tune("sync", "toy", "--tracking-uri", f"sqlite:///{tune.folder / 'mlflow.db'}")
    assert synced.status == 0, synced.err


def test_credentials_are_used_and_never_written(tune: Tune) -> None:
    space = quick_space(tune.folder)
    uri = "http://me:hidden-word@127.0.0.1:9"
    finished = tune("run", space, "--trials", "1", "--confirm", "0", "--tracking-uri", uri)
    assert "hidden-word" not in finished.out + finished.err
    for path in tune.folder.rglob("*"):
        assert not path.is_file() or b"hidden-word" not in path.read_bytes(), path
    resumed = tune("resume", "toy", "--trials", "2")
    assert resumed.status == 2
    assert "--tracking-uri" in resumed.err


def test_a_second_tuner_on_the_same_study_is_refused(tune: Tune) -> None:
    space = quick_space(tune.folder)
    running = tune.start("run", space, "--trials", "9", "--tracking-uri", "none")
    try:
        assert running.stderr is not None
        assert any(line.startswith("trial 0: deploy") for line in running.stderr)
        second = tune("resume", "toy")
        assert second.status == 2, second.err
        assert str(running.pid) in second.err
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)


def test_a_lost_optuna_store_is_made_anew_from_the_journal(tune: Tune) -> None:
    space = quick_space(tune.folder)
    first = tune("run", space, "--trials", "2", "--confirm", "0")
    assert first.status in (0, 1), first.err
    store = tune.folder / "studies" / "toy" / "optuna.db"
    with sqlite3.connect(store) as connection:
        assert connection.execute("select count(*) from trials").fetchone() == (2,)
    store.unlink()
    assert tune("resume", "toy", "--trials", "3").status in (0, 1)
    agreed_books(tune.folder)


def test_the_page_is_served_on_loopback_and_ends_with_an_interrupt(done: Tune) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    running = done.start("ui", "toy", "--port", str(port))
    try:
        assert running.stderr is not None
        assert any(line.startswith(f"http://127.0.0.1:{port}/#/experiments/") for line in running.stderr)
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 200
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    assert processes_below(done.folder) == []
