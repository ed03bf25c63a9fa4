"""The values of the chart: their names, what the chart takes where nothing is given, and which may be lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DELIMITER = "workflow.paramDelimiter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    key: str
    """As Helm's ``--set`` has it."""
    default: str = ""
    column: str = ""
    """What the table of results calls it, of those that may be lists; empty: it has one value."""


def _value(key: str, default: str = "", column: str = "") -> Value:
    return Value(key=key, default=default, column=column)


VALUES = (
    _value("workflow.name", "seldon-benchmark-process"),
    _value("workflow.useNameAsGenerateName", "false"),
    _value("workflow.namespace", "default"),
    _value("workflow.parallelism", "1"),
    _value(DELIMITER, "|"),
    _value("seldonDeployment.name", "seldon-{{workflow.uid}}"),
    _value("seldonDeployment.image", column="image"),
    _value("seldonDeployment.server", column="server"),
    _value("seldonDeployment.modelName", "classifier"),
    _value("seldonDeployment.protocol", "seldon"),
    _value("seldonDeployment.modelUri", column="modelUri"),
    _value("seldonDeployment.apiType", "rest", "apiType"),
    _value("seldonDeployment.replicas", "2", "replicas"),
    _value("seldonDeployment.waitTime", "5"),
    _value("seldonDeployment.serverThreads", "1", "serverThreads"),
    _value("seldonDeployment.serverWorkers", "4", "serverWorkers"),
    _value("seldonDeployment.enableResources", "false"),
    _value("seldonDeployment.requests.cpu", "50m", "requestsCpu"),
    _value("seldonDeployment.requests.memory", "100Mi", "requestsMemory"),
    _value("seldonDeployment.limits.cpu", "50m", "limitsCpu"),
    _value("seldonDeployment.limits.memory", "1000Mi", "limitsMemory"),
    _value("seldonDeployment.disableOrchestrator", "false", "disableOrchestrator"),
    _value("benchmark.host", "istio-ingressgateway.istio-system.svc.cluster.local:80"),
    _value("benchmark.cpu", "4", "benchmarkCpu"),
    _value("benchmark.concurrency", "1", "concurrency"),
    _value("benchmark.duration", "30s", "duration"),
    _value("benchmark.rate", "0", "rate"),
    _value("benchmark.data", '{"data": {"ndarray": [[0,1,2,3]]}}'),
    _value("benchmark.grpcDataOverride"),
    _value("benchmark.restImage", "peterevans/vegeta:latest-vegeta12.8.4"),
    _value("benchmark.grpcImage", "seldonio/ghz:v0.95.0"),
)
BY_KEY: Mapping[str, Value] = {value.key: value for value in VALUES}

MEASURED = ("mean", "50th", "90th", "95th", "99th", "throughputAchieved", "success", "errors")
"""Columns of the chart's table of results: latencies in milliseconds, good answers a second, and counts."""
CELL = (
    "iteration_name",
    *("replicas", "serverWorkers", "serverThreads", "modelUri", "image", "server", "apiType"),
    *("requestsCpu", "requestsMemory", "limitsCpu", "limitsMemory"),
    *("benchmarkCpu", "concurrency", "duration", "rate", "disableOrchestrator"),
)
"""The columns beside them that say which cell it was, in the chart's order."""
COLUMNS = (*MEASURED, *CELL)
