"""Where each replica ran, on what processor, and what others used of that node meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import name_of
from tuner.backends.kubernetes.pods.pools import named
from tuner.errors import EnvironmentFailure
from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.measure.model import NodeUsed
from tuner.units import quantity

Object = Mapping[str, Any]

_MODEL_LABELS = tuple(f"feature.node.kubernetes.io/cpu-model.{part}" for part in ("vendor_id", "family", "id"))
"""Of Node Feature Discovery."""
_MORE_LABELS = (
    "karpenter.k8s.aws/instance-cpu-manufacturer",
    "cloud.google.com/machine-family",
    "node.kubernetes.io/instance-type",
)
_LEAST_S = 2.0
"""The kubelet's figures are some seconds apart: of less no rate can be told."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """CPU time since the boot, of the whole node and of the pods asked for, and when."""

    at: datetime
    whole_s: float
    own_s: float
    memory_bytes: int | None


class Nodes:
    """Looked at when the pods are ready, and once more when they were measured."""

    def __init__(self, api: Api, pods: Sequence[Object], nodes: Sequence[Object]) -> None:
        """`nodes` empty: they cannot be read."""
        self._api = api
        self._pods = {name_of(pod): str(at(pod, ("spec", "nodeName"))) for pod in pods}
        self._known = {name_of(node): node for node in nodes}
        self._before = self._readings()

    def used(self) -> tuple[NodeUsed, ...]:
        """For each replica, in order; what cannot be read is absent."""
        after = self._readings()
        found = []
        for node in self._pods.values():
            cores, memory = _of_others(self._before.get(node), after.get(node))
            known = self._known.get(node)
            if cores is None:
                cores = self._by_metrics(node)
            found.append(
                NodeUsed(
                    node=node,
                    pool=(named(known) if known is not None else None) or "",
                    processor=processor(known) if known is not None else "",
                    others_cores=cores,
                    others_memory_bytes=memory,
                )
            )
        return tuple(found)

    def _readings(self) -> dict[str, _Reading]:
        found = {}
        for node in set(self._pods.values()):
            path = f"/api/v1/nodes/{node}/proxy/stats/summary"
            try:
                text = self._api.text(path, {"only_cpu_and_memory": "true"}, what=f"the kubelet of {node}")
                found[node] = reading(json.loads(text), self._api.namespace, self._pods)
            except (EnvironmentFailure, KeyError, TypeError, ValueError):
                continue
        return found

    def _by_metrics(self, node: str) -> float | None:
        """The metrics API's mean over its own last interval, where the kubelet may not be asked."""
        root = "/apis/metrics.k8s.io/v1beta1"
        try:
            whole = self._api.call("GET", f"{root}/nodes/{node}", what=f"the metrics of node {node}")
            used = quantity(str(whole["usage"]["cpu"]))
            for pod in (name for name, where in self._pods.items() if where == node):
                own = self._api.call("GET", f"{root}/namespaces/{self._api.namespace}/pods/{pod}", what=f"of {pod}")
                used -= sum(quantity(str(one["usage"]["cpu"])) for _, one in mappings(own, ("containers",)))
        except (EnvironmentFailure, KeyError, TypeError, ValueError):
            return None
        return max(0.0, float(used))


def processor(node: Object) -> str:
    """What its labels tell of a node's processor; empty: nothing."""
    labels = mapping(node, ("metadata", "labels"))
    model = [str(labels[key]) for key in _MODEL_LABELS if labels.get(key)]
    if model:
        return f"{model[0]} family {' model '.join(model[1:])}" if len(model) > 1 else model[0]
    return ", ".join(str(labels[key]) for key in _MORE_LABELS if labels.get(key))


def reading(summary: Object, namespace: str, pods: Mapping[str, str]) -> _Reading:
    """What the kubelet's summary tells. Raises KeyError, TypeError, ValueError where it does not."""
    cpu = summary["node"]["cpu"]
    own = 0
    for _, pod in mappings(summary, ("pods",)):
        reference = mapping(pod, ("podRef",))
        if reference.get("namespace") == namespace and reference.get("name") in pods:
            own += int(at(pod, ("cpu", "usageCoreNanoSeconds")) or 0)
    memory = at(summary, ("node", "memory", "workingSetBytes"))
    mine = sum(
        int(at(pod, ("memory", "workingSetBytes")) or 0)
        for _, pod in mappings(summary, ("pods",))
        if at(pod, ("podRef", "namespace")) == namespace and at(pod, ("podRef", "name")) in pods
    )
    return _Reading(
        at=datetime.fromisoformat(str(cpu["time"])),
        whole_s=int(cpu["usageCoreNanoSeconds"]) / 1e9,
        own_s=own / 1e9,
        memory_bytes=max(0, int(memory) - mine) if memory is not None else None,
    )


def _of_others(before: _Reading | None, after: _Reading | None) -> tuple[float | None, int | None]:
    if after is None:
        return None, None
    if before is None or (after.at - before.at).total_seconds() < _LEAST_S:
        return None, after.memory_bytes
    took_s = (after.at - before.at).total_seconds()
    used_s = (after.whole_s - before.whole_s) - (after.own_s - before.own_s)
    return max(0.0, used_s / took_s), after.memory_bytes
