"""The custom resource definitions that the stand-in works on, installed where they are not."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster.fixture import Cluster
from tests.cluster.places import ROOT
from tests.cluster.standin import others, scorer

PUBLISHED = ROOT.parent / "shared" / "crds"
"""Definitions as the projects publish them, with every field: nothing unknown passes."""
_SERVED_WITHIN_S = 30.0


def install(cluster: Cluster, *names: str) -> None:
    """Those of the published files, by name (``seldondeployments``), or the tests' own. Skips where a file is missing."""
    for name in names:
        group = {"seldondeployments": "machinelearning.seldon.io", "inferenceservices": "serving.kserve.io"}
        full = others.NAMES.get(name) or f"{name}.{group.get(name, 'models.example.com')}"
        if _is_there(cluster, full):
            continue
        if name == "scorers":
            cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(scorer.DEFINITION))
        elif name in others.NAMES:
            cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(others.definition(name)))
        else:
            cluster.kubectl("apply", "--server-side", f"--filename={_published(name)}")
        _until_served(cluster, full)


def _until_served(cluster: Cluster, full: str) -> None:
    end = time.monotonic() + _SERVED_WITHIN_S
    while True:
        try:
            cluster.kubectl("get", full, "--namespace=default")
        except subprocess.CalledProcessError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def _is_there(cluster: Cluster, full: str) -> bool:
    try:
        cluster.kubectl("get", "crd", full, "--output=name")
    except subprocess.CalledProcessError:
        return False
    return True


def _published(name: str) -> Path:
    path = PUBLISHED / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the definition as its project publishes it")
    return path
