"""Reads a base manifest and finds everything that is wrong with it, before anything is started."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import Problem
from tuner.files import read_input
from tuner.manifests.check import document
from tuner.manifests.decode import Undecodable, decoded
from tuner.manifests.documents import documents
from tuner.manifests.model import Manifest
from tuner.manifests.unrendered import unrendered
from tuner.yaml import tree


def read(path: Path) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """The manifest (None: it cannot be read as YAML) and its problems, each with its line.

    It is read as kubectl reads it: YAML or JSON, a List as its items. Checked are built-in kinds against what the
    kubernetes client knows of them; custom resources only for what all objects have in common. What is no manifest yet,
    but makes one (Helm, Kustomize), is told by name.
    """
    try:
        text = decoded(read_input(path))
        if (other := unrendered(path, text)) is not None:
            return None, (other,)
        found = documents(text)
    except OSError as error:
        message = f"the manifest cannot be read: {error.strerror}"
        return None, (Problem.at(path, message, "name a YAML file that can be read"),)
    except (Undecodable, tree.Malformed) as error:
        return None, (Problem.at(path, error.message, error.fix, line=error.line),)
    if not found:
        return None, (Problem.at(path, "no document in it", "write a Kubernetes manifest into it"),)
    problems = [problem for one in found for problem in document.problems(str(path), one)]
    return Manifest(file=path, text=text), tuple(problems)
