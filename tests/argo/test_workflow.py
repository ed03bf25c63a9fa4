"""What `tune workflow` writes: valid by Argo's definitions, restricted, and with the least rights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.argo.schema import problems
from tests.repository.checkout import ROOT
from tuner.argo.settings import Settings
from tuner.argo.steps import templates
from tuner.argo.workflow import workflow
from tuner.cli.run import run
from tuner.commands.workflow import workflow as written
from tuner.errors import InputError
from tuner.in_cluster.inputs import Inputs, inputs
from tuner.report.outputs import OUTPUTS
from tuner.space.file.read import read

IRIS = ROOT / "search_spaces" / "iris"
SETTINGS = Settings(name="iris", namespace="tuning", image="tuner:1")
FILES = Inputs(space="/inputs/space.yaml", files={"space.yaml": b"name: iris\n"})

given_settings = st.builds(
    Settings,
    name=st.just("iris"),
    namespace=st.just("tuning"),
    image=st.sampled_from(["tuner:1", "host:5000/tuner@sha256:0a"]),
    schedule=st.none() | st.just("0 3 * * 6"),
    timezone=st.none() | st.just("Europe/Berlin"),
    template=st.booleans(),
    claim=st.none() | st.just("studies"),
    storage=st.sampled_from(["1Gi", "500M"]),
    artifacts=st.none() | st.just("tuner/iris"),
    tracking_uri=st.none() | st.just("https://mlflow.example"),
    secret=st.none() | st.just("mlflow"),
    apply_to=st.none() | st.sampled_from(["serving", "tuning"]),
    approve=st.booleans(),
    run_options=st.sampled_from([(), ("--trials", "40")]),
    patch_executor=st.booleans(),
    workers=st.sampled_from([0, 4]),
)


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def of_kind(text: str, kind: str) -> list[dict[str, Any]]:
    return [one for one in documents(text) if one["kind"] == kind]


def text_of(asked: Settings = SETTINGS, path: Path = IRIS) -> str:
    said: list[str] = []
    return written(path, asked, "cluster", said.append)


def containers(obj: Any) -> Iterator[dict[str, Any]]:
    if isinstance(obj, dict):
        if "image" in obj:
            yield obj
        for below in obj.values():
            yield from containers(below)
    elif isinstance(obj, list):
        for below in obj:
            yield from containers(below)


def steps_of(asked: Settings) -> list[str]:
    return [step["name"] for (step,) in templates(asked, FILES)[0]["steps"]]


def template(asked: Settings, name: str) -> dict[str, Any]:
    return next(one for one in templates(asked, FILES) if one["name"] == name)


@settings(max_examples=25, deadline=None)
@given(asked=given_settings)
def test_argo_knows_every_field(asked: Settings) -> None:
    assert problems(workflow(asked, FILES)) == []


@settings(max_examples=25, deadline=None)
@given(asked=given_settings)
def test_every_pod_is_restricted(asked: Settings) -> None:
    made = workflow(asked, FILES)
    spec = made["spec"]["workflowSpec"] if made["kind"] == "CronWorkflow" else made["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    found = list(containers(spec))
    assert len(found) == 3 + (asked.apply_to is not None) + (asked.workers > 0)
    for one in found:
        security = one["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["readOnlyRootFilesystem"] is True
        assert {"name": "tmp", "mountPath": "/tmp"} in one["volumeMounts"]
        assert one["resources"]["requests"].keys() == one["resources"]["limits"].keys() == {"cpu", "memory"}
    own = json.loads(spec.get("podSpecPatch", "{}"))
    patched = {one["name"] for part in own.values() for one in part}
    assert patched == ({"init", "wait"} if asked.patch_executor else set())
    volumes = {one["name"] for one in [*spec["volumes"], *spec.get("volumeClaimTemplates", [])] if "name" in one}
    claims = {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", []) if "metadata" in one}
    mounted = {mount["name"] for one in found for mount in one["volumeMounts"]}
    assert mounted <= volumes | claims


def test_every_step_is_a_command_that_tune_takes() -> None:
    from tuner.cli.root import tune

    asked = replace(SETTINGS, apply_to="serving", approve=True, run_options=("--trials", "4"))
    for one in templates(asked, FILES):
        if "container" in one:
            name, *words = one["container"]["args"]
            tune.commands[name].make_context(name, words).close()
    context = run.make_context("run", template(asked, "study")["container"]["args"][1:])
    assert context.params["resume"] is True
    assert context.params["trials"] == 4


def test_workers_run_beside_the_study_which_is_in_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is in the Secret alone, and nothing is on a claim."""
    monkeypatch.setenv("TUNE_STUDIES", "postgresql://tuner@db/tuner")
    asked = replace(SETTINGS, workers=4, secret="database", apply_to="serving", artifacts="k")
    _, (study, worker), (report,), _ = templates(asked, FILES)[0]["steps"]
    assert (study["name"], report["name"]) == ("study", "report")
    assert worker["withSequence"] == {"count": "4"}
    assert worker["continueOn"] == {"failed": True, "error": True}
    for name in ("check", "study", "worker", "report", "apply"):
        runs = template(asked, name)["container"]
        assert runs["envFrom"] == [{"secretRef": {"name": "database"}}]
        assert "--studies" not in runs["args"]
    words = template(asked, "study")["container"]["args"]
    assert words[words.index("--parallel") + 1] == "4"
    assert "--workers" in words
    assert template(asked, "worker")["container"]["args"] == ["worker", "{{workflow.name}}"]
    spec = workflow(asked, FILES)["spec"]
    assert "volumeClaimTemplates" not in spec
    assert {"name": "work", "emptyDir": {}} in spec["volumes"]
    artifacts = template(asked, "report")["outputs"]["artifacts"]
    assert not any("/work" in one["path"] for one in artifacts), "a study in a database is no folder"


