from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.manifests.spaces import DEPLOYMENT, choice, integer, manifest, space
from tuner.errors import InputError, Mistake
from tuner.manifests.documents import load_all
from tuner.manifests.export.alike import differences
from tuner.manifests.export.helm_values import Fragment, coalesced, fragment
from tuner.manifests.export.settings import settings
from tuner.manifests.export.values_path import parse, spelled
from tuner.manifests.render import render
from tuner.space.model import Configuration, Parameter
from tuner.space.values import Value
from tuner.yaml.block import block
from tuner.yaml.tree import load_all as read

SIX = (
    integer("workers", "env/GUNICORN_WORKERS"),
    integer("threads", "env/THREADS"),
    integer("replicas", "replicas"),
    choice("cpu", ("500m", "2"), "limits/cpu", "requests/cpu"),
    choice("level", ("debug", "on"), "args/--log-level"),
    choice("note", ("a",), "pod-annotations/tuner.test/note"),
)
CHART = """\
replicaCount: 1
image: {repository: iris, tag: "1"}
env:
  - name: GUNICORN_WORKERS
    value: "2"
args: [--log-level, info]
resources:
  limits: {cpu: "1", memory: 512Mi}
  requests: {cpu: "1"}
podAnnotations: {}
autoscaling: {enabled: false, minReplicas: 1}
"""


def made(chart: str | None, paths: dict[str, str] | None = None, **values: Value) -> Fragment:
    changed = settings(space(*SIX), load_all(DEPLOYMENT), Configuration(values=values))
    known = None if chart is None else read(chart)[0]
    return fragment(tuple(changed), known, {name: parse(text) for name, text in (paths or {}).items()})


def refused(chart: str | None, paths: dict[str, str] | None = None, **values: Value) -> str:
    with pytest.raises(InputError) as error:
        made(chart, paths, **values)
    return str(error.value)


def test_keys_of_usual_names_that_hold_what_the_manifest_had() -> None:
    found = made(CHART, workers=4, threads=3, replicas=2, cpu="500m", level="on", note="a")
    assert found.values == {
        "env": [{"name": "GUNICORN_WORKERS", "value": "4"}, {"name": "THREADS", "value": "3"}],
        "replicaCount": 2,
        "resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}},
        "args": ["--log-level", "on"],
        "podAnnotations": {"tuner.test/note": "a"},
    }
    assert dict(found.keys)["limits/cpu"] == "resources.limits.cpu"


def test_what_is_as_it_was_is_left_out() -> None:
    assert made(CHART, workers=2, replicas=1, cpu="1").values == {}


def test_without_the_charts_values_only_what_helm_create_gives_every_chart() -> None:
    found = made(None, replicas=2, cpu="2", note="a")
    assert found.values == {
        "replicaCount": 2,
        "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}},
        "podAnnotations": {"tuner.test/note": "a"},
    }
    told = refused(None, workers=4, level="on")
    assert "env/GUNICORN_WORKERS cannot be expressed: every chart calls it otherwise" in told
    assert "--values-path args/--log-level=KEY" in told


def test_keys_that_are_named() -> None:
    chart = "server: {workers: 2, threads: null, extra: {}}\ncpu: '1'\nlist: [{env: []}]\n"
    found = made(
        chart,
        {
            "env/GUNICORN_WORKERS": "server.workers",
            "threads": "server.threads",
            "cpu": "cpu",
            "replicas": "server.extra.n",
        },
        workers=4,
        threads=3,
        cpu="500m",
        replicas=2,
    )
    assert found.values == {"server": {"workers": 4, "threads": 3, "extra": {"n": 2}}, "cpu": "500m"}
    in_list = made(chart, {"env/THREADS": "list[0].env"}, threads=3)
    assert in_list.values == {"list": [{"env": [{"name": "THREADS", "value": "3"}]}]}, "helm replaces lists whole"


def test_variables_and_flags_in_mappings() -> None:
    found = made("extraEnv: {GUNICORN_WORKERS: '2'}\nextraArgs: {log-level: info}\n", workers=4, level="on")
    assert found.values == {"extraEnv": {"GUNICORN_WORKERS": "4"}, "extraArgs": {"log-level": "on"}}


def templated(values: Any) -> list[Any]:
    """What a chart's templates make of its values: those of `helm create`, with env and args besides."""
    container = {"name": "classifier", "image": "iris:1"}
    container |= {key: values[key] for key in ("env", "args", "resources") if values.get(key)}
    pod: dict[str, Any] = {"spec": {"containers": [container]}}
    if values.get("podAnnotations"):
        pod["metadata"] = {"annotations": values["podAnnotations"]}
    spec = {"replicas": values["replicaCount"], "template": pod}
    return [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "iris"}, "spec": spec}]


VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.integers(1, 4) for name in ("workers", "threads", "replicas")},
    "cpu": st.sampled_from(["500m", "1", "2"]),
    "level": st.sampled_from(["debug", "on"]),
    "note": st.just("a"),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_the_chart_renders_what_was_measured(values: dict[str, Value]) -> None:
    used = read(CHART)[0]
    text = block(templated(used)[0])
    found = render(space(*SIX), manifest(text), Configuration(values=values))
    changed = tuple(settings(space(*SIX), load_all(text), Configuration(values=values)))
    tuned = read(block(fragment(changed, used, {}).values) or "{}")[0]
    assert differences(templated(coalesced([used, tuned])), found.objects) == ()


COMPONENTS = """\
router: {replicaCount: 1, env: [], resources: {requests: {cpu: "1"}, limits: {cpu: "1"}}}
server: {replicaCount: 1, env: [], resources: {}}
"""


def test_of_several_the_one_beside_those_that_can_be_told() -> None:
    found = made(COMPONENTS, threads=3, replicas=2, cpu="2")
    resources = {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}
    assert found.values == {
        "router": {"env": [{"name": "THREADS", "value": "3"}], "replicaCount": 2, "resources": resources}
    }
    assert made(COMPONENTS, {"replicas": "server.replicaCount"}, threads=3, replicas=2).values == {
        "server": {"env": [{"name": "THREADS", "value": "3"}], "replicaCount": 2}
    }
    assert "it may be router.env or server.env" in refused(COMPONENTS, threads=3)


def test_a_size_that_sets_the_resources_gives_way_to_all_that_it_set() -> None:
    chart = "replicaCount: 1\nresourcesPreset: nano\nresources: {}\nmetrics: {resourcesPreset: nano, resources: {}}\n"
    assert made(chart, replicas=2, cpu="2").values == {
        "replicaCount": 2,
        "resources": {"limits": {"cpu": "2", "memory": "512Mi"}, "requests": {"cpu": "2"}},
    }


def test_that_there_is_nothing_tells_not_which_component_is_meant() -> None:
    chart = "servers: [{replicaCount: 1, cpu: '1'}]\nrouter: {env: [], resources: {}}\n"
    assert "env/THREADS cannot be expressed: it may be router.env" in refused(chart, replicas=2, threads=3)
    found = made(chart, {"env/THREADS": "servers[0].env", "cpu": "servers[0].cpu"}, replicas=2, threads=3, cpu="2")
    whole = {"replicaCount": 2, "cpu": "2", "env": [{"name": "THREADS", "value": "3"}]}
    assert found.values == {"servers": [whole]}
    assert "env is in a list or is one, and helm replaces lists whole" in refused(None, {"threads": "env"}, threads=3)


@pytest.mark.parametrize(
    ("chart", "paths", "values", "message"),
    [
        ("a: {replicas: 1}\nb: {replicas: 1}\n", {}, {"replicas": 2}, "it may be a.replicas or b.replicas"),
        ("replicaCount: 2\n", {}, {"replicas": 3}, "no key of the values of a usual name holds what the manifest had"),
        ("count: 7\n", {"replicas": "count"}, {"replicas": 3}, "count is 7 in the values, but the manifest had 1"),
        (None, {"replicas": "a[0].n"}, {"replicas": 3}, "a[0].n is in a list or is one, and helm replaces lists whole"),
        (CHART, {"replica": "n"}, {"replicas": 3}, "'replica' is no address that changed; those that did: replicas"),
        ("env:\n- {name: THREADS, valueFrom: {fieldRef: {}}}\n", {}, {"threads": 3}, "THREADS takes its value from"),
    ],
)
def test_what_cannot_be_expressed_is_refused(
    chart: str | None, paths: dict[str, str], values: dict[str, Value], message: str
) -> None:
    assert message in refused(chart, paths, **values)


def test_of_several_files_the_later_wins() -> None:
    assert coalesced([{"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}, "d": None}]) == {"a": {"b": 1, "c": [2]}, "d": None}


@pytest.mark.parametrize("text", ["", ".", "a..b", "a[", "a[x]", "a b", "a=b", "[0]", "a.[0]"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(Mistake, match="no key of a chart's values"):
        parse(text)


@given(st.lists(st.text("ab.\\[]=,/-", min_size=1), min_size=1), st.integers(0, 9999))
def test_keys_read_back(names: list[str], index: int) -> None:
    path: tuple[Any, ...] = (*names, index)
    assert parse(spelled(path)) == path


def test_parameters_in_two_containers_are_told_apart_by_name() -> None:
    several: tuple[Parameter, ...] = (integer("one", "replicas"), integer("two", "replicas"))
    changed = tuple(settings(space(*several), load_all(DEPLOYMENT), Configuration(values={"one": 2, "two": 3})))
    assert fragment(changed, {}, {"one": ("a",), "two": ("b",)}).values == {"a": 2, "b": 3}
