"""The judge of how a manifest is read: kubectl itself, which needs no cluster for that."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_FIRST_LENIENT = (1, 33)
"""Earlier ones read what begins with a brace as JSON alone."""


@cache
def program() -> str:
    """That of the tests' own cluster, or one on the PATH; skips the test where there is none that is new enough."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tuner", "cluster", "programs")
    built = next((str(path) for path in sorted(folder.glob("*/kubectl"))), None)
    if built is not None:
        return built
    found = shutil.which("kubectl")
    told = (
        subprocess.run([found, "version", "--client"], capture_output=True, text=True, check=False) if found else None
    )
    version = re.search(r"v(\d+)\.(\d+)", told.stdout) if told else None
    if found is None or version is None or (int(version[1]), int(version[2])) < _FIRST_LENIENT:
        pytest.skip("no kubectl here, or an old one")
    return found


def read(file: Path) -> list[Any] | None:
    """The objects it reads, with the annotation that it was asked to add taken off; None: it refuses the file."""
    command = [program(), "annotate", "--local", "-f", file, "judge.test/read=yes", "-o", "json"]
    home = {"HOME": str(file.parent), "KUBECONFIG": os.devnull, "PATH": os.defpath}
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, env=home, check=False)
    if told.returncode != 0:
        return None
    objects, position = [], 0
    while position < len(told.stdout.rstrip()):
        one, position = json.JSONDecoder().raw_decode(told.stdout, position)
        position += len(told.stdout[position:]) - len(told.stdout[position:].lstrip())
        annotations = one["metadata"]["annotations"]
        del annotations["judge.test/read"]
        if not annotations:
            del one["metadata"]["annotations"]
        objects.append(one)
    return objects


def kustomize(folder: Path) -> str:
    """What it builds of a folder, which any version can; skips the test where there is none. Fails where it fails."""
    found = shutil.which("kubectl")
    if found is None:
        return _built_by(program(), folder)
    return _built_by(found, folder)


def patched(folder: Path, obj: Any, patch: str, kind: str) -> Any:
    """What it makes of an object by a patch of that kind, which any version can; skips the test where there is none."""
    (folder / "object.json").write_text(json.dumps(obj))
    (folder / "patch").write_text(patch)
    how = ["--local", "-f", folder / "object.json", "--type", kind, "--patch-file", folder / "patch", "-o", "json"]
    command = [shutil.which("kubectl") or program(), "patch", *how]
    home = {"HOME": str(folder), "KUBECONFIG": os.devnull, "PATH": os.defpath}
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, env=home)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def _built_by(command: str, folder: Path) -> str:
    home = {"HOME": str(folder), "KUBECONFIG": os.devnull, "PATH": os.defpath}
    told = subprocess.run([command, "kustomize", folder], capture_output=True, text=True, timeout=60, env=home)
    assert told.returncode == 0, told.stderr
    return told.stdout
