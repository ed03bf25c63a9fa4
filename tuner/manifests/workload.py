"""The workload that is tuned, among the objects of a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.errors import Mistake
from tuner.manifests.kinds import KINDS, Place, WorkloadKind, kind_of
from tuner.manifests.kinds.model import at
from tuner.manifests.kinds.refused import refused
from tuner.nearest import nearest
from tuner.printable import shortened
from tuner.space.model import Parameter, SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`index` counts the manifest's objects."""

    index: int
    kind: WorkloadKind
    obj: Mapping[str, Any]
    component: str | None = None
    """The part of it that is tuned, which `kind` speaks of; None: it has one, or none was chosen."""

    @property
    def name(self) -> str:
        return str(at(self.obj, ("metadata", "name")))

    @property
    def spelled(self) -> str:
        """As a search space names it."""
        component = f"/{self.component}" if self.component is not None else ""
        return f"{self.kind.kind}/{self.name}{component}"

    def places(self) -> tuple[Place, ...]:
        return self.kind.containers(self.obj)

    def place(self, container: str | None) -> Place | None:
        """The container of that name; with None the only one that no operator adds. None: there is no such one."""
        if container is not None:
            return next((place for place in self.places() if place.name == container), None)
        own = [place for place in self.places() if not place.injected]
        return own[0] if len(own) == 1 else None


class NoWorkload(Mistake):
    """The manifest holds no workload, or several and nothing tells which is meant. `index`: the object it is about."""

    index: int | None = None


def workloads(objects: Sequence[Mapping[str, Any]]) -> tuple[Workload, ...]:
    return tuple(
        Workload(index=index, kind=kind, obj=obj)
        for index, obj in enumerate(objects)
        if (kind := kind_of(obj)) is not None
    )


def components(workload: Workload) -> tuple[Workload, ...]:
    """One for each part of which one is tuned at a time; the workload itself where it has no such parts."""
    found = workload.kind.components(workload.obj)
    return tuple(replace(workload, kind=workload.kind.of(component), component=component) for component in found) or (
        workload,
    )


def container_of(space: SearchSpace, parameter: Parameter) -> str | None:
    return parameter.container or space.container


def find(space: SearchSpace, objects: Sequence[Mapping[str, Any]]) -> Workload:
    """The one that the search space names; else, of several, the one that has all the containers it names. Raises
    NoWorkload."""
    found = workloads(objects)
    if not found:
        raise none_in(objects)
    if space.tuned is not None:
        return named(found, space.tuned)
    if len(found) == 1:
        return found[0]
    wanted = {space.container, *(parameter.container for parameter in space.parameters)} - {None}
    having = [workload for workload in found if wanted and wanted <= {place.name for place in workload.places()}]
    if len(having) == 1:
        return having[0]
    listed = ", ".join(
        f"{workload.spelled} ({', '.join(place.name for place in workload.places())})" for workload in found
    )
    raise NoWorkload(
        f"{len(found)} workloads, and nothing tells which is meant: {listed}",
        f"write object: KIND/NAME into the search space, for example object: {found[0].spelled}",
    )


def none_in(objects: Sequence[Mapping[str, Any]]) -> NoWorkload:
    """Which of the objects is meant to serve, why it is not tuned, and what to tune instead; or what there is."""
    if (error := refused_in(objects)) is not None:
        return error
    known = {kind.kind for kind in KINDS} - {"Service"}
    found = {
        f"{obj.get('kind')} of {obj.get('apiVersion')}" if str(obj.get("kind")) in known else str(obj.get("kind"))
        for obj in objects
    }
    there = ", ".join(sorted(found)) or "nothing"
    kinds = ", ".join(kind.kind if kind.kind != "Service" else "Service (Knative's)" for kind in KINDS)
    return NoWorkload(
        f"no workload that can be tuned, only {shortened(there, 300)}",
        f"add one of {kinds}, or say with the annotation tuner.dev/service how another custom resource serves",
    )


def refused_in(objects: Sequence[Mapping[str, Any]]) -> NoWorkload | None:
    """The first that is meant to serve and is not tuned, why, and what to tune instead; None: there is none."""
    for index, obj in enumerate(objects):
        if (why := refused(obj)) is not None:
            name = at(obj, ("metadata", "name"))
            error = NoWorkload(f"{obj['kind']} {name} is not tuned: {why.why}", why.instead)
            error.index = index
            return error
    return None


def named(found: Sequence[Workload], name: str) -> Workload:
    """The workload of that name, ``KIND/NAME``, or its part, ``KIND/NAME/COMPONENT``; letters of the kind may be small.
    Raises NoWorkload."""
    there: dict[str, Workload] = {}
    for workload in found:
        parts = components(workload)
        for one in (*parts, workload):
            there.setdefault(one.spelled, one)
    kind, _, rest = name.partition("/")
    alike = [one for spelled, one in there.items() if _folded(spelled) == (kind.lower(), rest)]
    if not alike:
        raise NoWorkload(
            f"the manifest has no workload {name!r}", nearest(name, there) + f"; there: {', '.join(there)}"
        )
    same = [one for workload in found for one in (*components(workload), workload) if one.spelled == alike[0].spelled]
    if len({one.index for one in same}) > 1:
        lines = f"{len({one.index for one in same})} workloads are called {name}"
        raise NoWorkload(lines, "give each a name of its own, or leave the one that is to be tuned")
    return alike[0]


def _folded(spelled: str) -> tuple[str, str]:
    kind, _, rest = spelled.partition("/")
    return kind.lower(), rest
