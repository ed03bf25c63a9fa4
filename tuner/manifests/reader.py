"""Reads a base manifest and finds everything that is wrong with it, before anything is started."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import Problem
from tuner.files import read_input
from tuner.manifests.check import document
from tuner.manifests.model import Manifest
from tuner.yaml import tree


def read(path: Path) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """The manifest (None: it cannot be read as YAML) and its problems, each with its line.

    Checked are the YAML itself, what YAML 1.1 and 1.2 would read differently, and built-in kinds against what the
    kubernetes client knows of them. Custom resources are checked only for what all objects have in common.
    """
    try:
        content = read_input(path)
        text = content.decode("utf-8")
        documents = tree.parse(text)
    except OSError as error:
        message = f"the manifest cannot be read: {error.strerror}"
        return None, (Problem.at(path, message, "name a YAML file that can be read"),)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte {content[error.start]:#04x} is not UTF-8"
        return None, (Problem.at(path, message, "save the file as UTF-8", line=line),)
    except tree.Malformed as error:
        return None, (Problem.at(path, error.message, error.fix, line=error.line),)
    if not documents:
        return None, (Problem.at(path, "no document in it", "write a Kubernetes manifest into it"),)
    problems = [problem for one in documents for problem in document.problems(str(path), one)]
    return Manifest(file=path, text=text), tuple(problems)
