"""What a Workflow says of its pods, besides how each runs: where studies are kept, and what Argo's own containers lack."""

from __future__ import annotations

import json
from typing import Any

from tuner.argo.settings import Settings
from tuner.in_cluster.pods import GRACE_S, SECURED, passing

OUTPUTS = "/tmp/outputs"  # noqa: S108 - of a pod, which has it for itself


def volumes(settings: Settings) -> dict[str, Any]:
    """The part of a Workflow's specification that says where the studies are kept, and what else is mounted."""
    if settings.workers:
        return {"volumes": [passing("tmp"), passing("work")]}
    if settings.claim is not None:
        return {"volumes": [passing("tmp"), {"name": "work", "persistentVolumeClaim": {"claimName": settings.claim}}]}
    claim = {
        "metadata": {"name": "work"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": settings.storage}}},
    }
    return {"volumes": [passing("tmp")], "volumeClaimTemplates": [claim]}


def executor_patch() -> str:
    """For Argo's own containers, which have no security context unless the controller's configuration gives them one."""
    own = [{"name": "wait", "securityContext": SECURED}]
    first = [{"name": "init", "securityContext": SECURED}]
    return json.dumps({"initContainers": first, "containers": own})


def grace_patch() -> str:
    return json.dumps({"terminationGracePeriodSeconds": GRACE_S})
