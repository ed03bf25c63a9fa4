from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.client.models.v1_deployment import V1Deployment
from ruamel.yaml import YAML

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON, choice, integer, manifest, parameter, rendered, space
from tuner.errors import InputError
from tuner.manifests.baseline import baseline
from tuner.manifests.check.knobs import check
from tuner.manifests.export.annotations import annotate
from tuner.manifests.model import Rendered
from tuner.manifests.pods import pods
from tuner.manifests.render import demanding, render
from tuner.space.model import Condition, Configuration, FloatRange, Parameter
from tuner.space.values import Value
from tuner.yaml.tree import load_all


def difference(old: str, new: str) -> list[str]:
    """Lines that are new; fails where an old one is gone without one in its place."""
    before = old.splitlines()
    return [line for line in new.splitlines() if line not in before]


EVERY_TARGET = (
    integer("workers", "env/GUNICORN_WORKERS"),
    integer("threads", "env/GUNICORN_THREADS"),
    integer("replicas", "replicas"),
    choice("cpu", ("500m", "1", "2"), "limits/cpu", "requests/cpu"),
    integer("gpu", "limits/nvidia.com/gpu"),
    choice("level", ("debug", "on"), "args/--log-level"),
    parameter("ratio", FloatRange(low=0.0, high=1.0), "args/--ratio", "pod-annotations/tuner.test/ratio"),
    choice("switch", (True, False), "annotations/seldon.io/x", "env/SWITCH"),
    integer(
        "period",
        "path:/spec/template/spec/containers/0/readinessProbe/httpGet/path",
        "path:Service/iris:/spec/ports/0/port",
    ),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "workers": st.integers(1, 4),
    "threads": st.integers(1, 4),
    "replicas": st.integers(1, 4),
    "cpu": st.sampled_from(["500m", "1", "2"]),
    "gpu": st.integers(1, 4),
    "level": st.sampled_from(["debug", "on"]),
    "ratio": st.floats(0, 1),
    "switch": st.booleans(),
    "period": st.integers(1, 65535),
}


def test_every_kind_of_target_in_place() -> None:
    values: dict[str, Value] = {"workers": 4, "threads": 3, "replicas": 2, "cpu": "500m", "gpu": 1, "level": "on"}
    out = rendered(DEPLOYMENT, *EVERY_TARGET, **values, ratio=1e-05, switch=True, period=81)
    assert difference(DEPLOYMENT, out.text) == [
        "  annotations:",
        '    seldon.io/x: "true"',
        "  replicas: 2",
        "      annotations:",
        '        tuner.test/ratio: "1e-05"',
        '        args: [--log-level, "on", "--ratio=1e-05"]',
        '          value: "4"',
        '        - name: "GUNICORN_THREADS"',
        '          value: "3"',
        '        - name: "SWITCH"',
        '          value: "true"',
        '            cpu: "500m"',
        '            nvidia.com/gpu: "1"',
        '            cpu: "500m"',
        '          httpGet: {path: "81", port: http}',
        "    - {name: http, port: 81, targetPort: http}",
    ]


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_rendered_reads_back(values: dict[str, Value]) -> None:
    out = rendered(DEPLOYMENT, *EVERY_TARGET, **values)
    assert (
        list(out.objects) == list(YAML(typ="safe", pure=True).load_all(out.text)) == list(yaml.safe_load_all(out.text))
    )
    V1Deployment.model_validate(out.objects[0])
    found = baseline(space(*EVERY_TARGET), manifest(out.text)).values
    for name, value in values.items():
        assert found[name] == value or (name == "ratio" and Decimal(str(found[name])) == Decimal(str(value)))


@given(st.lists(st.fixed_dictionaries({}, optional=VALUES), max_size=3))
def test_what_many_ask_for_is_seen_without_their_text(several: list[dict[str, Value]]) -> None:
    seen = demanding(space(*EVERY_TARGET), manifest(DEPLOYMENT))
    for values in several:
        found = seen(Configuration(values=values))
        assert found.objects == rendered(DEPLOYMENT, *EVERY_TARGET, **values).objects


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_the_same_configuration_gives_the_same_bytes_and_rendering_twice_changes_nothing(
    values: dict[str, Value],
) -> None:
    out = rendered(DEPLOYMENT, *EVERY_TARGET, **values)
    assert rendered(DEPLOYMENT, *EVERY_TARGET, **dict(reversed(values.items()))).text == out.text
    assert rendered(out.text, *EVERY_TARGET, **values).text == out.text


@pytest.mark.parametrize(
    "text", [DEPLOYMENT, SELDON, INFERENCE, DEPLOYMENT.replace("\n", "\r\n"), "\ufeff" + DEPLOYMENT]
)
def test_without_values_the_base_stays_byte_for_byte(text: str) -> None:
    out = rendered(text, integer("replicas", "replicas"))
    assert out.text == text
    assert out.objects == load_all(text)


