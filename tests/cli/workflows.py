"""Workflows of a cluster, as far as they have come."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from tests.cluster.fixture import Cluster

ENDED = ("Succeeded", "Failed", "Error")
_WITHIN_S = 600.0


def status_of(cluster: Cluster, space: str, *which: str) -> Mapping[str, Any]:
    """Of the Workflow of this name; without one of the first, as a schedule makes it."""
    found = json.loads(cluster.kubectl("get", "workflows", *which, "-n", space, "-o", "json"))
    one = (found.get("items", [found]) or [{}])[0]
    status: Mapping[str, Any] = one.get("status", {})
    return status


def reached(
    cluster: Cluster, space: str, is_so: Callable[[Mapping[str, Any]], bool], *which: str, within_s: float = _WITHIN_S
) -> Mapping[str, Any]:
    """A Workflow's status, when it is so."""
    deadline = time.monotonic() + within_s
    while True:
        status = status_of(cluster, space, *which)
        if is_so(status):
            return status
        if time.monotonic() > deadline:
            pytest.fail(f"the Workflow has not come so far: {json.dumps(status)[:3000]}")
        time.sleep(0.5)


def ended(cluster: Cluster, space: str, *which: str, within_s: float = _WITHIN_S) -> Mapping[str, Any]:
    """A Workflow's status, when it has come to its end."""
    return reached(cluster, space, lambda status: status.get("phase") in ENDED, *which, within_s=within_s)


def was_retried(status: Mapping[str, Any]) -> bool:
    nodes = status.get("nodes", {}).values()
    return any(node.get("type") == "Retry" and len(node.get("children", ())) > 1 for node in nodes)


def check_outputs(status: Mapping[str, Any]) -> None:
    """That it says what was found, and how far it was."""
    assert status["phase"] == "Succeeded", json.dumps(status)[:5000]
    told = {one["name"]: one.get("value") for one in status["outputs"]["parameters"]}
    assert told["verdict"] in ("better", "no-gain"), told
    assert [one["kind"] for one in yaml.safe_load_all(told["manifest"])] == ["Deployment"]
    assert "throughput" in json.loads(told["numbers"])
    attempts = re.compile(r"study\((\d+)\)")  # one that was disturbed too often to measure is begun again
    studies = {
        int(found[1]): node["progress"]
        for node in status["nodes"].values()
        if (found := attempts.match(node["displayName"]))
    }
    assert studies[max(studies)] == "100/100", studies
