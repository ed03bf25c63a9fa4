from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.manifests.spaces import DEPLOYMENT, INFERENCE, SELDON, choice, integer, space
from tuner.manifests.check.knobs import check
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.space.model import Configuration
from tuner.yaml.tree import load_all


def problems(tmp_path: Path, text: str) -> list[str]:
    """As they are printed, less the folder."""
    file = tmp_path / "m.yaml"
    file.write_text(text)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in read(file)[1]]


@pytest.mark.parametrize("text", [DEPLOYMENT, SELDON, INFERENCE, f"---\n{SELDON}---\n"])
def test_good_manifests(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []
    manifest, _ = read(tmp_path / "m.yaml")
    assert manifest is not None
    assert manifest.text == text


def test_line_ends_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(DEPLOYMENT.replace("\n", "\r\n").encode())
    manifest, found = read(file)
    assert not found
    assert manifest is not None
    assert manifest.text.encode() == file.read_bytes()


def test_a_missing_file(tmp_path: Path) -> None:
    manifest, (problem,) = read(tmp_path / "none.yaml")
    assert manifest is None
    assert str(problem) == (
        f"{tmp_path}/none.yaml: the manifest cannot be read: No such file or directory; name a YAML file that can be read"
    )


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"a: 1\nb: \xff\n")
    _, (problem,) = read(tmp_path / "m.yaml")
    assert problem.where.line == 2
    assert "0xff is not UTF-8" in problem.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "no document in it"),
        ("# only a comment\n---\n", 0, "no document in it"),
        ("a: [1\nb: 2\n", 2, "not YAML: while parsing a flow sequence"),
        ("a: 1\n b: 2\n", 2, "not YAML"),
        ("a: *x\n", 1, "the alias *x names no anchor"),
        ("a: !!binary abcd\n", 1, "the tag"),
        ("a: !!int x\n", 1, "'x' is no int"),
        ("? [a]\n: 1\n", 1, "a key that is not a word"),
        ("a: \x07\n", 1, "not YAML"),
        ("\ta: 1\n", 1, "a tab that indents"),
        ("a: &é 1\n", 1, "the anchor or alias"),
        ("a: &a *a\n", 1, "not YAML"),
        ("[" * 3000, 1, "more than 100 levels of nesting"),
    ],
)
def test_what_is_not_a_manifest_at_all(tmp_path: Path, text: str, line: int, message: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    manifest, found = read(tmp_path / "m.yaml")
    assert manifest is None
    assert [problem.where.line for problem in found] == [line]
    assert found[0].message.startswith(message)


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: x, labels: {a: 1}}
spec:
  replicas: "2"
  replicas: two
  selectr: {}
  template:
    spec:
      volumes:
      - {name: v, configMap: {name: x, defaultMode: 0644}}
      containers:
      - name: c
        imagePullPolcy: Never
        image_pull_policy: Never
        env:
        - {name: A, value: 1}
        - {name: B, value: on}
        - {name: C, valu: x}
        ports: [{containerPort: "80"}]
        resources: {limits: {cpu: 2, memory: []}}
