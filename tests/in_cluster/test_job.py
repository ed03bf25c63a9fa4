"""The objects of a study that runs as a Job: restricted, and of one piece."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.in_cluster.inputs import Inputs
from tuner.in_cluster.job import FINAL, Settings, owner_of, study_job, worker_job

INPUTS = Inputs(space="/inputs/space.yaml", files={"space.yaml": b"name: iris\n", "a request.json": b"{}"})
SETTINGS = Settings(
    study="iris-4k2xz",
    namespace="tuning",
    image="tuner:1",
    account="tuner",
    secret="studies",
    words=("--trials", "8"),
    workers=3,
    labels={"team": "ml", "app.kubernetes.io/managed-by": "another"},
)
STUDY = study_job(SETTINGS, INPUTS, "tune-iris-4k2xz-0a1b2c")
OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "tune-iris-4k2xz", "uid": "u"}
WORKERS = worker_job(SETTINGS, OWNER)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("job", [STUDY, WORKERS], ids=["study", "workers"])
class TestBoth:
    def test_pods_meet_the_level_restricted(self, job: dict[str, Any]) -> None:
        pod = pod_of(job)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }

    def test_all_that_is_mounted_is_there(self, job: dict[str, Any]) -> None:
        pod = pod_of(job)
        (container,) = pod["containers"]
        assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}

    def test_the_database_and_other_secrets_come_from_the_secret_alone(self, job: dict[str, Any]) -> None:
        (container,) = pod_of(job)["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "studies"}}]
        assert "env" not in container

    def test_what_cannot_change_is_final_and_what_the_cluster_takes_does_not_count(self, job: dict[str, Any]) -> None:
        final, ignored = job["spec"]["podFailurePolicy"]["rules"]
        assert tuple(final["onExitCodes"]["values"]) == FINAL
        assert final["action"] == "FailJob"
        assert ignored["action"] == "Ignore"
        assert pod_of(job)["restartPolicy"] == "Never"

    def test_labels_of_the_search_space_do_not_take_the_tuners_place(self, job: dict[str, Any]) -> None:
        for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
            assert labels["team"] == "ml"
            assert labels["app.kubernetes.io/managed-by"] == "tuner"
            assert labels["tuner.dev/study-name"] == "iris-4k2xz"


def test_the_study_goes_on_where_a_pod_of_it_was_lost() -> None:
    (container,) = pod_of(STUDY)["containers"]
    words = container["args"]
    assert words[:5] == ["run", "/inputs/space.yaml", "--name", "iris-4k2xz", "--resume"]
    assert words[-2:] == ["--trials", "8"]
    assert STUDY["spec"]["suspend"] is True


def test_its_files_keep_their_names() -> None:
    (inputs,) = [one for one in pod_of(STUDY)["volumes"] if one["name"] == "inputs"]
    assert inputs["configMap"]["name"] == "tune-iris-4k2xz-0a1b2c"
    assert [one["path"] for one in inputs["configMap"]["items"]] == ["space.yaml", "a request.json"]


def test_as_many_workers_as_asked_for_go_with_the_study() -> None:
    assert WORKERS["spec"]["parallelism"] == WORKERS["spec"]["completions"] == 3
    assert WORKERS["metadata"]["ownerReferences"] == [OWNER]
    (container,) = pod_of(WORKERS)["containers"]
    assert container["args"] == ["worker", "iris-4k2xz"]


def test_an_owner_is_known_by_its_uid() -> None:
    assert owner_of({**STUDY, "metadata": {**STUDY["metadata"], "uid": "u"}}) == OWNER
