"""The custom resource definitions that the stand-in works on, the tests' own, installed where they are not."""

from __future__ import annotations

import json
import subprocess
import time

from tests.cluster.fixture import Cluster
from tests.cluster.standin import others, scorer

_SERVED_WITHIN_S = 30.0


def install(cluster: Cluster, *names: str) -> None:
    for name in names:
        full = others.NAMES.get(name) or f"{name}.models.example.com"
        if _is_there(cluster, full):
            continue
        definition = scorer.DEFINITION if name == "scorers" else others.definition(name)
        cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(definition))
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