def test_the_steps_are_those_that_are_asked_for() -> None:
    assert steps_of(SETTINGS) == ["check", "study", "report"]
    assert steps_of(replace(SETTINGS, apply_to="serving")) == ["check", "study", "report", "apply"]
    assert steps_of(replace(SETTINGS, apply_to="serving", approve=True)) == [
        *("check", "study", "report", "approve", "apply"),
    ]


def test_only_what_is_better_is_applied() -> None:
    steps = templates(replace(SETTINGS, apply_to="serving", approve=True), FILES)[0]["steps"]
    for (step,) in steps[3:]:
        assert step["when"] == "'{{steps.report.outputs.parameters.verdict}}' == 'better'"


def test_the_report_judges_not_the_studys_exit_status() -> None:
    _, (study,), (report,) = templates(SETTINGS, FILES)[0]["steps"]
    assert study["continueOn"] == {"failed": True, "error": True}
    assert "continueOn" not in report


def test_a_study_that_is_lost_is_gone_on_with_and_bad_input_is_not_tried_again() -> None:
    study = template(SETTINGS, "study")
    assert "--resume" in study["container"]["args"]
    again = study["retryStrategy"]["expression"]
    assert 'lastRetry.status == "Error"' in again
    assert all(f'"{status}"' in again for status in (3, 130, 137, 143))
    assert not any(f'"{status}"' in again for status in (0, 1, 2, 70))


def test_what_the_report_writes_is_what_argo_reads() -> None:
    outputs = template(replace(SETTINGS, artifacts="k"), "report")["outputs"]
    paths = {one["name"]: one["valueFrom"] for one in outputs["parameters"]}
    assert paths == {name: {"path": f"/tmp/outputs/{name}", "default": ""} for name in OUTPUTS}
    told = templates(SETTINGS, FILES)[0]["outputs"]["parameters"]
    assert [one["name"] for one in told] == list(OUTPUTS)
    assert {one["path"] for one in outputs["artifacts"]} == {
        *("/tmp/outputs/manifest", "/tmp/outputs/report.html", "/tmp/outputs/report.json"),
        "/work/studies/{{workflow.name}}",
    }


def test_a_secret_is_given_to_what_sends_requests() -> None:
    asked = replace(SETTINGS, secret="tokens", apply_to="serving")
    having = {one["name"] for one in templates(asked, FILES) if "envFrom" in one.get("container", {})}
    assert having == {"check", "study", "apply"}


def test_artifacts_are_asked_of_no_repository_that_nobody_named() -> None:
    assert "artifacts" not in template(SETTINGS, "report")["outputs"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({}, "Workflow"), ({"template": True}, "WorkflowTemplate"), ({"schedule": "@weekly"}, "CronWorkflow")],
)
def test_its_kind(changes: dict[str, Any], kind: str) -> None:
    made = workflow(replace(SETTINGS, **changes), FILES)
    assert made["kind"] == kind
    assert made["metadata"]["name"] == "iris"


# rights


def rules(text: str, name: str) -> dict[str, set[str]]:
    (role,) = [one for one in of_kind(text, "Role") if one["metadata"]["name"] == name]
    return {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}


def test_each_step_has_an_account_with_no_more_than_it_needs() -> None:
    text = text_of(replace(SETTINGS, apply_to="tuning"))
    executor = {"workflowtaskresults": {"create", "patch"}}
    assert rules(text, "iris-report") == executor
    for account in ("iris-study", "iris-apply"):
        assert executor.items() <= rules(text, account).items()
    assert "jobs" in rules(text, "iris-study")
    assert "leases" not in rules(text, "iris-apply")
    accounts = {one["metadata"]["name"] for one in of_kind(text, "ServiceAccount")}
    made = of_kind(text, "Workflow")[0]["spec"]
    assert {one["serviceAccountName"] for one in made["templates"] if "container" in one} == accounts
    assert not of_kind(text, "ClusterRole")


