"""The workload that is tuned, among the objects of a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.errors import Mistake
from tuner.manifests.kinds import KINDS, Place, WorkloadKind, kind_of
from tuner.manifests.kinds.model import at
from tuner.space.model import Parameter, SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`index` counts the manifest's objects."""

    index: int
    kind: WorkloadKind
    obj: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(at(self.obj, ("metadata", "name")))

    def places(self) -> tuple[Place, ...]:
        return self.kind.containers(self.obj)

    def place(self, container: str | None) -> Place | None:
        """The container of that name; with None the only one that no operator adds. None: there is no such one."""
        if container is not None:
            return next((place for place in self.places() if place.name == container), None)
        own = [place for place in self.places() if not place.injected]
        return own[0] if len(own) == 1 else None


class NoWorkload(Mistake):
    """The manifest holds no workload, or several and nothing tells which is meant."""


def workloads(objects: Sequence[Mapping[str, Any]]) -> tuple[Workload, ...]:
    return tuple(
        Workload(index=index, kind=kind, obj=obj)
        for index, obj in enumerate(objects)
        if (kind := kind_of(obj)) is not None
    )


def container_of(space: SearchSpace, parameter: Parameter) -> str | None:
    return parameter.container or space.container


def find(space: SearchSpace, objects: Sequence[Mapping[str, Any]]) -> Workload:
    """Of several workloads the one that has the containers which the search space names. Raises NoWorkload."""
    found = workloads(objects)
    if len(found) == 1:
        return found[0]
    if not found:
        there = ", ".join(sorted({str(obj.get("kind")) for obj in objects})) or "nothing"
        kinds = ", ".join(kind.kind for kind in KINDS)
        raise NoWorkload(
            f"no workload that can be tuned, only {there}",
            f"add one of {kinds}, or say with the annotation tuner.dev/service how another custom resource serves",
        )
    named = {space.container, *(parameter.container for parameter in space.parameters)} - {None}
    having = [workload for workload in found if named and named <= {place.name for place in workload.places()}]
    if len(having) == 1:
        return having[0]
    listed = ", ".join(
        f"{workload.kind.kind} {workload.name} ({', '.join(place.name for place in workload.places())})"
        for workload in found
    )
    raise NoWorkload(
        f"{len(found)} workloads, and nothing tells which is meant: {listed}",
        "name in the search space a container that only one of them has, or give each a manifest of its own",
    )
