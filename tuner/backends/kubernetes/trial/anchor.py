"""The anchor: the one object that owns all others of a trial, and that the cluster itself removes when nobody does.

It is a Job with no completions: finished the moment it is made, without a pod, so that its
``ttlSecondsAfterFinished`` runs from the start. A living tuner moves that time on with every heartbeat; the trial of a
dead one is removed by the cluster's own TTL controller, and its objects, being owned, follow. (Job API, "TTL mechanism
for finished Jobs": the TTL may be changed at any time before it has run out.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import Object
from tuner.backends.kubernetes.trial.liveness import HeldJob
from tuner.backends.kubernetes.trial.objects import Identity

ANCHOR = "tuner.dev/anchor"
SELECTOR = f"{ANCHOR}=true"
_PODS, _WORKLOAD = "tuner.dev/pods", "tuner.dev/workload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a trial holds in the cluster, as its anchor says."""

    anchor: str
    api_version: str
    kind: str
    name: str
    """Of the workload."""
    pods: str
    """The selector of its pods."""

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Self:
        notes = job["metadata"].get("annotations") or {}
        api_version, kind, name = str(notes.get(_WORKLOAD, "//")).rsplit("/", 2)
        return cls(
            anchor=job["metadata"]["name"],
            api_version=api_version,
            kind=kind,
            name=name,
            pods=str(notes.get(_PODS, "")),
        )


class Anchor:
    """Made by entering the context; its heart beats until it is left. It is deleted by `teardown.remove`."""

    def __init__(self, api: Api, identity: Identity, *, workload: Mapping[str, Any], pods: str) -> None:
        """`workload` as placed in the cluster, `pods` the selector of its pods."""
        self._held = HeldJob(api, lives_by="ttlSecondsAfterFinished")
        self.holding = Holding(
            anchor=identity.name("tuner"),
            api_version=workload["apiVersion"],
            kind=workload["kind"],
            name=workload["metadata"]["name"],
            pods=pods,
        )
        self._identity = identity

    @property
    def job(self) -> Object:
        """Empty until it is made."""
        return self._held.job

    @property
    def owner(self) -> Object:
        return owner_of(self.job)

    def make(self) -> None:
        """Raises BackendFailure when another tuner holds this trial."""
        held = self.holding
        self._held.make(
            held.anchor,
            labels={**self._identity.labels, ANCHOR: "true"},
            annotations={_WORKLOAD: f"{held.api_version}/{held.kind}/{held.name}", _PODS: held.pods},
            spec={
                "completions": 0,
                "parallelism": 0,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "never-started", "image": "none.invalid/none"}],
                    }
                },
            },
        )

    def close(self) -> None:
        self._held.let_go()


def owner_of(job: Mapping[str, Any]) -> Object:
    """The owner reference to an anchor."""
    metadata = job["metadata"]
    return {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
