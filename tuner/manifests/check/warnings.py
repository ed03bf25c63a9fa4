"""What is right, and yet will not do what a user expects of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import Problem
from tuner.manifests import address
from tuner.manifests.address import ContainerResource
from tuner.manifests.check.near import near_misses
from tuner.manifests.documents import load_all
from tuner.manifests.kinds.model import at
from tuner.manifests.model import Manifest
from tuner.manifests.workload import container_of, find
from tuner.space.model import SearchSpace


def warnings(space: SearchSpace, manifest: Manifest) -> tuple[Problem, ...]:
    """Of a space and a manifest that `check` found nothing wrong with."""
    return (*_unlimited_requests(space, manifest), *near_misses(space, manifest))


def _unlimited_requests(space: SearchSpace, manifest: Manifest) -> Iterator[Problem]:
    objects: list[Any] = list(load_all(manifest.text))
    workload = find(space, objects)
    targets = {
        (container_of(space, parameter), address.parse(target))
        for parameter in space.parameters
        for target in parameter.targets
    }
    for parameter in space.parameters:
        container = container_of(space, parameter)
        place = workload.place(container)
        for target in parameter.targets:
            found = address.parse(target)
            if place is None or not isinstance(found, ContainerResource) or found.section != "requests":
                continue
            limit = at(workload.obj, (*place.path, "resources", "limits", found.name))
            if limit is None and (container, ContainerResource("limits", found.name)) not in targets:
                message = f"{parameter.name} sets {target} alone: a request changes where a pod runs and what it costs"
                message += ", and on a node with room to spare nothing that is measured"
                yield Problem(where=parameter.where, message=message, fix=f"add limits/{found.name} to its addresses")
