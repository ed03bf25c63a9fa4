"""Every form, built back: by kustomize itself, and by the merges of the standards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.manifests import kubectl
from tests.manifests.export.patched import GuardFailed, by_merge, by_operations, by_strategy
from tests.manifests.kubectl import kustomize
from tests.manifests.spaces import DEPLOYMENT, SELDON, choice, integer, rendered, space
from tests.manifests.test_kinds import ALONE, TEXTS
from tests.manifests.test_render import EVERY_TARGET, VALUES
from tuner.manifests.documents import load_all
from tuner.manifests.export.alike import differences
from tuner.manifests.export.changes import Change, changes
from tuner.manifests.export.diff import unified
from tuner.manifests.export.json_patch import operations
from tuner.manifests.export.kustomize import kustomization
from tuner.manifests.export.merge_patch import Inexpressible, kind_of_merge, merge_patch
from tuner.manifests.model import Rendered
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.manifests.workload import workloads
from tuner.space.model import Configuration
from tuner.yaml.block import block

CUSTOM = """\
apiVersion: serving.example.com/v1
kind: ModelServer
metadata:
  name: iris
  annotations: {tuner.dev/service: "{name}:80", tuner.dev/pods: "app=iris"}
spec:
  replicas: 1
  template:
    spec:
      containers:
        - {name: proxy, image: envoy:1}
        - {name: classifier, image: iris:1, env: [{name: GUNICORN_WORKERS, value: "2"}], args: [--log-level, info]}
"""
CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: other}
spec: {schedule: "@daily"}
---
"""
KINDS = {**TEXTS, "custom": CUSTOM, "beside others": CRON + DEPLOYMENT, "a list": "", "of a namespace": ""}
KINDS["a list"] = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
    f"{'- ' if not n else '  '}{line}\n" for n, line in enumerate(DEPLOYMENT.split("---")[0].splitlines()[1:])
)
KINDS["of a namespace"] = DEPLOYMENT.replace("name: iris   # its name", "name: iris\n  namespace: serving", 1)


def tuned(kind: str) -> Rendered:
    """The manifest of that kind, with much of it set."""
    if kind == "InferenceService":
        return rendered(
            TEXTS[kind], integer("replicas", "replicas"), choice("cpu", ("2",), "limits/cpu"), replicas=3, cpu="2"
        )
    of = {"container": "classifier"}
    parameters = [
        integer("workers", "env/GUNICORN_WORKERS", **of),
        integer("threads", "env/THREADS", **of),
        choice("level", ("debug", "on"), "args/--log-level", **of),
        choice("cpu", ("500m", "2"), "limits/cpu", "requests/cpu", **of),
        choice("note", ("yes", "1e3"), "pod-annotations/tuner.test/note", **of),
    ]
    values: dict[str, Any] = {"workers": 4, "threads": 3, "level": "on", "cpu": "500m", "note": "1e3"}
    if kind not in ALONE:
        parameters.append(integer("replicas", "replicas"))
        values["replicas"] = 3
    return rendered(KINDS[kind], *parameters, **values)


def applied(objects: Sequence[Any], found: Sequence[Change], by: Any) -> list[Any]:
    """The objects, those that changed replaced by what `by` makes of them."""
    made = {(change.kind, change.name): by(change) for change in found}
    return [made.get((obj["kind"], obj["metadata"]["name"]), obj) for obj in objects]


def merged(change: Change) -> Any:
    patch = load_all(block(merge_patch(change)))[0]
    return by_strategy(change.before, patch) if kind_of_merge(change) == "strategic" else by_merge(change.before, patch)


@pytest.mark.parametrize("kind", KINDS)
def test_kustomize_builds_what_was_measured(kind: str, tmp_path: Path) -> None:
    measured = tuned(kind)
    for name, text in kustomization(
        KINDS[kind], changes(load_all(KINDS[kind]), measured.objects), "# of a test\n"
    ).items():
        (tmp_path / name).write_text(text)
    assert differences(load_all(kustomize(tmp_path)), measured.objects) == ()


@pytest.mark.parametrize("case", sorted((Path(__file__).parent.parent / "cases").iterdir()), ids=lambda file: file.stem)
def test_kustomize_reads_every_manifest_that_we_do(case: Path, tmp_path: Path) -> None:
    """Octals, merge keys, tabs, JSON, lists."""
    manifest, _ = read(case)
    found = workloads(load_all(manifest.text)) if manifest is not None else ()
    if manifest is None or not found:
        return
    place = next(one for one in found[0].places() if not one.injected)
    parameters = [choice("cpu", ("3",), "limits/cpu", container=place.name)]
    measured = render(space(*parameters, tuned=found[0].spelled), manifest, Configuration(values={"cpu": "3"}))
    for name, text in kustomization(manifest.text, changes(load_all(manifest.text), measured.objects), "").items():
        (tmp_path / name).write_text(text)
    assert differences(load_all(kustomize(tmp_path)), measured.objects) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_patches_make_what_was_measured(kind: str) -> None:
    before, measured = load_all(KINDS[kind]), tuned(kind)
    found = changes(before, measured.objects)
    assert len(found) == 1
    assert applied(before, found, lambda one: by_operations(one.before, operations(one.before, one.after))) == list(
        measured.objects
    )
    assert differences(applied(before, found, merged), measured.objects) == ()


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "SeldonDeployment", "custom"])
@pytest.mark.parametrize("form", ["merge", "json"])
def test_kubectl_patches_what_was_measured(kind: str, form: str, tmp_path: Path) -> None:
    before, measured = load_all(KINDS[kind]), tuned(kind)
    (change,) = changes(before, measured.objects)
    if form == "json":
        made = kubectl.patched(tmp_path, change.before, json.dumps(operations(change.before, change.after)), "json")
    else:
        made = kubectl.patched(tmp_path, change.before, block(merge_patch(change)), kind_of_merge(change))
    assert differences([made], [change.after]) == ()


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_whatever_was_set_a_patch_makes_it(values: dict[str, Any]) -> None:
    before, measured = load_all(DEPLOYMENT), rendered(DEPLOYMENT, *EVERY_TARGET, **values)
    found = changes(before, measured.objects)
    assert applied(before, found, lambda one: by_operations(one.before, operations(one.before, one.after))) == list(
        measured.objects
    )
    if any(change.kind == "Service" for change in found):  # whose port is what its ports are merged by
        with pytest.raises(Inexpressible, match=r"Service/iris at spec\.ports: .* no port of their own"):
            applied(before, found, merged)
    else:
        assert differences(applied(before, found, merged), measured.objects) == ()
    assert bool(unified(DEPLOYMENT, measured.text, "deployment.yaml")) == bool(found)


