"""KServe's serving runtimes that stand in the manifest itself: what a model that names one will run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import at, mapping, mappings

_KINDS = ("ServingRuntime", "ClusterServingRuntime")
_CONTAINER = "kserve-container"


def with_runtime(spec: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The container of a model, with what KServe merges below it: the one of its runtime. `name` is the
    InferenceService's. As it is where no runtime of `objects` is meant."""
    runtime = next((one for one in objects if one.get("kind") in _KINDS and _is_meant(one, spec)), None)
    if runtime is None:
        return spec
    containers = [one for _, one in mappings(runtime, ("spec", "containers"))]
    named = [one for one in containers if one.get("name") == _CONTAINER] or containers
    if not named:
        return spec
    below = named[0]
    args = [str(word).replace("{{.Name}}", name) for word in [*_listed(below, "args"), *_listed(spec, "args")]]
    env = [*_listed(below, "env"), *_listed(spec, "env")]
    ports = _listed(below, "ports") or _listed(spec, "ports")
    return {**below, **spec, "args": args, "env": env, "ports": ports}


def _is_meant(runtime: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    asked, wanted = spec.get("runtime"), at(spec, ("modelFormat", "name"))
    if asked is not None:
        return bool(asked == at(runtime, ("metadata", "name")))
    return wanted is not None and wanted in _chosen_for(runtime)


def _chosen_for(runtime: Mapping[str, Any]) -> Iterator[Any]:
    """The formats that it serves without being named."""
    for _, one in mappings(runtime, ("spec", "supportedModelFormats")):
        if one.get("autoSelect") is True and not mapping(runtime, ("spec",)).get("disabled"):
            yield one.get("name")


def _listed(spec: Mapping[str, Any], section: str) -> list[Any]:
    found = spec.get(section)
    return found if isinstance(found, list) else []
