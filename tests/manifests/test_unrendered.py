"""What is no manifest yet, but makes one, is told by name and with the command that renders it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.manifests.spaces import DEPLOYMENT
from tuner.manifests.reader import read


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(name: str, text: str | bytes) -> str:
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    manifest, problems = read(file)
    assert manifest is None or not problems
    return "\n".join(str(problem) for problem in problems)


TEMPLATES = [
    DEPLOYMENT.replace("name: iris   # its name", "name: {{ .Values.name }}"),
    DEPLOYMENT.replace("name: iris   # its name", 'name: "{{ .Release.Name }}-iris"'),
    DEPLOYMENT.replace("spec:\n", "spec:\n{{- if .Values.on }}\n", 1),
    DEPLOYMENT.replace("  name: iris   # its name", '  {{- include "x.labels" . | nindent 4 }}'),
]


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_helm_template(text: str) -> None:
    assert "a Helm template ({{" in told("m.yaml", text)
    assert "`helm template NAME CHART > manifest.yaml`" in told("m.yaml", text)
    Path("chart").mkdir()
    Path("chart/Chart.yaml").write_text("name: x\n")
    command = "`helm template NAME chart --show-only templates/m.yaml > manifest.yaml`"
    assert command in told("chart/templates/m.yaml", text)


def test_a_value_to_fill_in() -> None:
    text = DEPLOYMENT.replace("spec:\n", "spec:\n  # image: {user}/x\n", 1)
    assert told("m.yaml", text) == ""
    text = text.replace("- name: classifier", "- image: {user}/server:1\n          name: classifier", 1)
    line = text[: text.index("- image: {user}")].count("\n") + 1
    expected = f"m.yaml:{line}: a value to fill in ({{user}}); write yours in place of {{user}}"
    assert told("m.yaml", text) == expected


def test_other_templates() -> None:
    text = DEPLOYMENT.replace("name: iris   # its name", "name: {% if x %}")
    assert "m.yaml:5: a template ({% if x %})" in told("m.yaml", text)


@pytest.mark.parametrize(
    "text",
    [
        DEPLOYMENT + "# {{ .Values.x }}\n",
        DEPLOYMENT + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: t}\ndata:\n  t: |\n    {{ .Values.x }}\n",
        DEPLOYMENT.replace("metadata:\n", "metadata:\n  annotations: {x: '{{ $labels.pod }}: {{ $value }}'}\n", 1),
        DEPLOYMENT.replace("[--log-level, info]", "[--log-level, info, --chat-template, '{{ messages }}{% if x %}']"),
    ],
)
def test_what_looks_like_a_template_inside(text: str) -> None:
    assert told("m.yaml", text) == ""


def test_a_kustomization() -> None:
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [m.yaml]\n"
    assert told("over/kustomization.yaml", text) == (
        "over/kustomization.yaml: a Kustomize file, which makes manifests of others; "
        "render it: `kubectl kustomize over > manifest.yaml`"
    )
    assert "`kubectl kustomize . > manifest.yaml`" in told("kustomization.yml", "resources: [m.yaml]\n")


def test_patches_of_a_kustomization() -> None:
    Path("over").mkdir()
    Path("over/kustomization.yaml").write_text("patches:\n- path: ./patches/more.yaml\n")
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: iris}\nspec: {replicas: 3}\n"
    assert "a Kustomize patch, which is part of a manifest" in told("over/patches/more.yaml", patch)
    assert "`kubectl kustomize over > manifest.yaml`" in told("over/patches/more.yaml", patch)
    assert "a JSON patch" in told("p.yaml", "- op: replace\n  path: /spec/replicas\n  value: 3\n")


def test_files_of_a_chart() -> None:
    Path("chart").mkdir()
    assert "the description of a Helm chart" in told("chart/Chart.yaml", "apiVersion: v2\nname: x\nversion: 0.1.0\n")
    assert "`helm template NAME chart --values chart/values.yaml > manifest.yaml`" in told(
        "chart/values.yaml", "replicas: 1\n"
    )
    assert "values of a Helm chart" in told("values-gpu.yaml", "replicas: 1\n")


def test_encodings() -> None:
    text = DEPLOYMENT.replace("# its name", "# caf\u00e9").replace("--log-level, info", "--log-level, inf\u00f3")
    assert told("m.yaml", text) == ""
    assert told("m.yaml", text.encode("utf-16")) == ""
    assert told("m.yaml", b"\xfe\xff" + text.encode("utf-16-be")) == ""
    assert "byte 0xe9 is not UTF-8 (in Windows-1252 it is" in told("m.yaml", text.encode("cp1252"))
    comment = DEPLOYMENT.replace("# its name", "# caf\u00e9")
    manifest, problems = read(_written(comment.encode("cp1252")))
    assert not problems
    assert manifest is not None
    assert manifest.text == comment
    assert "a character is cut off" in told("m.yaml", text.encode("utf-16")[:-1])


def _written(content: bytes) -> Path:
    Path("m.yaml").write_bytes(content)
    return Path("m.yaml")


def test_a_file_without_end() -> None:
    assert "it is a pipe or a device" in str(read(Path("/dev/zero"))[1][0])
