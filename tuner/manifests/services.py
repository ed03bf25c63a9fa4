"""The Services of a manifest that send to a workload's pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds import Place
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.workload import Workload


def selecting(workload: Workload, place: Place, objects: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Whole Services, in the manifest's order, whose selector meets the labels of the pod with that container.

    An InferencePool of the Gateway API counts as the Service that it takes the place of.
    """
    labels = mapping(workload.obj, (*workload.kind.pod_annotations(workload.obj, place.path)[:-1], "labels")).items()
    return tuple(
        service
        for service in _services(objects)
        if (selector := mapping(service, ("spec", "selector")).items()) and selector <= labels
    )


def _services(objects: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for obj in objects:
        if obj.get("kind") == "Service":
            yield obj
        elif obj.get("kind") == "InferencePool":
            selector = mapping(obj, ("spec", "selector"))
            numbers = [port.get("number") for _, port in mappings(obj, ("spec", "targetPorts"))]
            ports = [{"port": number} for number in (at(obj, ("spec", "targetPortNumber")), *numbers) if number]
            yield {**obj, "spec": {"selector": selector.get("matchLabels", selector), "ports": ports}}