def test_what_no_merge_can_make_kustomize_gets_as_a_json_patch(tmp_path: Path) -> None:
    measured = rendered(DEPLOYMENT, EVERY_TARGET[-1], integer("workers", "env/GUNICORN_WORKERS"), period=81, workers=3)
    files = kustomization(DEPLOYMENT, changes(load_all(DEPLOYMENT), measured.objects), "")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert files["service-iris.yaml"].startswith("- op: ")
    assert files["deployment-iris.yaml"].startswith("apiVersion: apps/v1\n")
    assert differences(load_all(kustomize(tmp_path)), measured.objects) == ()


def test_of_a_built_in_kind_only_what_differs_is_in_the_patch() -> None:
    found = changes(load_all(DEPLOYMENT), rendered(DEPLOYMENT, integer("n", "env/GUNICORN_WORKERS"), n=3).objects)
    assert merge_patch(found[0])["spec"] == {
        "template": {
            "spec": {"containers": [{"name": "classifier", "env": [{"name": "GUNICORN_WORKERS", "value": "3"}]}]}
        }
    }


def test_of_a_custom_resource_the_whole_list_is() -> None:
    """Since all that merge it replace its lists: less would drop the image."""
    found = changes(load_all(SELDON), rendered(SELDON, integer("n", "env/GUNICORN_WORKERS"), n=3).objects)
    container = merge_patch(found[0])["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]
    assert container["image"] == "iris:1"
    assert kind_of_merge(found[0]) == "merge"


def test_a_variable_that_another_one_uses_keeps_its_place() -> None:
    text = DEPLOYMENT.replace("value: '2'", "value: $(BASE)")
    found = changes(load_all(text), rendered(text, integer("base", "env/BASE"), base=3).objects)
    with pytest.raises(Inexpressible, match=r"\$\(BASE\) is used there"):
        merge_patch(found[0])


def test_a_json_patch_fails_on_another_manifest_than_it_was_made_for() -> None:
    before = load_all(DEPLOYMENT)[0]
    after = rendered(
        DEPLOYMENT, integer("n", "env/GUNICORN_WORKERS"), choice("l", ("on",), "args/--log-level"), n=3, l="on"
    )
    patch = operations(before, after.objects[0])
    sidecar_first = load_all(DEPLOYMENT.replace("      # the server\n", "      - {name: proxy, image: envoy}\n"))[0]
    other_flags = load_all(DEPLOYMENT.replace("[--log-level, info]", "[--color, info]"))[0]
    for changed in (sidecar_first, other_flags):
        with pytest.raises(GuardFailed):
            by_operations(changed, patch)
    tests = [one for one in patch if one["op"] == "test"]
    assert patch[: len(tests)] == tests


@pytest.mark.parametrize("text", [DEPLOYMENT, DEPLOYMENT.rstrip("\n"), DEPLOYMENT.replace("\n", "\r\n")])
def test_a_diff_is_applied_by_git(text: str, tmp_path: Path) -> None:
    measured = rendered(text, *EVERY_TARGET[:3], workers=4, threads=2, replicas=3)
    (tmp_path / "deployment.yaml").write_bytes(text.encode())
    (tmp_path / "it.diff").write_bytes(unified(text, measured.text, "deployment.yaml").encode())
    command = ["git", "apply", "--whitespace=nowarn", "it.diff"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deployment.yaml").read_bytes() == measured.text.encode()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("replicas: 1", "replicas: 2", "Deployment/iris /spec/replicas: 2, but 1 was measured"),
        ("value: '2'", "value: '3'", '/env/GUNICORN_WORKERS/value: "3", but "2" was measured'),
        ("name: TOKEN", "name: OTHER", "/env/TOKEN: nothing, but {name:"),
        ("kind: Service", "kind: Ingress", "Service/iris is not there"),
        ("[--log-level, info]", "[--log-level]", '/args: ["--log-level"], but ["--log-level", "info"] was measured'),
    ],
)
def test_what_was_built_otherwise_is_told(old: str, new: str, sentence: str) -> None:
    measured = load_all(DEPLOYMENT)
    told = differences(load_all(DEPLOYMENT.replace(old, new)), measured)
    assert sentence in told[0]


def test_order_is_no_difference_where_the_api_has_none() -> None:
    built: list[Mapping[str, Any]] = list(reversed(load_all(DEPLOYMENT)))
    container = built[1]["spec"]["template"]["spec"]["containers"][0]
    container["env"].reverse()
    assert differences(built, load_all(DEPLOYMENT)) == ()
    container["args"].reverse()
    assert len(differences(built, load_all(DEPLOYMENT))) == 2