@pytest.mark.parametrize("line", ["GUNICORN_WORKERS", "cpu", "memory", "--log-level"])
def test_a_render_leaves_the_comments(line: str) -> None:
    out = rendered(DEPLOYMENT, *EVERY_TARGET, workers=4, threads=3, replicas=2, cpu="500m")
    assert [x for x in DEPLOYMENT.splitlines() if "#" in x] == [x for x in out.text.splitlines() if "#" in x]
    assert line in out.text


def test_absent_env_limits_and_args_are_made_in_place() -> None:
    text = DEPLOYMENT[: DEPLOYMENT.index("        args:")] + DEPLOYMENT[DEPLOYMENT.index("        ports:") :]
    text = text.replace(
        text[text.index("        resources:") : text.index("        readinessProbe")], "        resources: {}\n"
    )
    out = rendered(
        text,
        integer("a", "env/A"),
        integer("b", "args/--b", "args/-b"),
        choice("c", ("1", "2"), "limits/cpu", "requests/cpu"),
        a=1,
        b=2,
        c="2",
    )
    assert difference(text, out.text) == [
        '        resources: {limits: {cpu: "2"}, requests: {cpu: "2"}}',
        "        env:",
        '          - name: "A"',
        '            value: "1"',
        "        args:",
        '          - "--b=2"',
        '          - "-b"',
        '          - "2"',
    ]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("[--w=1, x]", '["--w=4", x]'),
        ("[--w, '1', x]", '[--w, "4", x]'),
        ("[--w, --x]", '["--w=4", --x]'),
        ("[--w]", '["--w=4"]'),
        ("[--w, -1]", '[--w, "4"]'),
        ("[--w=1, --w=2]", '[--w=1, "--w=4"]'),
        ("[--ww=1]", '[--ww=1, "--w=4"]'),
    ],
)
def test_flags(args: str, expected: str) -> None:
    text = DEPLOYMENT.replace("[--log-level, info]", args)
    out = rendered(text, integer("w", "args/--w"), w=4)
    assert difference(text, out.text) == [f"        args: {expected}"]


def test_a_flag_of_the_command_is_set_there() -> None:
    text = DEPLOYMENT.replace("args: [--log-level, info]", "command: [gunicorn, -w, '1', app]")
    assert difference(text, rendered(text, integer("w", "args/-w"), w=4).text) == [
        '        command: [gunicorn, -w, "4", app]'
    ]


@pytest.mark.parametrize(("cpu", "value"), [("1", "1"), ("0.5", "0.5"), ("'1'", "1"), ("500m", "500m"), ('"04"', 4)])
def test_a_value_that_is_there_keeps_its_spelling(cpu: str, value: Value) -> None:
    text = DEPLOYMENT.replace('cpu: "1"', f"cpu: {cpu}")
    assert rendered(text, choice("cpu", (value,), "limits/cpu", "requests/cpu"), cpu=value).text == text


@pytest.mark.parametrize(
    ("parameter_", "expected"),
    [
        (integer("x", "env/GUNICORN_WORKERS"), 2),
        (choice("x", ("2", "4"), "env/GUNICORN_WORKERS"), "2"),
        (choice("x", (2, 4), "env/GUNICORN_WORKERS"), 2),
        (parameter("x", FloatRange(low=0, high=4), "env/GUNICORN_WORKERS"), 2.0),
        (integer("x", "replicas"), 1),
        (choice("x", ("500m", "1"), "limits/cpu", "requests/cpu"), "1"),
        (choice("x", ("500m", "2"), "limits/cpu"), "1"),
        (choice("x", ("1Gi",), "limits/memory"), "512Mi"),
        (choice("x", ("info", "debug"), "args/--log-level"), "info"),
        (integer("x", "args/--log-level"), "info"),
        (integer("x", "path:Service/iris:/spec/ports/0/port"), 80),
        (integer("x", "env/ABSENT"), None),
        (choice("x", ("1Gi",), "limits/memory", "requests/memory"), None),
        (integer("x", "env/TOKEN"), None),
        (integer("x", "env/GUNICORN_WORKERS", "replicas"), None),
    ],
)
def test_baseline(parameter_: Parameter, expected: Value | None) -> None:
    found = baseline(space(parameter_), manifest())
    assert found.values.get("x") == expected
    assert type(found.values.get("x")) is type(expected)
    assert render(space(parameter_), manifest(), found).text == DEPLOYMENT


def test_a_conditional_parameter_has_a_value_only_where_it_exists() -> None:
    workers = integer("workers", "env/GUNICORN_WORKERS")
    for values, there in (((2,), True), ((3,), False)):
        cpu = choice("cpu", ("1",), "limits/cpu", when=Condition(parameter="workers", values=values))
        assert ("cpu" in baseline(space(workers, cpu), manifest()).values) is there


