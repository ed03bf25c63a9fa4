"""The workflow controller beside a cluster of our own, which it serves whole."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.cluster import daemons, network, operators
from tests.cluster.argo.programs import DEFINITIONS, EXECUTOR_IMAGE, programs
from tests.cluster.control import kubeconfig, kubectl, obliged
from tests.cluster.node import load_image
from tests.cluster.places import nodes
from tests.cluster.programs import programs as kubernetes

_NAME = "workflow-controller"
_NAMESPACE = "argo"
_PORT = 6060


def up() -> None:
    """Until the cluster is taken down; does nothing where it is up. Raises CannotError."""
    if daemons.pid(_NAME) is not None:
        return
    made = programs()
    for node in nodes():
        load_image(node, made / "argoexec.tar")
    operators.define(made / DEFINITIONS)
    if kubectl(kubernetes(), "get", "namespace", _NAMESPACE).returncode:
        obliged(kubernetes(), "create", "namespace", _NAMESPACE)
        obliged(kubernetes(), "create", "configmap", f"{_NAME}-configmap", f"--namespace={_NAMESPACE}")
    _start(made)
    daemons.wait("the workflow controller", _answers, 60, _NAME)


def stop() -> None:
    """Ends it as a crash would."""
    daemons.stop(_NAME)


def again() -> None:
    daemons.again(_NAME)
    daemons.wait("the workflow controller", _answers, 60, _NAME)


def _start(made: Path) -> None:
    daemons.start(
        _NAME,
        [
            *network.inside(),
            "env",
            "LEADER_ELECTION_DISABLE=true",  # there is one
            str(made / _NAME),
            f"--kubeconfig={kubeconfig()}",
            f"--namespace={_NAMESPACE}",
            f"--executor-image={EXECUTOR_IMAGE}",
            "--executor-image-pull-policy=Never",
            "--workflow-workers=2",
        ],
    )


def _answers() -> bool:
    try:
        with urllib.request.urlopen(f"http://{nodes()[0].address}:{_PORT}/healthz", timeout=2.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
