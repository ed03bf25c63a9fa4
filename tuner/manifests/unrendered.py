"""Files that are rendered to manifests: Helm's and Kustomize's, each told by name and with the command that renders it."""

from __future__ import annotations

import re
from pathlib import Path

from tuner.errors import Problem
from tuner.yaml import tree
from tuner.yaml.tree import MappingNode, ScalarNode, SequenceNode

_HELM = re.compile(
    r"\{\{-?\s*(?:/\*|end\b|else\b|\$(?!(?:labels|value|externalLabels|externalURL)\b)|[^}\n]*(?:\.(?:Values|Release|Chart|Capabilities|Files|Template)\b"
    r"|\b(?:include|template|define|toYaml|tpl|required|nindent)\s))"
)
"""But not what Prometheus puts into its alerts by itself."""
_TO_FILL_IN = re.compile(r":[ \t]+(\{[A-Za-z_][\w-]*\})[^\s,}\]]")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\r\n]*", re.MULTILINE)
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_KUSTOMIZE_KINDS = ("Kustomization", "Component")
_FOLDERS_UP = 6
_SHOWN = 60


def unrendered(path: Path, text: str) -> Problem | None:
    """What the file is, where it is no manifest yet but makes one."""
    return (
        _template(path, text)
        or _to_fill_in(path, text)
        or _kustomization(path, text)
        or _of_chart(path, text)
        or _patch(path, text)
    )


def _template(path: Path, text: str) -> Problem | None:
    """Marks of a template outside of comments, and outside of values where a server may take them itself."""
    bare = _COMMENT.sub(lambda comment: " " * len(comment[0]), text)
    found = _HELM.search(bare)
    in_chart = _chart(path) is not None and path.absolute().parent.name == "templates"
    if found is not None and (in_chart or not _is_value(text, found.start())):
        shown, line = _shown(text, found.start()), text.count("\n", 0, found.start()) + 1
        return Problem.at(path, f"a Helm template ({shown})", f"render it: {_helm(path)}", line=line)
    found = _TEMPLATE.search(bare)
    if found is None or _reads(text):
        return None
    shown, line = _shown(text, found.start()), text.count("\n", 0, found.start()) + 1
    return Problem.at(path, f"a template ({shown})", f"render it first: {_helm(path)} where it is Helm's", line=line)


def _to_fill_in(path: Path, text: str) -> Problem | None:
    """``image: {user}/server``, which no reader of YAML takes."""
    found = _TO_FILL_IN.search(_COMMENT.sub(lambda comment: " " * len(comment[0]), text))
    if found is None or _reads(text):
        return None
    line = text.count("\n", 0, found.start()) + 1
    return Problem.at(path, f"a value to fill in ({found[1]})", f"write yours in place of {found[1]}", line=line)


def _shown(text: str, start: int) -> str:
    line = text[start : start + _SHOWN].partition("\n")[0].rstrip()
    end = line.find("}}")
    return line if end < 0 else line[: end + 2]


def _is_value(text: str, position: int) -> bool:
    """Whether it stands in a block of text, such as a chat template or a file of a ConfigMap."""
    try:
        documents = tree.parse(text)
    except tree.Malformed:
        return False
    return any(
        isinstance(node, ScalarNode) and node.style in ("|", ">") and node.start <= position < node.end
        for document in documents
        for _, node in tree.walk(document.root)
    )


def _reads(text: str) -> bool:
    try:
        documents = tree.parse(text)
    except tree.Malformed:
        return False
    return all(isinstance(document.root, MappingNode) for document in documents)


def _helm(path: Path) -> str:
    chart = _chart(path)
    if chart is None:
        return "`helm template NAME CHART > manifest.yaml`"
    below = path.absolute().relative_to(chart)
    only = f" --show-only {below}" if below.parts[:1] == ("templates",) else ""
    return f"`helm template NAME {_named(chart)}{only} > manifest.yaml`"