def test_pods() -> None:
    found = pods(space(), rendered(DEPLOYMENT))
    container = found.container("classifier")
    assert (found.kind, found.name, found.replicas, found.serving, found.port) == (
        "Deployment",
        "iris",
        1,
        "classifier",
        9000,
    )
    assert container.args == ("--log-level", "info")
    assert dict(container.env) == {"GUNICORN_WORKERS": "2"}
    assert container.unresolved_env == ("TOKEN",)
    assert container.ports == (("metrics", 6000), ("http", 9000))
    assert container.probe is not None
    assert (container.probe.http_path, container.probe.port) == ("/health", 9000)
    assert dict(container.requests) == {"cpu": "1", "memory": "512Mi"}
    assert dict(container.limits) == {"cpu": "1", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("old", "new", "port"),
    [
        ("name: http\n", "name: web\n", 9000),
        ("port: http}\n      # the end", "port: 7000}\n      # the end", 9000),
        ("- {name: metrics, containerPort: 6000}\n        - name: http", "- name: web", 9000),
    ],
)
def test_the_serving_port(old: str, new: str, port: int) -> None:
    text = DEPLOYMENT.replace(old, new, 1)
    assert text != DEPLOYMENT
    assert pods(space(), rendered(text)).port == port


def test_a_tcp_probe_and_its_period() -> None:
    text = DEPLOYMENT.replace(
        "httpGet: {path: /health, port: http}", "tcpSocket: {port: 9000}\n          periodSeconds: 3"
    )
    probe = pods(space(), rendered(text)).containers[0].probe
    assert probe is not None
    assert (probe.http_path, probe.port, probe.period_s) == (None, 9000, 3.0)


def test_no_port_at_all() -> None:
    spec = "{template: {spec: {containers: [{name: c}]}}}"
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x}}\nspec: {spec}\n"
    with pytest.raises(InputError, match="nothing tells on which port container c answers"):
        pods(space(), rendered(text))


NOTES = {
    "tuner.dev/study": "iris",
    "tuner.dev/note": 'p99 "9 ms" (8 to 10): yes',
    "tuner.dev/trial": "7",
    "tuner.dev/on": "on",
}


@pytest.mark.parametrize(
    "text",
    [
        DEPLOYMENT,
        SELDON,
        INFERENCE,
        DEPLOYMENT.replace("  name: iris   # its name", "  name: iris   # its name\n  annotations: {}"),
        DEPLOYMENT.replace("  name: iris   # its name", "  name: iris   # its name\n  annotations:\n    a: b # c"),
        DEPLOYMENT.replace("metadata:\n  name: iris   # its name", "metadata: {name: iris}"),
        DEPLOYMENT.replace("\n", "\r\n"),
    ],
)
def test_the_export_is_the_deployed_text_and_annotations(text: str) -> None:
    deployed = rendered(text, integer("replicas", "replicas"), replicas=2)
    exported = annotate(deployed, NOTES)
    objects = list(load_all(exported))
    assert objects == list(yaml.safe_load_all(exported)) == list(YAML(typ="safe", pure=True).load_all(exported))
    found = objects[0]["metadata"]["annotations"]
    assert {name: found.pop(name) for name in NOTES} == NOTES
    if not found and "annotations" not in deployed.objects[0]["metadata"]:
        del objects[0]["metadata"]["annotations"]
    assert objects == list(deployed.objects)
    if "{name: iris}\nspec:\n  replicas" not in text and "annotations: {}" not in text:
        kept = [line for line in exported.splitlines() if "tuner.dev/" not in line]
        assert [
            line for line in kept if line != "  annotations:" or line in text.splitlines()
        ] == deployed.text.splitlines()


def test_the_export_is_valid_for_kubernetes_and_replaces_an_earlier_ones_annotations() -> None:
    once = annotate(rendered(DEPLOYMENT), NOTES)
    V1Deployment.model_validate(load_all(once)[0])
    again = annotate(Rendered(text=once, objects=load_all(once)), {**NOTES, "tuner.dev/trial": "8"})
    assert difference(once, again) == ['    tuner.dev/trial: "8"']


def test_an_unknown_address_is_bad_input_even_when_nobody_checked() -> None:
    with pytest.raises(InputError, match=r"space.yaml:7: path:/spec/x: there is nothing at /spec/x"):
        rendered(DEPLOYMENT, integer("x", "path:/spec/x"), x=1)
    with pytest.raises(InputError, match="no workload"):
        rendered("apiVersion: v1\nkind: Service\n", integer("x", "replicas"), x=1)


def test_the_spaces_of_these_tests_are_right() -> None:
    assert check(space(*EVERY_TARGET), manifest()) == ()
    assert Path("deployment.yaml") == manifest().file
