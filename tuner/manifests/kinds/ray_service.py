"""RayService (ray.io/v1): a Ray cluster of a head and groups of workers, and the applications it serves.

The head answers on Ray Serve's port for the whole cluster, so that the cluster is the one replica; its size is set by
path:/spec/rayClusterConfig/workerGroupSpecs/0/replicas, and what an application is given by `serveConfigV2`, which is
text that no knob reaches into.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, condition, mapping, mappings, places
from tuner.yaml.tree import Path

_CLUSTER: Path = ("spec", "rayClusterConfig")
_HEAD: Path = (*_CLUSTER, "headGroupSpec", "template")
_GROUPS: Path = (*_CLUSTER, "workerGroupSpecs")


class RayServiceKind(WorkloadKind):
    group = "ray.io"
    kind = "RayService"
    default_port = 8000

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        return places(obj, (*_HEAD, "spec", "containers"))

    def beside(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        found: tuple[Place, ...] = ()
        for index, group in mappings(obj, _GROUPS):
            number = group.get("replicas")
            workers = places(obj, (*_GROUPS, index, "template", "spec", "containers"))
            found += workers * (number if isinstance(number, int) and number >= 0 else 1)
        return found

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002 - the seam's signature
        return ()

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002
        return (*_HEAD, "metadata", "annotations")

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        if at(obj, (*_CLUSTER, "enableInTreeAutoscaling")) is True:
            message = "Ray's autoscaler changes the number of workers in the middle of a measurement"
            fix = "leave it out for tuning, and set the workers' replicas"
            return (Obstacle(path=(*_CLUSTER, "enableInTreeAutoscaling"), message=message, fix=fix),)
        return ()

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:
        if not self.beside(obj):
            return ()
        return ("what Ray's workers request is in the cost; what they use is not measured, only the head is",)

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        if mapping(live, ("status",)).get("serviceStatus") == "Running":  # KubeRay before 1.3 has no conditions
            return None
        return condition(live, "Ready")

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        own = at(obj, ("spec", "serveService", "metadata", "name"))
        return Service(name=str(own or f"{at(obj, ('metadata', 'name'))}-serve-svc"), port=self.default_port)
