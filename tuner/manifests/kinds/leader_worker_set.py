"""LeaderWorkerSet (leaderworkerset.x-k8s.io/v1): groups of pods, of which the leader answers for the group.

A replica is a group. The leader is made from `leaderTemplate`, or, where there is none, from `workerTemplate` as the
others. Knobs can be set on the containers of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, condition, mapping, places, unseen
from tuner.manifests.kinds.pod_template import service_of
from tuner.yaml.tree import Path

_GROUP: Path = ("spec", "leaderWorkerTemplate")
_LEADER: Path = (*_GROUP, "leaderTemplate")
_WORKER: Path = (*_GROUP, "workerTemplate")


class LeaderWorkerSetKind(WorkloadKind):
    group = "leaderworkerset.x-k8s.io"
    kind = "LeaderWorkerSet"
    default_port = None

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        return places(obj, (*_leader(obj), "spec", "containers"))

    def beside(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        size = at(obj, (*_GROUP, "size"))
        workers = size - 1 if isinstance(size, int) and size > 1 else 0
        return places(obj, (*_WORKER, "spec", "containers")) * workers

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002 - the seam's signature
        return (("spec", "replicas"),)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:
        return (*container[: len(_leader(obj))], "metadata", "annotations")

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:  # noqa: ARG002
        return ()

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        if not self.beside(obj):
            return ()
        return (
            "each replica is a group of pods: what workers request is in the cost, what they use is not measured, and a "
            "knob is set on the leader's containers unless another address names the workers'",
        )

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        return unseen(live) or condition(live, "Available")

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:
        return service_of(mapping(obj, (*_leader(obj), "metadata", "labels")), objects)

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        """Of the leaders alone, by the labels of its controller."""
        of_it = "leaderworkerset.sigs.k8s.io"
        return f"{of_it}/name={at(obj, ('metadata', 'name'))},{of_it}/worker-index=0"


def _leader(obj: Mapping[str, Any]) -> Path:
    return _LEADER if mapping(obj, _LEADER) else _WORKER
