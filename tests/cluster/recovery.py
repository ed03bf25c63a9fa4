"""When a cluster works again after a part of it was stopped.

The API server answers long before the others have found it again: each of them tries ever less often while it is away.
And a node whose kubelet has just missed to renew its lease may be declared lost any moment. So leases must be fresh,
and then it is tried whether a Deployment still becomes pods on every node, and whether they go with it.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cluster import control, daemons
from tests.cluster.programs import PAUSE_IMAGE
from tests.cluster.say import CannotError

_NAME = "recovery"
_WITHIN_S = 180.0
_WAIT_FOR_IT = ("kube-controller-manager", "kube-scheduler", "kube-proxy")
_PLACE = ("--namespace=kube-public",)  # nobody's tests look there


def settle(programs: Path, nodes: int) -> None:
    """Wait until a Deployment with a replica a node is ready, and gone again. Raises CannotError.

    Those that may have waited longer and longer for the API server are started anew: they begin to wait from the start.
    """
    for name in daemons.names():
        if name in _WAIT_FOR_IT or name.startswith("kubelet-"):
            daemons.stop(name)
            daemons.again(name)
    end = time.monotonic() + _WITHIN_S
    while not _heard_of(programs, nodes):
        _check(end, "nodes are not heard of")
        time.sleep(0.5)
    _until(programs, end, "apply", "--filename=-", stdin=json.dumps(_deployment(nodes)))
    _until(programs, end, "rollout", "status", f"deployment/{_NAME}", "--timeout=10s")
    _until(programs, end, "delete", "deployment", _NAME, "--cascade=foreground", "--ignore-not-found", "--timeout=10s")


def _until(programs: Path, end: float, *command: str, stdin: str | None = None) -> None:
    while (done := control.kubectl(programs, *_PLACE, *command, stdin=stdin)).returncode:
        _check(end, f"{command[0]}: {done.stderr or done.stdout}")
        time.sleep(0.2)


def _check(end: float, why: str) -> None:
    if time.monotonic() > end:
        raise CannotError(f"the cluster does not work again {_WITHIN_S:.0f} s after it was disturbed: {why}")


def _heard_of(programs: Path, nodes: int) -> bool:
    """Kubelets renew their leases every 10 s."""
    found = control.kubectl(programs, "get", "leases", "--namespace=kube-node-lease", "--output=json")
    if found.returncode:
        return False
    renewed = [datetime.fromisoformat(lease["spec"]["renewTime"]) for lease in json.loads(found.stdout)["items"]]
    oldest = datetime.now(UTC) - timedelta(seconds=15)
    return len(renewed) == nodes and all(at > oldest for at in renewed)


def _deployment(nodes: int) -> dict[str, object]:
    labels = {"app": _NAME}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _NAME},
        "spec": {
            "replicas": nodes,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "topologySpreadConstraints": [spread],
                    "containers": [{"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}],
                },
            },
        },
    }
