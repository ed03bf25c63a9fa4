"""The port of the serving container that the load goes to, where that is not its HTTP port."""

from __future__ import annotations

from tuner.errors import Mistake
from tuner.manifests.model import Container
from tuner.workload.model import GRPC_PROTOCOLS, WorkloadSpec

_SELDON_GRPC_PORT = 5000
"""Where a seldon-core microservice takes gRPC calls unless it is told otherwise; models have images of any name."""


def load_port(workload: WorkloadSpec, serving: Container, *, grpc: int | None, has_orchestrator: bool) -> int | None:
    """None: the HTTP port. `grpc` is the container's gRPC port, as far as is known. Raises Mistake."""
    ports = dict(serving.ports)
    if isinstance(workload.port, int):
        return workload.port
    if workload.port is not None:
        if workload.port not in ports:
            raise Mistake(
                f"container {serving.name} has no port named {workload.port!r}",
                _listed(ports) or "write its number as workload.port",
            )
        return ports[workload.port]
    if workload.protocol not in GRPC_PROTOCOLS:
        return None
    if has_orchestrator:
        raise Mistake(
            "an orchestrator stands before the model, and workload.port does not say which of them takes the calls",
            "write port: 5001 for the orchestrator, port: 9500 for the model behind it (both on a cluster), or port: 5000 for "
            "the model as a process here",
        )
    port = grpc if grpc is not None or workload.protocol != "seldon-grpc" else _SELDON_GRPC_PORT
    if port is None:
        fix = "name it so, or write workload.port: NAME or NUMBER"
        raise Mistake(f"container {serving.name} has no port named grpc", fix)
    return port


def _listed(ports: dict[str, int]) -> str:
    named = ", ".join(f"{name} ({number})" for name, number in ports.items() if name)
    return f"it has {named}: name one of those, or write a number" if named else ""
