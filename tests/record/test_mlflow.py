"""Against real stores: SQLite, a real `mlflow server`, one that is not there, and one that never answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.record import examples
from tuner.errors import StoreFailure
from tuner.record.background import Background, Gate
from tuner.record.mlflow import MlflowRecorder
from tuner.record.sync import sync
from tuner.space.model import SearchSpace
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Measured


class Store:
    """A store with a study folder, and what MLflow itself reads back from it."""

    def __init__(self, root: Path, uri: str) -> None:
        self.root, self.uri = root, uri
        self._studies = 0

    def study(self) -> Study:
        self._studies += 1
        return Study(self, f"iris-{self._studies}")

    def begun(self) -> tuple[Study, MlflowRecorder]:
        """A study, and a recorder that was told of its start."""
        study = self.study()
        recorder = study.recorder()
        recorder.started(study.summary.start)
        return study, recorder


class Study:
    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.summary: Summary = examples.summary(study_id=f"id-{name}", name=name)
        self.folder = StudyFolder(store.root / "studies" / name)
        self.space: SearchSpace = examples.space(store.root)
        for trial in self.summary.trials:
            if not isinstance(trial.outcome, Measured) and trial.number != 4:
                continue
            self.folder.trial(trial.number).mkdir(parents=True)
            self.folder.manifest(trial.number).write_text(f"# trial {trial.number}\n")
            if trial.number != 4:
                self.folder.log(trial.number).write_text("".join(f"line {n}\n" for n in range(500)))

    def recorder(self) -> MlflowRecorder:
        return MlflowRecorder(self.store.uri, self.folder, self.space)

    def record(self) -> None:
        recorder = self.recorder()
        recorder.started(self.summary.start)
        for trial in self.summary.trials:
            recorder.finished(trial)
        recorder.closed(self.summary)

    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.store.uri, registry_uri=self.store.uri)

    def runs(self) -> list[Any]:
        client = self.client()
        experiment = client.get_experiment_by_name(self.name)
        return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))

    def parent(self) -> Any:
        (parent,) = (run for run in self.runs() if "tuner.trial" not in run.data.tags)
        return parent

    def trials(self) -> dict[int, Any]:
        children = [run for run in self.runs() if "tuner.trial" in run.data.tags]
        by_number = {int(run.data.tags["tuner.trial"]): run for run in children}
        assert len(by_number) == len(children), "a trial has two runs"
        return by_number

    def artifact(self, run: Any, name: str) -> str:
        path = self.client().download_artifacts(run.info.run_id, name, str(self.store.root))
        text = Path(path).read_text()
        Path(path).unlink()
        return text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("a store #1")
    (root / "space.yaml").write_text("name: iris\n")
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
    assert recorded.trials()[1].info.run_name == "0001 cpu=500m threads=4 workers=2"
    assert recorded.trials()[0].info.run_name.startswith("0000 baseline ")


def test_knobs_are_params_as_they_are(recorded: Study) -> None:
    assert recorded.trials()[1].data.params == {"cpu": "500m", "threads": "4", "workers": "2"}
    assert "threads" not in recorded.trials()[2].data.params


def test_metrics_say_their_unit_and_hold_intervals(recorded: Study) -> None:
    metrics = recorded.trials()[1].data.metrics
    assert metrics["throughput_rps"] == 390.0
    assert metrics["latency_p99_ms"] == pytest.approx(11.0)
    assert metrics["latency_p99_ms_low"] == pytest.approx(9.9)
    assert metrics["latency_p99_ms_high"] == pytest.approx(13.2)
    assert metrics["latency_p99.9_ms"] == pytest.approx(16.5)
    assert metrics["cost_per_hour"] == 0.016
    assert metrics["memory_bytes"] == 180 * examples.MIB
    assert metrics["startup_ms"] == 1900.0


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


def test_a_run_lasts_as_long_as_its_trial(recorded: Study) -> None:
    run = recorded.trials()[2]
    assert run.info.start_time == recorded.summary.trials[2].started_at.timestamp() * 1000
    assert run.info.end_time - run.info.start_time == 18500


def test_tags_tell_what_became_of_a_trial(recorded: Study) -> None:
    tags = {number: run.data.tags for number, run in recorded.trials().items()}
    assert tags[0]["baseline"] == "true"
    assert tags[1]["baseline"] == "false"
    assert [tags[n]["outcome"] for n in (1, 4, 5, 6, 8)] == [
        "measured",
        "failed",
        "infeasible",
        "stopped",
        "interrupted",
    ]
    assert tags[3]["feasible"] == "false"
    assert tags[3]["reason"] == "breaks the SLO: latency_p99 by 30 %"
    assert "OOMKilled" in tags[4]["reason"]
    assert "reason" not in tags[1]
    assert tags[7]["purpose"] == "confirm"
    assert tags[1]["digest"] == recorded.summary.trials[1].manifest_digest


def test_pareto_is_tagged_on_every_run_and_belongs_to_the_configuration(recorded: Study) -> None:
    tags = {number: run.data.tags for number, run in recorded.trials().items()}
    assert {number for number in tags if tags[number]["pareto"] == "true"} == {1, 2, 7}
    assert {number for number in tags if tags[number]["chosen"] == "true"} == {1, 7}
    assert all(tags[number]["pareto"] in ("true", "false") for number in tags)


def test_artifacts_hold_the_manifest_the_latency_table_and_the_log_tail(recorded: Study) -> None:
    run = recorded.trials()[1]
    assert recorded.artifact(run, "manifest.yaml") == "# trial 1\n"
    log = recorded.artifact(run, "server.log").splitlines()
    assert (len(log), log[-1]) == (200, "line 499")
    table = json.loads(recorded.artifact(run, "latency.json"))
    assert [row[0] for row in table["data"]] == [100.0, 200.0, 400.4]
    assert table["data"][0][table["columns"].index("latency_p99_s_high")] == pytest.approx(0.0132)
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
    assert comparison["data"][0][0] == "throughput"
    assert parent.data.params["objectives"] == "maximize throughput, minimize cost"
    assert parent.data.params["slo"] == "latency_p99 <= 100 ms, error_ratio <= 0.1 %"
    assert parent.data.params["rate_rps"] == "100"
    assert parent.data.params["seed"] == "7"
    assert parent.data.tags["chosen_trial"] == "1"
    assert "no difference beyond the noise floor" in parent.data.tags["mlflow.note.content"]


def test_a_view_of_the_page_lists_the_trials_with_knobs_and_metrics(recorded: Study) -> None:
    recorder = recorded.recorder()
    recorder.started(recorded.summary.start)
    recorder.closed(recorded.summary)
    experiment = recorded.client().get_experiment_by_name(recorded.name)
    assert (
        recorder.page(recorded.summary.start)
        == f"/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=tuner"
    )
    assert recorder.page(recorded.summary.start)[1:] in experiment.tags["mlflow.note.content"]
    view = json.loads(experiment.tags["mlflow.sharedViewState.tuner"])
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`throughput_rps`", False)
    columns = {column.split("`")[1] for column in view["selectedColumns"]}
    run = recorded.trials()[1]
    assert columns <= {*run.data.params, *run.data.metrics, *run.data.tags}


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
    study.client().set_tag(study.trials()[0].info.run_id, "pareto", "true")
    assert sync(study.summary.start, study.summary.trials, study.recorder(), study.summary) == 6
    assert study.trials()[0].data.tags["pareto"] == "false"
    assert study.parent().info.status == "FINISHED"
    assert len(study.trials()) == 9


def test_while_the_study_runs_the_front_so_far_is_tagged(store: Store) -> None:
    study, recorder = store.begun()
    recorder.finished(study.summary.trials[0])
    assert study.trials()[0].data.tags["pareto"] == "true"
    assert study.parent().info.status == "RUNNING"
    recorder.finished(study.summary.trials[1])
    assert {number: run.data.tags["pareto"] for number, run in study.trials().items()} == {0: "false", 1: "true"}


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
from tuner.record.mlflow import MlflowRecorder
from tuner.trials.folder import StudyFolder
recorder = MlflowRecorder("sqlite:///{tmp_path}/new.db", StudyFolder(Path("{tmp_path}/iris")), examples.space())
recorder.started(examples.start())
recorder.closed(examples.summary())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_recorder_does_not_import_mlflow() -> None:
    program = "import sys, tuner.record.mlflow, tuner.record.sync; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


@contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server, server.getsockname()[1]


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
    with _mlflow_server(tmp_path) as uri:
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
        assert {run["info"]["run_name"][:4] for run in answer["runs"]} == {"0001", "0002"}
        assert study.artifact(study.trials()[1], "manifest.yaml") == "# trial 1\n"
        assert sync(study.summary.start, study.summary.trials, study.recorder(), study.summary) == 0


@contextmanager
def _mlflow_server(folder: Path) -> Iterator[str]:
    with listening() as (_, port):
        pass
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "art")]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=env, start_new_session=True
        )
    try:
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(transport=transport) as client:
            while server.poll() is None:
                try:
                    if client.get(f"http://127.0.0.1:{port}/health", timeout=5).is_success:
                        break
                except httpx.TransportError:
                    threading.Event().wait(0.2)
        assert server.poll() is None, (folder / "server.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
