"""Any custom resource whose operator sets the condition Ready and makes a Service of a known name.

What the other kinds know of theirs, its own annotations say (all of the object itself, not of its pods):

- ``tuner.dev/service``: NAME:PORT of the Service in front of the pods
- ``tuner.dev/pods``: the label selector of the pods
- ``tuner.dev/containers``: JSON pointer (RFC 6901) to the list of containers, or to the one that there is; without it
  ``/spec/template/spec/containers``
- ``tuner.dev/replicas``: JSON pointer to the number of replicas; without it ``/spec/replicas``

``{name}`` in the first two stands for the object's name, which differs in every trial. An object without
``tuner.dev/service`` is no workload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Obstacle, Place, Service, WorkloadKind, at, condition, mapping, places, unseen
from tuner.yaml.tree import Path

SERVICE = "tuner.dev/service"
_PODS, _CONTAINERS, _REPLICAS = "tuner.dev/pods", "tuner.dev/containers", "tuner.dev/replicas"
_NOTES: Path = ("metadata", "annotations")
_DEFAULTS: Mapping[str, Path] = {
    _CONTAINERS: ("spec", "template", "spec", "containers"),
    _REPLICAS: ("spec", "replicas"),
}
_SERVICE = re.compile(r"(?P<name>[a-z0-9{}]([-a-z0-9{}.]*[a-z0-9{}])?):(?P<port>[0-9]{1,5})")


class CustomResource(WorkloadKind):
    """One for each group and kind."""

    default_port = None

    def __init__(self, group: str, kind: str) -> None:
        self.group, self.kind = group, kind

    def containers(self, obj: Mapping[str, Any]) -> tuple[Place, ...]:
        path = self._path(obj, _CONTAINERS)
        found = at(obj, path)
        if isinstance(found, Mapping):
            return (Place(name=str(found.get("name") or path[-1]), path=path),)
        return places(obj, path)

    def replicas(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        return (self._path(obj, _REPLICAS),)

    def pod_annotations(self, obj: Mapping[str, Any], container: Path) -> Path:  # noqa: ARG002 - the seam's signature
        """Of the pod template around the containers."""
        end = len(container) - (1 if isinstance(container[-1], int) else 0)
        template = container[: end - 1] if container[end - 1] == "containers" else container
        template = template[:-1] if template[-1] == "spec" and len(template) > 1 else template
        return (*template, "metadata", "annotations")

    def obstacles(self, obj: Mapping[str, Any]) -> tuple[Obstacle, ...]:
        return tuple(self._obstacles(obj))

    def waiting(self, live: Mapping[str, Any]) -> str | None:
        return unseen(live) or condition(live, "Ready")

    def service(self, obj: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Service | None:  # noqa: ARG002
        found = _SERVICE.fullmatch(self._annotation(obj, SERVICE))
        return Service(name=found["name"], port=int(found["port"])) if found else None

    def selector(self, obj: Mapping[str, Any]) -> str | None:
        return self._annotation(obj, _PODS)

    def pod_selectors(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Where it has one; an operator that needs none would refuse the field."""
        return (("spec", "selector"),) if mapping(obj, ("spec", "selector", "matchLabels")) else ()

    def pod_labels(self, obj: Mapping[str, Any]) -> tuple[Path, ...]:
        """Where it has some: a definition may not know the field, and its pods are found by `selector` anyway."""
        return tuple(path for path in super().pod_labels(obj) if mapping(obj, path))

    def _obstacles(self, obj: Mapping[str, Any]) -> Iterator[Obstacle]:
        notes = mapping(obj, _NOTES)
        if not _SERVICE.fullmatch(self._annotation(obj, SERVICE)):
            message = f"{SERVICE} is {notes.get(SERVICE)!r}, which names no Service with its port"
            yield Obstacle(
                path=(*_NOTES, SERVICE), message=message, fix='write NAME:PORT, such as "{name}-predictor:80"'
            )
        if "=" not in self._annotation(obj, _PODS):
            message = f"nothing tells which pods its operator makes for this {self.kind}"
            fix = f'add the annotation {_PODS} with their label selector, such as "app={{name}}"'
            yield Obstacle(path=(*_NOTES, _PODS if _PODS in notes else SERVICE), message=message, fix=fix)
        for key in (_CONTAINERS, _REPLICAS):
            if key in notes and not str(notes[key]).startswith("/"):
                message = f"{key} is {notes[key]!r}, which is no JSON pointer"
                fix = f"write a path such as /{'/'.join(map(str, _DEFAULTS[key]))}"
                yield Obstacle(path=(*_NOTES, key), message=message, fix=fix)

    def _annotation(self, obj: Mapping[str, Any], key: str) -> str:
        return str(mapping(obj, _NOTES).get(key, "")).replace("{name}", str(at(obj, ("metadata", "name"))))

    def _path(self, obj: Mapping[str, Any], key: str) -> Path:
        pointer = str(mapping(obj, _NOTES).get(key) or "")
        if not pointer.startswith("/"):
            return _DEFAULTS[key]
        tokens = (token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))
        return tuple(int(token) if token.isdecimal() else token for token in tokens)
