"""Where the pods of a manifest tell their own metrics: annotations, names of ports, environment, operators' ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from tuner.manifests.kinds.model import mapping
from tuner.manifests.kinds.seldon_deployment import ENGINE
from tuner.manifests.model import Container, MetricsPort
from tuner.manifests.servers.answers import told
from tuner.manifests.servers.recognition import recognise
from tuner.manifests.workload import Workload

_USUAL_PATH = "/metrics"
_ANNOTATIONS = ("prometheus.io", "prometheus.kserve.io")
"""Prometheus' own custom, and KServe's, by which it tells where a runtime's metrics are."""
_NAMES = frozenset({"metrics", "http-metrics", "prometheus", "http-usermetric"})
"""Names that ports of metrics have; the last is that of Knative's queue-proxy."""
_ENV = (
    ("PREDICTIVE_UNIT_METRICS_SERVICE_PORT", "PREDICTIVE_UNIT_METRICS_ENDPOINT"),
    ("MLSERVER_METRICS_PORT", "MLSERVER_METRICS_ENDPOINT"),
)
"""By which seldon-core-microservice and MLServer are told port and path."""
_SELDON_PATH = "/prometheus"
"""What Seldon's operator sets, of its orchestrator and of the models behind it."""
_SELDON_ENGINE_PORT, _SELDON_MODEL_PORT = 8000, 6000


def metrics_ports(
    workload: Workload, containers: tuple[Container, ...], added: tuple[Container, ...], serving: str
) -> tuple[MetricsPort, ...]:
    """Each once, in the containers' order; empty where the manifest tells nothing of them.

    Annotations are of the pod as a whole: the container is the one that declares the port, else the serving one.
    """
    is_seldon = workload.kind.kind == "SeldonDeployment"
    found = [*_annotated(workload, containers, serving)]
    for container in containers:
        found += _declared(container, _SELDON_PATH if is_seldon else _USUAL_PATH)
    if is_seldon:
        found += _set_by_operator(containers, added, {port.container for port in found})
    if not found:
        found += _usual(workload, serving)
    first: dict[int, MetricsPort] = {}
    for port in found:  # the containers of a pod share its ports
        first.setdefault(port.port, port)
    return tuple(first.values())


def _annotated(workload: Workload, containers: tuple[Container, ...], serving: str) -> Iterator[MetricsPort]:
    for place in workload.places():
        if place.injected or place.name != serving:
            continue
        notes: Mapping[str, Any] = mapping(workload.obj, workload.kind.pod_annotations(workload.obj, place.path))
        for prefix in _ANNOTATIONS:
            port = str(notes.get(f"{prefix}/port") or "")
            if port.isdigit():
                owners = (one.name for one in containers if int(port) in dict(one.ports).values())
                path = str(notes.get(f"{prefix}/path") or _USUAL_PATH)
                yield MetricsPort(container=next(owners, serving), port=int(port), path="/" + path.lstrip("/"))


def _set_by_operator(
    containers: tuple[Container, ...], added: tuple[Container, ...], declaring: Set[str]
) -> Iterator[MetricsPort]:
    """Of the orchestrator, and of the containers that declare none (`declaring` do): each gets the next number."""
    for one in added:
        if one.name == ENGINE:
            yield MetricsPort(container=one.name, port=_SELDON_ENGINE_PORT, path=_SELDON_PATH)
    for place, one in enumerate(container for container in containers if container.name not in declaring):
        yield MetricsPort(container=one.name, port=_SELDON_MODEL_PORT + place, path=_SELDON_PATH)


def _declared(container: Container, usual_path: str) -> Iterator[MetricsPort]:
    path = usual_path
    for port_name, path_name in _ENV:
        path = container.env.get(path_name) or path
        port = container.env.get(port_name, "")
        if port.isdigit():
            yield MetricsPort(container=container.name, port=int(port), path=path)
    for name, number in container.ports:
        if name in _NAMES:
            yield MetricsPort(container=container.name, port=number, path=path)


def _usual(workload: Workload, serving: str) -> Iterator[MetricsPort]:
    """Of a server that is known and tells its metrics on a port of its own."""
    for place in workload.places():
        if place.name == serving:
            found = recognise(mapping(workload.obj, place.path))
            if found.server is not None and found.server.metrics_path is not None:
                port = told(found, found.server.metrics) or found.server.metrics.usual
                if port is not None:
                    yield MetricsPort(container=serving, port=port, path=found.server.metrics_path)
