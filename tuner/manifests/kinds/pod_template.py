"""Kinds that hold a pod template, a number of replicas and a selector, before which a Service of the manifest stands.

Deployment, StatefulSet and ReplicaSet (apps/v1), Argo's Rollout and OpenShift's DeploymentConfig.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, mapping, mappings, places
from tuner.yaml.tree import Path

_TEMPLATE: Path = ("spec", "template")


class PodTemplate(WorkloadKind):
    default_port = None
    counts: tuple[tuple[str, str], ...] = (("updatedReplicas", "updated"), ("readyReplicas", "ready"))
    """Fields of the status that reach the number of replicas, and what each counts."""

    def __init__(self, kind: str, group: str = "apps") -> None:
        self.kind, self.group = kind, group

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        return places(obj, (*_TEMPLATE, "spec", "containers"))

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002 - the seam's signature
        return (("spec", "replicas"),)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002
        return (*_TEMPLATE, "metadata", "annotations")

    def match_labels(self) -> Path:
        return ("spec", "selector", "matchLabels")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        labels = mapping(obj, (*_TEMPLATE, "metadata", "labels"))
        path = self.match_labels()
        return tuple(
            Obstacle(
                path=(*path, name),
                message=f"the selector wants {name}={wanted}, the pod template has {labels.get(name, 'no such label')}",
                fix="give the pod template the labels that the selector asks for",
            )
            for name, wanted in mapping(obj, path).items()
            if labels.get(name) != wanted
        )

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        status, wanted = mapping(live, ("status",)), at(live, ("spec", "replicas"))
        wanted = 1 if wanted is None else wanted
        if int(status.get("observedGeneration") or 0) < mapping(live, ("metadata",)).get("generation", 0):
            return "the new specification was not seen yet"
        for count, what in self.counts:
            if status.get(count, 0) < wanted:
                return f"{status.get(count, 0)} of {wanted} replicas {what}"
        if status.get("replicas", 0) > wanted:
            return f"{status['replicas'] - wanted} old replicas are still there"
        return None

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:
        return service_of(mapping(obj, (*_TEMPLATE, "metadata", "labels")), objects)


class ReplicaSet(PodTemplate):
    """It never replaces its pods: what is ready is as its template says, or was made before it changed."""

    counts = (("readyReplicas", "ready"),)

    def __init__(self) -> None:
        super().__init__("ReplicaSet")


class Rollout(PodTemplate):
    """Argo's. A new one rolls out at once, whatever the steps of its strategy; a change goes through them."""

    def __init__(self) -> None:
        super().__init__("Rollout", "argoproj.io")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        if mapping(obj, ("spec", "workloadRef")):
            message = "workloadRef takes the pod template from another object, where the knobs would be"
            fix = "write the template into the Rollout, or tune that object alone"
            return (Obstacle(path=("spec", "workloadRef"), message=message, fix=fix),)
        return super().obstacles(obj)

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        phase = mapping(live, ("status",)).get("phase")
        if phase == "Paused":
            return f"it is paused: {mapping(live, ('status',)).get('message') or 'promote it'}"
        return super().waiting(live)

    def failed(self, live: Mapping[str, Any]) -> str | None:
        status = mapping(live, ("status",))
        return str(status.get("message") or "Degraded") if status.get("phase") == "Degraded" else None


class DeploymentConfig(PodTemplate):
    """OpenShift's, whose selector holds labels without more ado."""

    def __init__(self) -> None:
        super().__init__("DeploymentConfig", "apps.openshift.io")

    def match_labels(self) -> Path:
        return ("spec", "selector")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        tags = [
            Obstacle(
                path=("spec", "triggers", index, "imageChangeParams", "containerNames"),
                message="a new image of the tag that it follows would be deployed in the middle of a measurement",
                fix="remove the ImageChange trigger, and write the image into the container",
            )
            for index, trigger in mappings(obj, ("spec", "triggers"))
            if trigger.get("type") == "ImageChange" and at(trigger, ("imageChangeParams", "automatic")) is True
        ]
        return (*super().obstacles(obj), *tags)


def service_of(labels: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:
    """The first Service of the manifest that selects pods with these labels."""
    for other in objects:
        selector = mapping(other, ("spec", "selector")).items()
        if is_service(other) and selector and selector <= labels.items():
            ports = [port for _, port in mappings(other, ("spec", "ports")) if isinstance(port.get("port"), int)]
            ports.sort(key=lambda port: port.get("name") != "http")
            if ports:
                return Service(name=str(at(other, ("metadata", "name"))), port=ports[0]["port"])
    return None


def is_service(obj: Mapping[str, Any]) -> bool:
    """Of Kubernetes itself; Knative calls its workload so, too."""
    return obj.get("kind") == "Service" and obj.get("apiVersion", "v1") == "v1"
