"""How the pods run: as Pod Security's level ``restricted`` asks, on a root that nobody writes to."""

from __future__ import annotations

from typing import Any

from tuner.in_cluster.inputs import FOLDER

_USER = 65532
"""Of the tuner's image."""
GRACE_S = 150
"""A study that is told to end takes its trial down first."""
SECURED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_MOUNTS = (
    {"name": "inputs", "mountPath": FOLDER, "readOnly": True},
    {"name": "work", "mountPath": "/work"},
    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of a pod, which has it for itself
)

SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "fsGroup": _USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Of every pod."""


def container(image: str, *words: str, cpu: str, memory: str, secret: str | None) -> dict[str, Any]:
    """What runs `tune` with these words; the keys of `secret` are its variables. Its command is said, for Argo would have
    to ask a registry for the image's."""
    return {
        "image": image,
        "command": ["tune"],
        "args": list(words),
        "workingDir": "/work",
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "securityContext": {**SECURED, "readOnlyRootFilesystem": True},
        "volumeMounts": [dict(mount) for mount in _MOUNTS],
        **({} if secret is None else {"envFrom": [{"secretRef": {"name": secret}}]}),
    }


def passing(name: str) -> dict[str, Any]:
    """A volume that is gone with its pod."""
    return {"name": name, "emptyDir": {}}