def _chart(path: Path) -> Path | None:
    folders = list(path.absolute().parents)[:_FOLDERS_UP]
    return next((folder for folder in folders if (folder / "Chart.yaml").is_file()), None)


def _named(folder: Path) -> Path:
    """The folder as the user would name it from where they are."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _kustomization(path: Path, text: str) -> Problem | None:
    is_named = path.name in _KUSTOMIZATIONS
    root = _root(text)
    kind = tree.child(root, "kind") if root is not None else None
    is_kind = isinstance(kind, ScalarNode) and kind.text in _KUSTOMIZE_KINDS and "kustomize" in _api_version(root)
    if not (is_named or is_kind):
        return None
    fix = f"render it: `{_kubectl_kustomize(path.absolute().parent)} > manifest.yaml`"
    return Problem.at(path, "a Kustomize file, which makes manifests of others", fix)


def _api_version(root: tree.Node | None) -> str:
    found = tree.child(root, "apiVersion") if root is not None else None
    return found.text if isinstance(found, ScalarNode) else ""


def _kubectl_kustomize(folder: Path) -> str:
    return f"kubectl kustomize {_named(folder)}"


def _of_chart(path: Path, text: str) -> Problem | None:
    """A chart's own files that look like YAML: its description, and its values."""
    root = _root(text)
    if root is None or tree.child(root, "kind") is not None:
        return None
    if path.name == "Chart.yaml":
        what = "the description of a Helm chart"
    elif re.match(r"(?i)values\b|values[-_.]", path.name) or re.search(r"(?i)[-_.]values\.ya?ml$", path.name):
        what = "values of a Helm chart"
    elif tree.child(root, "apiVersion") is None and _chart(path) is not None:
        what = "a file of a Helm chart, with neither apiVersion nor kind"
    else:
        return None
    values = "" if path.name == "Chart.yaml" else f" --values {path}"
    chart = _chart(path)
    named = _named(chart) if chart is not None else "CHART"
    return Problem.at(path, what, f"render the chart: `helm template NAME {named}{values} > manifest.yaml`")


def _patch(path: Path, text: str) -> Problem | None:
    """What a kustomization beside it, or in a folder above, changes manifests with."""
    root = _first(text)
    if isinstance(root, SequenceNode) and root.items and tree.child(root.items[0], "op") is not None:
        above = _patched_by(path) or path.absolute().parent
        fix = f"render what it changes: `{_kubectl_kustomize(above)} > manifest.yaml`"
        return Problem.at(path, "a JSON patch, which changes a manifest", fix)
    folder = _patched_by(path)
    if folder is None:
        return None
    fix = f"render it with what it changes: `{_kubectl_kustomize(folder)} > manifest.yaml`"
    return Problem.at(path, "a Kustomize patch, which is part of a manifest", fix)


def _patched_by(path: Path) -> Path | None:
    """The folder whose kustomization names this file as a patch."""
    for folder in list(path.absolute().parents)[:3]:
        for name in _KUSTOMIZATIONS:
            try:
                root = _root((folder / name).read_text(encoding="utf-8")) if (folder / name).is_file() else None
            except (OSError, UnicodeDecodeError):
                root = None
            if root is not None and str(path.absolute().relative_to(folder)) in _patches(root):
                return folder
    return None


def _patches(root: tree.Node) -> set[str]:
    named: set[str] = set()
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        listed = tree.child(root, key)
        for item in listed.items if isinstance(listed, SequenceNode) else ():
            file = item if isinstance(item, ScalarNode) else tree.child(item, "path")
            if isinstance(file, ScalarNode):
                named.add(file.text.removeprefix("./"))
    return named


def _root(text: str) -> MappingNode | None:
    root = _first(text)
    return root if isinstance(root, MappingNode) else None


def _first(text: str) -> tree.Node | None:
    try:
        documents = tree.parse(text)
    except tree.Malformed:
        return None
    return documents[0].root if len(documents) == 1 else None
