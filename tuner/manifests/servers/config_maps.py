"""Variables that a container takes from the manifest's own ConfigMaps: they may tell its port and its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import at, mapping, mappings


def with_config_maps(spec: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The container with those variables as literal ones, in the order in which Kubernetes reads them. What is in no
    ConfigMap of `objects` stays as it is."""
    data = {at(obj, ("metadata", "name")): mapping(obj, ("data",)) for obj in objects if obj.get("kind") == "ConfigMap"}
    if not data:
        return spec
    return {**spec, "env": [*_whole(spec, data), *_single(spec, data)]}


def _whole(spec: Mapping[str, Any], data: Mapping[Any, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for _, source in mappings(spec, ("envFrom",)):
        for name, value in data.get(_name(source, ("configMapRef",)), {}).items():
            yield {"name": f"{source.get('prefix') or ''}{name}", "value": value}


def _single(spec: Mapping[str, Any], data: Mapping[Any, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    reference = ("valueFrom", "configMapKeyRef")
    for _, entry in mappings(spec, ("env",)):
        found = data.get(_name(entry, reference), {}).get(str(at(entry, (*reference, "key"))))
        yield entry if found is None else {"name": entry.get("name"), "value": found}


def _name(entry: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    name = at(entry, (*path, "name"))
    return name if isinstance(name, str) else None
