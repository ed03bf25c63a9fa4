"""Service of Knative (serving.knative.dev/v1): a revision's pods, each with a queue-proxy before the server.

A trial runs as many pods as the knob says, without scaling, and is loaded through the revision's private Service: past
the ingress and the activator, through the queue-proxy, which holds to `containerConcurrency`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, condition, mapping, places, unseen
from tuner.yaml.tree import Path

_TEMPLATE: Path = ("spec", "template")
_NOTES: Path = (*_TEMPLATE, "metadata", "annotations")
_LEAST: Path = (*_NOTES, "autoscaling.knative.dev/min-scale")
_MOST: Path = (*_NOTES, "autoscaling.knative.dev/max-scale")
_OLD = ("autoscaling.knative.dev/minScale", "autoscaling.knative.dev/maxScale")


class KnativeServiceKind(WorkloadKind):
    group = "serving.knative.dev"
    kind = "Service"
    default_port = 8080

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        found = places(obj, (*_TEMPLATE, "spec", "containers"))
        return tuple(Place(name=place.name or "user-container", path=place.path) for place in found)

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Least and most, which its autoscaler then has nothing to choose between."""
        notes = mapping(obj, _NOTES)
        old = [(*_NOTES, name) for name in _OLD if name in notes]
        return (old[0], *old[1:], _MOST) if old and old[0][-1] == _OLD[0] else (_LEAST, _MOST, *old)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002 - the seam's signature
        return _NOTES

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002
        return ()

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        if at(obj, (*_TEMPLATE, "metadata", "name")) is None:
            return ()
        message = "the revision has a name, so that no second one can be made of this template"
        fix = "leave spec.template.metadata.name out: Knative then numbers the revisions"
        return (Obstacle(path=(*_TEMPLATE, "metadata", "name"), message=message, fix=fix),)

    def remarks(self, obj: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        return ("trials go past Knative's ingress and activator, which clients of the Service do not",)

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        return unseen(live) or condition(live, "Ready")

    def failed(self, live: Mapping[str, Any]) -> str | None:
        status = mapping(live, ("status",))
        gave_up = ("RevisionFailed", "ContainerMissing", "RevisionMissing")
        why = condition(live, "Ready") or ""
        return why if status.get("conditions") and why.startswith(gave_up) else None

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        return Service(name=f"{at(obj, ('metadata', 'name'))}-00001-private", port=80)

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        return f"serving.knative.dev/service={at(obj, ('metadata', 'name'))}"
