"""The anchor: the one object that owns all others of a trial, and that the cluster itself removes when nobody does.

It is a Job with no completions: finished the moment it is made, without a pod, so that its
``ttlSecondsAfterFinished`` runs from the start. A living tuner moves that time on with every heartbeat; the trial of a
dead one is removed by the cluster's own TTL controller, and its objects, being owned, follow. (Job API, "TTL mechanism
for finished Jobs": the TTL may be changed at any time before it has run out.) No other kind of object ends itself, which
is why it is none that has no pod template.

Rules for Jobs look at that template all the same, so it is one that they take: the workload's own image, which is
allowed to run here, with its resources, and nothing that the strictest Pod Security Standard refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import tuner
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import Object
from tuner.backends.kubernetes.trial import restricted
from tuner.backends.kubernetes.trial.liveness import HeldJob
from tuner.backends.kubernetes.trial.objects import Identity
from tuner.manifests.model import PodSet
from tuner.space.model import ClusterSpec

ANCHOR = "tuner.dev/anchor"
SELECTOR = f"{ANCHOR}=true"
_NO_IMAGE = f"tuner-load:{tuner.__version__}"
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

    def __init__(
        self,
        api: Api,
        identity: Identity,
        *,
        workload: Mapping[str, Any],
        pods: str,
        like: PodSet | None = None,
        cluster: ClusterSpec | None = None,
    ) -> None:
        """`workload` as placed in the cluster, `pods` the selector of its pods, `like` what they run."""
        self._like = like
        self._cluster = cluster or ClusterSpec()
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
        """Raises HeldByAnother where another tuner holds this trial, Refused where the cluster does not take it."""
        self._held.make(self.wanted())

    def wanted(self) -> Object:
        """As it is to be made."""
        held = self.holding
        labels = {**self._cluster.labels, **self._identity.labels}
        return self._held.wanted(
            held.anchor,
            labels={**labels, ANCHOR: "true"},
            annotations={_WORKLOAD: f"{held.api_version}/{held.kind}/{held.name}", _PODS: held.pods},
            spec={
                "completions": 0,
                "parallelism": 0,
                "backoffLimit": 0,
                "template": {"metadata": {"labels": {**labels, ANCHOR: "true"}}, "spec": self._never_started()},
            },
        )

    def _never_started(self) -> Object:
        serving = self._like.container(self._like.serving) if self._like else None
        amounts = {"cpu": "10m", "memory": "16Mi"}
        requests, limits = (dict(serving.requests), dict(serving.limits)) if serving else ({}, {})
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": dict(restricted.POD),
            "containers": [
                {
                    "name": "never-started",
                    "image": (serving.image if serving else "") or self._cluster.load_generator.image or _NO_IMAGE,
                    "resources": {"requests": {**amounts, **requests}, "limits": {**amounts, **requests, **limits}},
                    "securityContext": dict(restricted.CONTAINER),
                }
            ],
        }

    def is_anothers(self) -> bool:
        """Where its tuner was thought dead, and the trial has been another's since."""
        return self._held.is_anothers()

    def close(self) -> None:
        self._held.let_go()


def owner_of(job: Mapping[str, Any]) -> Object:
    """The owner reference to an anchor."""
    metadata = job["metadata"]
    return {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
