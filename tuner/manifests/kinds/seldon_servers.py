"""Seldon Core's prepackaged servers: the containers that its operator makes of an `implementation`.

Read in Seldon Core 1.19 (operator/controllers/seldondeployment_prepackaged_servers.go and mlserver.go; the chart's
table of servers). Where the manifest has a container of the graph node's name, the operator fills in what is missing
there: variables one by one, but arguments only as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IMPLEMENTATIONS: Mapping[str, Mapping[str, str]] = {
    "SKLEARN_SERVER": {"seldon": "seldonio/sklearnserver", "v2": "seldonio/mlserver"},
    "XGBOOST_SERVER": {"seldon": "seldonio/xgboostserver", "v2": "seldonio/mlserver"},
    "MLFLOW_SERVER": {"seldon": "seldonio/mlflowserver", "v2": "seldonio/mlserver"},
    "TENSORFLOW_SERVER": {"seldon": "seldonio/tfserving-proxy", "tensorflow": "tensorflow/serving"},
    "TRITON_SERVER": {"v2": "nvidia/tritonserver"},
    "HUGGINGFACE_SERVER": {"v2": "seldonio/mlserver"},
    "TEMPO_SERVER": {"v2": "seldonio/mlserver"},
}
"""The repository of the image by protocol. An administrator may have added others: those run MLServer under v2."""

NO_SERVERS = frozenset(
    {"", "UNKNOWN_IMPLEMENTATION", "SIMPLE_MODEL", "SIMPLE_ROUTER", "RANDOM_ABTEST", "AVERAGE_COMBINER"}
)
"""Words of the same field that start no server: the first two say nothing, the others the orchestrator does itself."""

PROTOCOLS = {"tensorflow": "tensorflow", "kfserving": "v2", "v2": "v2"}
"""As search spaces spell them; any other is Seldon's own."""

_MODELS = "/mnt/models"
_MLSERVER = "seldonio/mlserver"


def protocol(implementation: str, asked: str) -> str:
    """What a server answers under the deployment's protocol: some speak only one."""
    spoken = IMPLEMENTATIONS.get(implementation, {})
    return asked if asked in spoken or not spoken else next(iter(spoken))


def image(implementation: str, spoken: str) -> str | None:
    """The repository of the image that the operator takes, as far as that is known."""
    if implementation in NO_SERVERS:
        return None
    return IMPLEMENTATIONS.get(implementation, {"v2": _MLSERVER}).get(spoken)


def arguments(implementation: str, spoken: str, model: str, *, http: int, grpc: int) -> tuple[str, ...]:
    """What the operator gives the server as long as its container has no arguments of its own."""
    if implementation == "TRITON_SERVER":
        return (
            "/opt/tritonserver/bin/tritonserver",
            f"--grpc-port={grpc}",
            f"--http-port={http}",
            f"--model-repository={_MODELS}",
            "--strict-model-config=false",
        )
    if implementation == "TENSORFLOW_SERVER" and spoken == "tensorflow":
        return (
            f"--port={grpc}",
            f"--rest_api_port={http}",
            f"--model_name={model}",
            f"--model_base_path={_MODELS}",
        )
    return ()


def variables(spoken: str, repository: str, model: str, *, http: int) -> tuple[Mapping[str, Any], ...]:
    """Of those that the operator sets the ones that tell a server its port and its model."""
    if repository.partition(":")[0] == _MLSERVER:
        return (
            {"name": "MLSERVER_HTTP_PORT", "value": str(http)},
            {"name": "MLSERVER_MODEL_NAME", "value": model},
        )
    return ({"name": "PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "value": str(http)},) if spoken == "seldon" else ()
