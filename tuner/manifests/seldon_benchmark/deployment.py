"""The SeldonDeployment that the chart's template makes of a cell, less what only its Workflow needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.manifests.seldon_benchmark.axes import RESOURCES, Part
from tuner.manifests.seldon_benchmark.values import ChartValues
from tuner.yaml.block import block

WORKERS = ("GUNICORN_WORKERS", "GRPC_WORKERS")
THREADS = ("GUNICORN_THREADS", "GRPC_THREADS")
NO_ENGINE = "seldon.io/no-engine"


def deployment(values: ChartValues, part: Part, name: str, *, resources: bool) -> str:
    """Its text. Of knobs it has the first value: the baseline is the grid's first cell."""
    fixed, model = part.fixed, values["seldonDeployment.modelName"].text
    container: dict[str, Any] = {"name": model}
    if "image" in fixed:
        container["image"] = fixed["image"]
    container["env"] = [
        {"name": variable, "value": fixed[column]}
        for column, variables in (("serverWorkers", WORKERS), ("serverThreads", THREADS))
        for variable in variables
        if column in fixed
    ]
    if resources:
        container["resources"] = _resources(fixed)
    graph: dict[str, Any] = {"name": model}
    graph |= {"implementation": fixed["server"]} if "server" in fixed else {}
    graph |= {"modelUri": fixed["modelUri"]} if "modelUri" in fixed else {}
    obj = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name},
        "spec": {
            "transport": fixed["apiType"],
            "protocol": values["seldonDeployment.protocol"].text,
            "predictors": [
                {
                    "name": "default",
                    "annotations": {NO_ENGINE: fixed.get("disableOrchestrator", "false")},
                    "replicas": int(fixed.get("replicas", "1")),
                    "graph": {**graph, "children": []},
                    "componentSpecs": [{"spec": {"containers": [container]}}],
                }
            ],
        },
    }
    return block(obj)


def _resources(fixed: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for column, address in RESOURCES.items():
        section, _, resource = address.partition("/")
        if column in fixed:
            found.setdefault(section, {})[resource] = fixed[column]
    return found
