"""Deployment and StatefulSet (apps/v1): a pod template, a selector, and a Service that another document describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, mapping, mappings, places
from tuner.yaml.tree import Path


class PodTemplate(WorkloadKind):
    group = "apps"
    default_port = None

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        return places(obj, ("spec", "template", "spec", "containers"))

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:  # noqa: ARG002 - the seam's signature
        return (("spec", "replicas"),)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002
        return ("spec", "template", "metadata", "annotations")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        labels = mapping(obj, ("spec", "template", "metadata", "labels"))
        path: Path = ("spec", "selector", "matchLabels")
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
        if status.get("observedGeneration", 0) < mapping(live, ("metadata",)).get("generation", 0):
            return "the new specification was not seen yet"
        for count, what in (("updatedReplicas", "updated"), ("readyReplicas", "ready")):
            if status.get(count, 0) < wanted:
                return f"{status.get(count, 0)} of {wanted} replicas {what}"
        if status.get("replicas", 0) > wanted:
            return f"{status['replicas'] - wanted} old replicas are still there"
        return None

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:
        labels = mapping(obj, ("spec", "template", "metadata", "labels")).items()
        for other in objects:
            selector = mapping(other, ("spec", "selector")).items()
            if other.get("kind") == "Service" and selector and selector <= labels:
                ports = [port for _, port in mappings(other, ("spec", "ports")) if isinstance(port.get("port"), int)]
                ports.sort(key=lambda port: port.get("name") != "http")
                if ports:
                    return Service(name=str(at(other, ("metadata", "name"))), port=ports[0]["port"])
        return None
