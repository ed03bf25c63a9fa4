"""Where clients find a workload, and whether one manifest moves it away from where another has it.

Some knobs do: without its orchestrator a SeldonDeployment's Service has other ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests.kinds.model import Service
from tuner.manifests.workload import workloads


def moved(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What clients of each workload's Service would have to change, in words; empty: nothing."""
    known = dict(_services(before))
    return tuple(
        f"the Service {service.name} answers on {_ports(service)} instead of {_ports(known[which])}: whatever names those "
        "ports (clients, routes, virtual services, network policies) has to be changed with it"
        for which, service in _services(after)
        if which in known and _ports(service) != _ports(known[which])
    )


def _services(objects: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], Service]]:
    for found in workloads(objects):
        service = found.kind.service(found.obj, objects)
        if service is not None:
            yield (found.kind.kind, found.name), service


def _ports(service: Service) -> str:
    grpc = f" (gRPC {service.grpc_port})" if service.grpc_port is not None else ""
    return f"port {service.port}{grpc}"
