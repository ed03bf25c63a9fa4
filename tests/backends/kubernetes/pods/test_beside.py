"""Where a replica ran, and what others used there."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.pods.beside import Nodes, processor
from tuner.errors import BackendFailure
from tuner.measure.model import NodeUsed

NFD = "feature.node.kubernetes.io/cpu-model."


def node(**labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "a", "labels": labels}}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({f"{NFD}vendor_id": "Intel", f"{NFD}family": "6", f"{NFD}id": "85"}, "Intel family 6 model 85"),
        ({f"{NFD}vendor_id": "AMD"}, "AMD"),
        ({"node.kubernetes.io/instance-type": "n2-standard-8"}, "n2-standard-8"),
        ({"kubernetes.io/hostname": "a"}, ""),
    ],
)
def test_what_labels_tell_of_the_processor(labels: dict[str, str], said: str) -> None:
    assert processor(node(**labels)) == said


class Kubelet:
    """An API server whose kubelets answer one after the other with these; None: it may not be asked."""

    namespace = "here"

    def __init__(self, *summaries: dict[str, Any] | None, metrics: dict[str, Any] | None = None) -> None:
        self._summaries = list(summaries)
        self._metrics = metrics or {}

    def text(self, *_: object, **__: object) -> str:
        found = self._summaries.pop(0)
        if found is None:
            raise BackendFailure("may not get nodes/proxy")
        return json.dumps(found)

    def call(self, _method: str, path: str, **_: object) -> Any:
        if path not in self._metrics:
            raise BackendFailure("no metrics API")
        return self._metrics[path]


def summary(second: int, whole_s: float, own_s: float, memory: int = 0) -> dict[str, Any]:
    pods = [
        {"podRef": {"name": name, "namespace": namespace}, "cpu": {"usageCoreNanoSeconds": int(used * 1e9)}}
        for name, namespace, used in (("toy-0", "here", own_s), ("toy-0", "elsewhere", 100.0), ("other", "here", 50.0))
    ]
    cpu = {"time": f"2026-01-01T00:00:{second:02}Z", "usageCoreNanoSeconds": int(whole_s * 1e9)}
    return {"node": {"cpu": cpu, "memory": {"workingSetBytes": memory}}, "pods": pods}


POD = {"metadata": {"name": "toy-0"}, "spec": {"nodeName": "a"}}


def used(api: Kubelet, *nodes: dict[str, Any]) -> NodeUsed:
    (found,) = Nodes(cast("Api", api), [POD], nodes).used()
    return found


def test_what_others_used_is_the_nodes_less_the_trials_own() -> None:
    found = used(Kubelet(summary(0, 1000.0, 10.0), summary(20, 1030.0, 20.0, memory=500)), node(agentpool="a"))
    assert found == NodeUsed(node="a", pool="a", others_cores=1.0, others_memory_bytes=500)


def test_figures_that_lie_too_close_together_tell_no_rate() -> None:
    found = used(Kubelet(summary(0, 1000.0, 10.0), summary(1, 1030.0, 20.0)))
    assert found.others_cores is None


def test_where_nothing_may_be_read_nothing_is_told() -> None:
    assert used(Kubelet(None, None)) == NodeUsed(node="a")


def test_the_metrics_api_serves_where_the_kubelet_does_not() -> None:
    root = "/apis/metrics.k8s.io/v1beta1"
    metrics = {
        f"{root}/nodes/a": {"usage": {"cpu": "1500m"}},
        f"{root}/namespaces/here/pods/toy-0": {"containers": [{"usage": {"cpu": "500m"}}]},
    }
    assert used(Kubelet(None, None, metrics=metrics)).others_cores == 1.0
