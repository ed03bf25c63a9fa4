"""The chart's parameters, found in a manifest again: what its table of results says of a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.manifests import address, knobs
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.kinds.seldon_deployment import SeldonDeploymentKind
from tuner.manifests.seldon_benchmark.axes import RESOURCES
from tuner.manifests.seldon_benchmark.deployment import NO_ENGINE
from tuner.manifests.workload import find
from tuner.space.model import SearchSpace


def cell(space: SearchSpace, objects: Sequence[Any], *, grpc: bool) -> dict[str, str]:
    """By column, as far as the manifest tells. Of any kind of workload; what only Seldon's has is absent of others."""
    workload = find(space, objects)
    place = workload.place(space.container)
    variables = "GRPC" if grpc else "GUNICORN"
    addresses = {
        "replicas": "replicas",
        "serverWorkers": f"env/{variables}_WORKERS",
        "serverThreads": f"env/{variables}_THREADS",
        **RESOURCES,
    }
    found: dict[str, Any] = {}
    for column, text in addresses.items():
        try:
            found[column] = knobs.read(list(objects), workload, place, address.parse(text))
        except knobs.Unaddressable:
            continue
    if place is not None:
        found["image"] = mapping(workload.obj, place.path).get("image")
    if isinstance(workload.kind, SeldonDeploymentKind):
        found |= _of_predictor(workload.obj, None if place is None else place.name)
    return {column: knobs.text(value) for column, value in found.items() if value is not None}


def _of_predictor(obj: Mapping[str, Any], container: str | None) -> dict[str, Any]:
    """Of the predictor whose graph begins with the container, or the first."""
    predictors = [predictor for _, predictor in mappings(obj, ("spec", "predictors"))]
    own = (one for one in predictors if container is not None and at(one, ("graph", "name")) == container)
    predictor = next(own, predictors[0] if predictors else {})
    graph = mapping(predictor, ("graph",))
    return {
        "server": graph.get("implementation"),
        "modelUri": graph.get("modelUri"),
        "disableOrchestrator": mapping(predictor, ("annotations",)).get(NO_ENGINE, "false"),
    }
