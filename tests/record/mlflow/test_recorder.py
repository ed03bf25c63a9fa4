"""Against real stores: SQLite, a real `mlflow server`, one that is not there, and one that never answers."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.record import examples
from tests.record.mlflow.stores import Store, Study, free_port, listening, mlflow_server
from tuner.errors import StoreFailure
from tuner.record.background import Background, Gate
from tuner.record.mlflow.recorder import MlflowRecorder
from tuner.record.mlflow.store import newest
from tuner.record.mlflow.tags import command
from tuner.record.sync import sync
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Failed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("a store #1")
    (root / "space.yaml").write_text("name: iris\n")
    (root / "request.json").write_text('{"data": [1]}\n')
    return Store(root, f"sqlite:///{root}/mlflow.db")


@pytest.fixture(scope="module")
def recorded(store: Store) -> Study:
    study = store.study()
    study.record()
    return study


def test_every_trial_is_a_run_below_the_studys(recorded: Study) -> None:
    parent = recorded.parent()
    assert sorted(recorded.trials()) == list(range(9))
    assert {run.data.tags["mlflow.parentRunId"] for run in recorded.trials().values()} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    names = [recorded.trials()[number].info.run_name for number in (0, 1, 7)]
    assert names == ["0 baseline", "1", "7 restart of 1"]


def test_a_run_says_who_ran_it_with_what_command(recorded: Study) -> None:
    for run in (recorded.parent(), recorded.trials()[1]):
        assert run.data.tags["mlflow.user"] == getpass.getuser() == run.info.user_id
        assert run.data.tags["mlflow.source.name"] == command(recorded.summary.start, whole=False)


def test_knobs_are_params_as_they_are_and_quantities_numbers_too(recorded: Study) -> None:
    assert recorded.trials()[1].data.params == {"cpu": "500m", "cpu_cores": "0.5", "threads": "4", "workers": "2"}
    assert recorded.trials()[2].data.params == {"cpu": "1", "cpu_cores": "1", "workers": "4"}
    assert "threads" not in recorded.trials()[2].data.params


def test_metrics_say_their_unit_and_hold_intervals(recorded: Study) -> None:
    metrics = recorded.trials()[1].data.metrics
    assert metrics["throughput_rps"] == 390.0
    assert metrics["latency_p99_ms"] == pytest.approx(11.0)
    assert metrics["latency_p99_ms_low"] == pytest.approx(9.9)
    assert metrics["latency_p99_ms_high"] == pytest.approx(13.2)
    assert metrics["latency_p99.9_ms"] == pytest.approx(16.5)
    assert metrics["cost_per_hour"] == 0.016
    assert metrics["used_memory_mib"] == 180
    assert metrics["used_cpu_cores"] == 0.42
    assert metrics["startup_ms"] == 1900.0
    assert metrics["cost_per_million_requests"] == 0.0114
    assert (metrics["system/duration_s"], metrics["system/overhead_ms"]) == (18.5, 80.0)
    assert {"duration_s", "overhead_ms", "generator_cpu_ratio", "restarts"}.isdisjoint(metrics)


def test_what_is_compared_comes_first_and_against_the_baseline(recorded: Study) -> None:
    metrics = recorded.trials()[1].data.metrics
    first = ["throughput_rps", "latency_p99_ms", "cost_per_hour", "error_ratio", "vs_baseline_pct/throughput"]
    assert list(metrics)[:5] == first
    against = {name: value for name, value in metrics.items() if name.startswith("vs_baseline_pct/")}
    assert against == {
        "vs_baseline_pct/throughput": 85.71,
        "vs_baseline_pct/latency_p99": -45.0,
        "vs_baseline_pct/cost": 0.0,
    }
    assert not any(name.startswith("vs_baseline") for name in recorded.trials()[0].data.metrics)


def test_what_was_not_measured_is_absent(recorded: Study) -> None:
    assert "throughput_rps" not in recorded.trials()[3].data.metrics
    assert "latency_p99_ms" not in recorded.trials()[4].data.metrics
    assert "latency_p99.9_ms_low" not in recorded.trials()[1].data.metrics


def test_the_curve_is_stepped_by_the_offered_rate(recorded: Study) -> None:
    history = recorded.client().get_metric_history(recorded.trials()[1].info.run_id, "curve/latency_p99_ms")
    assert {point.step: point.value for point in history} == pytest.approx({100: 11.0, 200: 16.5, 400: 33.0})


def test_status_follows_the_outcome(recorded: Study) -> None:
    status = {number: run.info.status for number, run in recorded.trials().items()}
    assert [status[number] for number in (0, 3, 4, 5, 6, 8)] == [
        "FINISHED",
        "FINISHED",
        "FAILED",
        "FAILED",
        "FINISHED",
        "KILLED",
    ]


def test_what_a_server_said_of_a_secret_stands_in_no_tag(store: Store, tmp_path: Path) -> None:
    study = store.study()
    manifest = tmp_path / "deployment.yaml"
    env = "[{name: DB_PASSWORD, value: hunter22}]"
    manifest.write_text(f"kind: Pod\nspec: {{containers: [{{name: server, env: {env}}}]}}\n")
    study.space = replace(study.space, manifest=manifest)
    trial = study.summary.trials[4]
    assert isinstance(trial.outcome, Failed)
    recorder = study.recorder()
    recorder.started(study.summary.start)
    recorder.finished(replace(trial, outcome=replace(trial.outcome, reason="no access as app:hunter22")))
    tags = study.trials()[4].data.tags
    assert "no access as app:***" in tags["reason"]
    assert not [tag for tag, value in tags.items() if "hunter22" in value]


def test_a_run_lasts_as_long_as_its_trial(recorded: Study) -> None:
    run = recorded.trials()[2]
    assert run.info.start_time == recorded.summary.trials[2].started_at.timestamp() * 1000
    assert run.info.end_time - run.info.start_time == 18500


def test_tags_tell_what_became_of_a_trial(recorded: Study) -> None:
    tags = {number: run.data.tags for number, run in recorded.trials().items()}
    assert tags[0]["baseline"] == "true"
    assert "baseline" not in tags[1]
    assert [tags[n]["outcome"] for n in (1, 4, 5, 6, 8)] == [
        "measured",
        "failed",
        "infeasible",
        "stopped",
        "interrupted",
    ]
    assert tags[1]["feasible"] == "true"
    assert "feasible" not in tags[3]
    assert tags[3]["reason"] == "breaks the SLO: latency_p99 by 30 %"
    assert "OOMKilled" in tags[4]["reason"]
    assert "reason" not in tags[1]
    assert tags[7]["purpose"] == "confirm"
    assert tags[1]["digest"] == recorded.summary.trials[1].manifest_digest


def test_a_configurations_first_run_is_tagged_and_its_restarts_never(recorded: Study) -> None:
    tags = {number: run.data.tags for number, run in recorded.trials().items()}
    assert {number: tags[number]["pareto"] for number in tags if "pareto" in tags[number]} == {1: "true", 2: "true"}
    assert {number: tags[number]["chosen"] for number in tags if "chosen" in tags[number]} == {1: "true"}
    assert tags[7]["purpose"] == "confirm"


def test_nothing_is_tagged_false(recorded: Study) -> None:
    for run in recorded.runs():
        assert "false" not in {value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}


def test_every_run_has_a_note(recorded: Study) -> None:
    notes = {number: run.data.tags["mlflow.note.content"] for number, run in recorded.trials().items()}
    assert notes[1].startswith("**Meets the SLO (latency\\_p99 ≤ 100 ms, error\\_ratio ≤ 0.1 %).**")
    assert "- throughput **390/s (390-429)**, baseline 210/s (210-231): +85.7 %" in notes[1]
    assert "- few samples beyond p99.9" in notes[1]
    assert "A fresh start of the very manifest of trial 1." in notes[7]
    assert notes[4].startswith("**Failed at ready: OOMKilled")
    for number, note in notes.items():
        assert f"tune export {recorded.folder.called} --trial {number} -o manifest.yaml" in note
    assert f"tune export {recorded.folder.called} -o" in recorded.parent().data.tags["mlflow.note.content"]


def test_the_requests_are_the_dataset_of_a_run(recorded: Study) -> None:
    for run in (recorded.parent(), recorded.trials()[1]):
        (used,) = run.inputs.dataset_inputs
        assert used.dataset.name == "request.json"
        assert json.loads(used.dataset.profile) == {"files": 1, "bytes": 14}
    assert not recorded.trials()[4].inputs.dataset_inputs


def test_a_study_in_which_nothing_was_measured_has_failed(store: Store) -> None:
    study, recorder = store.begun()
    failed = replace(study.summary, trials=study.summary.trials[4:6], front=replace(study.summary.front, members=()))
    recorder.closed(replace(failed, choice=None, comparisons=(), baseline=None))
    assert study.parent().info.status == "FAILED"
    assert study.parent().data.tags["mlflow.note.content"].startswith("**Nothing was chosen")


def test_artifacts_hold_the_manifest_the_latency_table_and_the_log_tail(recorded: Study) -> None:
    run = recorded.trials()[1]
    assert recorded.artifact(run, "manifest.yaml") == "# trial 1\n"
    log = recorded.artifact(run, "server.log").splitlines()
    assert (len(log), log[-1]) == (200, "line 499")
    table = json.loads(recorded.artifact(run, "latency.json"))
    assert [row[0] for row in table["data"]] == [100.0, 200.0, 400.4]
    assert table["data"][0][table["columns"].index("latency_p99_ms_high")] == 13.2
    assert recorded.artifact(run, "manifest.diff.txt").splitlines()[2:] == ["@@ -1 +1 @@", "-# trial 0", "+# trial 1"]
    assert "<h1>" in recorded.artifact(run, "trial.html")
    assert recorded.artifact(recorded.trials()[4], "server.log") == "booting worker\nkilled\n"


def test_the_tables_are_tagged_as_such_so_that_mlflow_shows_them(recorded: Study) -> None:
    tagged = json.loads(recorded.trials()[1].data.tags["mlflow.loggedArtifacts"])
    assert tagged == [{"path": "latency.json", "type": "table"}]
    assert "mlflow.loggedArtifacts" not in recorded.trials()[4].data.tags


def test_the_parent_holds_the_front_the_choice_and_the_comparison(recorded: Study) -> None:
    parent = recorded.parent()
    front = json.loads(recorded.artifact(parent, "front.json"))
    assert [row[:3] for row in front["data"]] == [[2, False, 1], [1, True, 2]]
    assert recorded.artifact(parent, "chosen.yaml") == "# trial 1\n"
    assert recorded.artifact(parent, "search_space.yaml") == "name: iris\n"
    comparison = json.loads(recorded.artifact(parent, "comparison.json"))
    assert comparison["data"][0][:5] == ["throughput_rps", 210.0, 385.0, 1.833, "better"]
    assert parent.data.params["objectives"] == "maximize throughput, minimize cost"
    assert parent.data.params["slo"] == "latency_p99 <= 100 ms, error_ratio <= 0.1 %"
    assert parent.data.params["rate_rps"] == "100"
    assert parent.data.params["seed"] == "7"
    assert parent.data.tags["chosen_trial"] == "1"
    assert recorded.artifact(parent, "front.svg").startswith("<svg ")
    assert recorded.artifact(parent, "report.html") == "<p>the report</p>"
    assert "no difference beyond the noise floor" in parent.data.tags["mlflow.note.content"]


def test_a_view_of_the_page_lists_the_trials_with_knobs_and_metrics(recorded: Study) -> None:
    recorder = recorded.recorder()
    recorder.started(recorded.summary.start)
    recorder.closed(recorded.summary)
    experiment = recorded.client().get_experiment_by_name(recorded.name)
    page = f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=tuner"
    assert recorder.page(recorded.summary.start) == page
    assert page[1:] in experiment.tags["mlflow.note.content"]
    state = json.loads(experiment.tags["mlflow.sharedViewState.tuner"])
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`throughput_rps`", False)
    columns = [column.split("`")[1] for column in state["selectedColumns"]]
    first = ["throughput_rps", "latency_p99_ms", "cost_per_hour", "vs_baseline_pct/throughput"]
    assert columns[:7] == [*first, "workers", "threads", "cpu"]
    run = recorded.trials()[1]
    assert {*columns} <= {*run.data.params, *run.data.metrics, *run.data.tags}
    assert state["runsPinned"] == [recorded.parent().info.run_id]


def test_the_newest_study_is_found(recorded: Study, store: Store) -> None:
    later, _ = store.begun()
    assert newest(store.uri) == later.client().get_experiment_by_name(later.name).experiment_id


def test_the_choice_is_registered_once_where_a_name_is_given(recorded: Study) -> None:
    recorder = recorded.recorder()
    recorder.started(recorded.summary.start)
    recorder.closed(recorded.summary)
    versions = [recorder.register(recorded.summary, "it's iris") for _ in range(2)]
    assert versions == ["1", "1"]
    version = recorded.client().get_model_version("it's iris", "1")
    assert version.run_id == recorded.trials()[1].info.run_id
    assert recorded.artifact(recorded.trials()[1], "chosen/manifest.yaml") == "# trial 1\n"
    with pytest.raises(StoreFailure, match="chose no configuration"):
        recorder.register(replace(recorded.summary, choice=None), "it's iris")


def test_artifacts_lie_beside_the_database(recorded: Study, store: Store) -> None:
    assert (store.root / "mlartifacts" / recorded.name).is_dir()


def test_recording_again_writes_nothing_twice(store: Store) -> None:
    study = store.study()
    study.record()
    before = {number: run.info.run_id for number, run in study.trials().items()}
    history = study.client().get_metric_history(before[1], "latency_p99_ms")
    study.record()
    assert {number: run.info.run_id for number, run in study.trials().items()} == before
    assert study.client().get_metric_history(before[1], "latency_p99_ms") == history
    assert sync(study.summary.start, study.summary.trials, study.recorder(), study.summary) == 0


def test_sync_writes_what_is_missing_and_puts_tags_right(store: Store) -> None:
    study, recorder = store.begun()
    for trial in study.summary.trials[:3]:
        recorder.finished(trial)
    assert study.trials()[0].data.tags["baseline"] == "true"
    study.client().set_tag(study.trials()[0].info.run_id, "pareto", "true")
    assert sync(study.summary.start, study.summary.trials, study.recorder(), study.summary) == 6
    assert "pareto" not in study.trials()[0].data.tags
    assert study.parent().info.status == "FINISHED"
    assert len(study.trials()) == 9


def test_while_the_study_runs_the_front_so_far_is_tagged(store: Store) -> None:
    study, recorder = store.begun()
    recorder.finished(study.summary.trials[0])
    assert study.trials()[0].data.tags["pareto"] == "true"
    assert study.parent().info.status == "RUNNING"
    assert study.parent().data.tags["mlflow.note.content"].startswith("**Not ended yet.**")
    recorder.finished(study.summary.trials[1])
    assert {number: run.data.tags.get("pareto") for number, run in study.trials().items()} == {0: None, 1: "true"}


def test_a_run_that_was_begun_and_not_ended_is_completed(store: Store) -> None:
    study, recorder = store.begun()
    recorder.finished(study.summary.trials[0])
    run_id = study.trials()[0].info.run_id
    study.client().update_run(run_id, status="RUNNING")
    assert sync(study.summary.start, study.summary.trials[:1], study.recorder()) == 1
    assert study.trials()[0].info.run_id == run_id
    assert study.trials()[0].info.status == "FINISHED"


def test_a_trial_run_again_after_an_interruption_replaces_its_first_run(store: Store) -> None:
    study, recorder = store.begun()
    interrupted = study.summary.trials[8]
    recorder.finished(interrupted)
    first = study.trials()[8].info.run_id
    again = examples.trial(8, examples.LARGE, examples.trials()[2].outcome)
    again = replace(again, started_at=interrupted.started_at.replace(hour=13))
    study.recorder().started(study.summary.start)
    recorder.finished(again)
    assert study.trials()[8].info.run_id != first
    assert study.trials()[8].data.tags["outcome"] == "measured"


def test_a_second_run_of_one_trial_goes(store: Store) -> None:
    study, recorder = store.begun()
    recorder.finished(study.summary.trials[0])
    run = study.trials()[0]
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("tuner.")}
    study.client().create_run(run.info.experiment_id, start_time=run.info.start_time, tags=tags)
    study.recorder().started(study.summary.start)
    assert study.trials()[0].info.run_id == run.info.run_id


def test_a_deleted_experiment_is_named_with_the_way_out(store: Store) -> None:
    study = store.study()
    study.recorder().started(study.summary.start)
    experiment = study.client().get_experiment_by_name(study.name)
    study.client().delete_experiment(experiment.experiment_id)
    with pytest.raises(StoreFailure, match="mlflow experiments restore -x"):
        study.recorder().started(study.summary.start)


def test_between_is_called_between_writes(store: Store) -> None:
    study = store.study()
    pauses: list[None] = []
    recorder = MlflowRecorder(study.store.uri, study.folder, study.space, between=lambda: pauses.append(None))
    recorder.started(study.summary.start)
    recorder.finished(study.summary.trials[0])
    assert len(pauses) > 5


def test_the_first_use_of_a_store_prints_nothing(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from tests.record import examples
from tuner.record.mlflow.recorder import MlflowRecorder
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Failed
recorder = MlflowRecorder("sqlite:///{tmp_path}/new.db", StudyFolder(Path("{tmp_path}/iris")), examples.space())
recorder.started(examples.start())
recorder.closed(examples.summary())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_recorder_does_not_import_mlflow() -> None:
    program = "import sys, tuner.record.mlflow.recorder, tuner.record.sync; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_a_store_failure_without_credentials(tmp_path: Path) -> None:
    with listening() as (_, port):
        pass
    recorder = MlflowRecorder(f"http://me:hidden@127.0.0.1:{port}", StudyFolder(tmp_path / "iris"), examples.space())
    with pytest.raises(StoreFailure, match=r"MLflow at http://\*\*\*@127\.0\.0\.1") as failure:
        recorder.started(examples.start())
    assert "hidden" not in str(failure.value)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_answers_does_not_hold_up_the_study(tmp_path: Path) -> None:
    notices: list[str] = []
    with listening() as (server, port):
        held: list[socket.socket] = []
        threading.Thread(target=_accept, args=(server, held), daemon=True).start()
        recorder = MlflowRecorder(f"http://127.0.0.1:{port}", StudyFolder(tmp_path / "iris"), examples.space())
        background = Background(recorder, Gate(), notices.append, study="iris", deadline_s=0.1)
        background.started(examples.start())
        for trial in examples.trials():
            background.finished(trial)
        background.closed(examples.summary())
        assert "9 of 9 trials were not written" in notices[-1]
        assert background.drain(60)
        for connection in held:
            connection.close()


def _accept(server: socket.socket, held: list[socket.socket]) -> None:
    while True:
        try:
            held.append(server.accept()[0])
        except OSError:
            return


@pytest.mark.timeout(300)
def test_a_real_server(store: Store, tmp_path: Path) -> None:
    with mlflow_server(tmp_path, f"sqlite:///{tmp_path}/server.db", free_port()) as uri:
        study = Study(Store(tmp_path, uri), "iris")
        (tmp_path / "space.yaml").write_text("name: iris\n")
        study.record()
        assert sorted(study.trials()) == list(range(9))
        answer = httpx.post(
            f"{uri}/api/2.0/mlflow/runs/search",
            json={
                "experiment_ids": [study.parent().info.experiment_id],
                "filter": "tags.pareto = 'true' and tags.purpose = 'search'",
            },
        ).json()
        assert {run["info"]["run_name"] for run in answer["runs"]} == {"1", "2"}
        assert study.artifact(study.trials()[1], "manifest.yaml") == "# trial 1\n"
        assert sync(study.summary.start, study.summary.trials, study.recorder(), study.summary) == 0
