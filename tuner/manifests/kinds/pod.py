"""Pod (v1), alone: one replica, which nothing starts again elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, condition, mapping, places
from tuner.manifests.kinds.pod_template import service_of
from tuner.yaml.tree import Path


class PodKind(WorkloadKind):
    group = ""
    kind = "Pod"
    default_port = None

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        return places(obj, ("spec", "containers"))

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002 - the seam's signature
        return ()

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002
        return ("metadata", "annotations")

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        named = any(mapping(obj, place.path).get("ports") for place in self.containers(obj))
        if not named and mapping(obj, ("spec",)).get("restartPolicy") in ("Never", "OnFailure"):
            message = "a pod that is not restarted and names no port does a task, and is no server"
            fix = "leave restartPolicy out, or name the workload that serves"
            return (Obstacle(path=("spec", "restartPolicy"), message=message, fix=fix),)
        return ()

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        return condition(live, "Ready")

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:
        return service_of(mapping(obj, ("metadata", "labels")), objects)