def test_rights_on_another_namespace_stand_there_and_are_the_workflows_accounts() -> None:
    text = text_of(replace(SETTINGS, apply_to="serving"))
    there = [one for one in documents(text) if one["metadata"]["namespace"] == "serving"]
    assert [one["kind"] for one in there] == ["Role", "RoleBinding"]
    assert there[1]["subjects"] == [{"kind": "ServiceAccount", "name": "iris-apply", "namespace": "tuning"}]
    assert rules(text, "iris-report")
    assert len({(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]) for o in documents(text)}) == len(
        documents(text)
    )


# what travels


def unpacked(text: str, to: Path) -> Path:
    """The ConfigMap as its volume would show it."""
    (config,) = of_kind(text, "ConfigMap")
    made = next(one for one in documents(text) if "spec" in one and "templates" in one["spec"])
    (volume,) = [one for one in made["spec"]["volumes"] if one["name"] == "inputs"]
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    for item in volume["configMap"]["items"]:
        path = to / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config["data"][item["key"]])
    return to / "space.yaml"


def test_the_search_space_reads_where_it_is_mounted(tmp_path: Path) -> None:
    there, problems_ = read(unpacked(text_of(), tmp_path))
    here, _ = read(IRIS)
    assert problems_ == ()
    assert there is not None
    assert here is not None
    assert there.parameters == tuple(
        replace(one, where=mine.where) for one, mine in zip(here.parameters, there.parameters, strict=True)
    )
    assert there.manifest.read_bytes() == here.manifest.read_bytes()


def test_double_braces_of_a_request_stay_what_they_are(tmp_path: Path) -> None:
    shutil.copytree(IRIS, tmp_path / "iris")
    (tmp_path / "iris" / "request.json").write_text('{"data": {"ndarray": [[{{float 0 1}}, 1, 1, 1]]}}\n')
    space = tmp_path / "iris" / "space.yaml"
    space.write_text(
        space.read_text().replace("request: request.json ", "request: {file: request.json, template: true} ")
    )
    text = text_of(path=tmp_path / "iris")
    assert "{{float" not in json.dumps(of_kind(text, "Workflow"))
    assert "{{float 0 1}}" in unpacked(text, tmp_path / "there").with_name("request.json").read_text()


@settings(max_examples=60, deadline=None)
@given(content=st.text(max_size=60) | st.text(alphabet=" \t\n#:-|'\"{}ab", max_size=40))
def test_any_text_comes_out_as_it_went_in(content: str) -> None:
    text = Inputs(space="/inputs/s", files={"a/b c.json": content.encode()}).config_map("iris", "tuning")
    (config,) = documents(text)
    (found,) = config["data"].values()
    assert found == content


def test_bytes_that_are_no_text_travel_too() -> None:
    (config,) = documents(Inputs(space="/inputs/s", files={"d.bin": b"\xff\x00"}).config_map("iris", "tuning"))
    assert config["binaryData"] == {"d.bin": "/wA="}
    assert config["immutable"] is True


def test_other_files_are_another_config_map() -> None:
    changed = Inputs(space="/inputs/space.yaml", files={"space.yaml": b"name: other\n"})
    assert changed.named("iris") != FILES.named("iris")


def test_what_lies_elsewhere_or_is_too_large_is_told(tmp_path: Path) -> None:
    shutil.copytree(IRIS, tmp_path / "iris")
    (tmp_path / "outside.json").write_text("{}")
    space = tmp_path / "iris" / "space.yaml"
    text = space.read_text()
    space.write_text(text.replace("request: request.json", "request: ../outside.json"))
    read_space, _ = read(space)
    assert read_space is not None
    with pytest.raises(InputError, match=r"outside\.json: it lies outside of the search space's folder"):
        inputs(read_space)
    space.write_text(text)
    (tmp_path / "iris" / "request.json").write_text(json.dumps("x" * 1_000_001))
    read_space, _ = read(space)
    assert read_space is not None
    with pytest.raises(InputError, match="and a ConfigMap 1,000,000 at most"):
        inputs(read_space)


def test_a_wrong_search_space_is_told_as_by_check(tmp_path: Path) -> None:
    shutil.copytree(IRIS, tmp_path / "iris")
    space = tmp_path / "iris" / "space.yaml"
    space.write_text(space.read_text().replace("set: replicas", "set: replica"))
    with pytest.raises(InputError, match=r"space\.yaml:\d+: .*'replica' is no address"):
        text_of(path=space)