"""
    assert problems(tmp_path, text) == [
        "m.yaml:6: the key 'replicas' stands already on line 5; remove one of the two (kubectl takes the last)",
        'm.yaml:17: env A: 1 is not text, and Kubernetes takes nothing else; put it in quotes: "1"',
        'm.yaml:18: env B: on, read as true, is not text, and Kubernetes takes nothing else; put it in quotes: "on"',
        "m.yaml:7: unknown field 'selectr' in spec; did you mean 'selector'?",
        "m.yaml:14: unknown field 'imagePullPolcy' in spec.template.spec.containers[0]; did you mean 'imagePullPolicy'?",
        "m.yaml:15: unknown field 'image_pull_policy' in spec.template.spec.containers[0]; did you mean 'imagePullPolicy'?",
        "m.yaml:19: unknown field 'valu' in spec.template.spec.containers[0].env[2]; did you mean 'value'?",
        'm.yaml:3: metadata.labels.a: 1 is not text; put it in quotes: "1"',
        'm.yaml:6: spec.replicas: "two" is not a whole number; write a whole number',
        "m.yaml:5: spec lacks the field 'selector'; add selector",
        'm.yaml:20: spec.template.spec.containers[0].ports[0].containerPort: "80" is not a whole number; remove the quotes: 80',
        "m.yaml:21: spec.template.spec.containers[0].resources.limits.memory: a list is not text; write text",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: X\nmetadata: {name: x}\n", "m.yaml:1: a document without apiVersion; say what the object is"),
        ("apiVersion: v1\n", "m.yaml:1: a document without kind; say what the object is"),
        ("- a\n", "m.yaml:1: a document that is not an object"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
            "m.yaml:3: ConfigMap without metadata.name; give it a name",
        ),
        (
            "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}\n",
            "m.yaml:2: apiVersion 'apps/v1beta1' is none that Kubernetes serves; write apps/v1",
        ),
        (
            "apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: x}\n",
            "m.yaml:2: apps/v1 has no kind 'Deploymnt'; did you mean 'Deployment'?",
        ),
        (
            "apiVersion: v1\nkind: Deployment\nmetadata: {name: x}\n",
            "m.yaml:2: v1 has no kind 'Deployment'; write apiVersion: apps/v1",
        ),
        ("apiVersion: v1\nkind: List\nmetadata: {name: x}\nitems: []\n", "m.yaml: no document in it"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n",
            "m.yaml:4: a List within a List",
        ),
        (f"{SELDON}      env: [{{name: A, value: yes}}]\n", "m.yaml:19: env A: yes, read as true, is not text"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  ~: a\n",
            "m.yaml:5: the key ~ is no text",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: {<<: &r {b: 1}, c: 1}\n",
            "m.yaml:5: data.a: a mapping is not text",
        ),
        (
            f"{SELDON}x: {{a: 1, <<: {{a: 2}}}}\n",
            "m.yaml:19: 'a' stands above a merge that brings it too: kubectl takes the merge's, others do not",
        ),
        (
            f"{SELDON}x: {{resources: {{limits: {{cpu: $CPU}}}}}}\n",
            "m.yaml:19: limits.cpu: $CPU is not a quantity; fill the placeholder in, for example with `envsubst",
        ),
        (f"{SELDON}x: .inf\n", "m.yaml:19: .inf is no number that Kubernetes takes"),
        (
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: x}\nspec:\n"
            "  maxReplica: 2\n  maxReplicas: 2\n  scaleTargetRef: {kind: Deployment, name: x}\n",
            "m.yaml:5: unknown field 'maxReplica' in spec; did you mean 'maxReplicas'?",
        ),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, expected: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_env_values_of_custom_resources(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SELDON.replace('value: "1"', "value: 1"))
    assert found.startswith("m.yaml:16: env GUNICORN_WORKERS: 1 is not text")


@pytest.mark.parametrize("cpu", ["2", "0.5", "500m", '"2"'])
def test_numbers_are_quantities_to_kubernetes(tmp_path: Path, cpu: str) -> None:
    assert problems(tmp_path, DEPLOYMENT.replace('cpu: "1"', f"cpu: {cpu}")) == []


def test_anchors_are_read(tmp_path: Path) -> None:
    text = DEPLOYMENT.replace("{matchLabels: {app: iris}}", "{matchLabels: &l {app: iris}}").replace(
        "labels: {app: iris}", "labels: *l"
    )
    assert problems(tmp_path, text) == []
    assert load_all(text) == load_all(DEPLOYMENT)


def test_aliases_of_aliases_do_not_grow_without_bound(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    (tmp_path / "m.yaml").write_text("\n".join(lines))
    _, (problem,) = read(tmp_path / "m.yaml")
    assert problem.message == "more than 200000 values, aliases written out"


SNIPPETS = st.sampled_from([*"{}[]:,-#&*!|>'\"% \n\t0aé~<=", "\n  ", "null", "on", "- ", "  x: 1\n", ""])
EDITS = st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 30), SNIPPETS), min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([DEPLOYMENT, SELDON, INFERENCE]), EDITS)
def test_whatever_reads_without_a_problem_reads_the_same_everywhere(
    tmp_path: Path, text: str, edits: list[tuple[int, int, str]]
) -> None:
    for start, length, snippet in edits:
        text = text[:start] + snippet + text[start + length :]
    (tmp_path / "m.yaml").write_text(text)
    manifest, found = read(tmp_path / "m.yaml")
    assert manifest is not None or found
    if manifest is None:
        return
    knobs = (integer("a", "env/A"), choice("b", ("1", "2"), "limits/cpu", "requests/cpu"), integer("c", "replicas"))
    if found or check(space(*knobs), manifest):
        return
    out = render(space(*knobs), manifest, Configuration(values={"a": 1, "b": "2", "c": 2}))
    assert (
        [obj for obj in yaml.safe_load_all(out.text) if obj is not None]
        == list(out.objects)
        == list(load_all(out.text))
    )
