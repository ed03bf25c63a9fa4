"""The pods that a rendered manifest describes, in the terms of those who run and measure them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tuner.errors import InputError, Mistake, Where
from tuner.manifests.kinds.model import Place, at, mapping, mappings
from tuner.manifests.knobs import text
from tuner.manifests.model import Container, PodSet, ReadinessProbe, Rendered
from tuner.manifests.servers.load_port import load_port
from tuner.manifests.servers.metrics_ports import metrics_ports
from tuner.manifests.workload import NoWorkload, Workload, find
from tuner.space.model import SearchSpace


def pods(space: SearchSpace, rendered: Rendered) -> PodSet:
    """The tuned workload's pods.

    The serving container is the search space's if it has a port, else the one with a port named http, with a readiness
    probe, or the first. Its port is the one named http, else the readiness probe's, the first, or its kind's usual one.
    Raises InputError where there is none.
    """
    where = Where(file=str(space.manifest))
    try:
        workload = find(space, rendered.objects)
    except NoWorkload as error:
        raise InputError([error.at(where)]) from error
    containers = tuple(_container(workload, place) for place in workload.places() if not place.injected)
    if not containers:
        message = f"{workload.kind.kind} {workload.name} has no container"
        raise InputError.at(space.manifest, message, "give it one, with an image")
    serving = _serving(space, containers)
    port = _port(serving) or workload.kind.default_port
    if port is None:
        message = f"container {serving.name} names no port"
        fix = "give it the port that answers HTTP requests: ports: [{name: http, containerPort: ...}]"
        raise InputError.at(space.manifest, message, fix)
    added = tuple(_container(workload, place) for place in workload.places() if place.injected)
    try:
        load = load_port(space.workload, serving, has_orchestrator=bool(added))
    except Mistake as error:
        raise InputError([error.at(where)]) from None
    return PodSet(
        kind=workload.kind.kind,
        name=workload.name,
        replicas=_replicas(workload),
        containers=containers,
        serving=serving.name,
        port=port,
        load=load if load != port else None,
        api_version=str(workload.obj.get("apiVersion")),
        added=added,
        metrics=metrics_ports(workload, containers, added, serving.name),
    )


def _replicas(workload: Workload) -> int:
    number = at(workload.obj, workload.kind.replicas(workload.obj)[0])
    return number if isinstance(number, int) and not isinstance(number, bool) else 1


def _serving(space: SearchSpace, containers: tuple[Container, ...]) -> Container:
    """A named container without a port is a sidecar that is tuned, and serves nothing."""
    named = [container for container in containers if container.name == space.container and _port(container)]
    ranked = sorted(containers, key=lambda c: ("http" not in dict(c.ports), c.probe is None, not c.ports))
    return (named or ranked)[0]


def _port(container: Container) -> int | None:
    ports = dict(container.ports)
    if "http" in ports:
        return ports["http"]
    if container.probe is not None:
        return container.probe.port
    return container.ports[0][1] if container.ports else None


def _container(workload: Workload, place: Place) -> Container:
    spec = mapping(workload.obj, place.path)
    env = [entry for _, entry in mappings(spec, ("env",))]
    ports = tuple(
        (str(port.get("name") or ""), port["containerPort"])
        for _, port in mappings(spec, ("ports",))
        if isinstance(port.get("containerPort"), int) and port.get("protocol", "TCP") == "TCP"
    )
    limits = _quantities(spec, "limits")
    return Container(
        name=place.name,
        image=str(spec.get("image") or ""),
        command=_words(spec, "command"),
        args=_words(spec, "args"),
        env=MappingProxyType({str(e.get("name")): text(e.get("value", "")) for e in env if not e.get("valueFrom")}),
        unresolved_env=tuple(str(e.get("name")) for e in env if e.get("valueFrom")) + _sources(spec),
        ports=ports,
        probe=_probe(spec, dict(ports)),
        requests=MappingProxyType({**limits, **_quantities(spec, "requests")}),
        limits=MappingProxyType(limits),
    )


def _words(spec: Mapping[str, Any], section: str) -> tuple[str, ...]:
    words = spec.get(section)
    return tuple(text(word) for word in words) if isinstance(words, list) else ()


def _sources(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """envFrom names no variables: the sources are named instead."""
    return tuple(
        f"{kind.removesuffix('Ref')}/{mapping(source, (kind,)).get('name')}"
        for _, source in mappings(spec, ("envFrom",))
        for kind in ("configMapRef", "secretRef")
        if source.get(kind)
    )


def _quantities(spec: Mapping[str, Any], section: str) -> dict[str, str]:
    return {name: str(amount) for name, amount in mapping(spec, ("resources", section)).items() if amount is not None}


def _probe(spec: Mapping[str, Any], ports: Mapping[str, int]) -> ReadinessProbe | None:
    probe = mapping(spec, ("readinessProbe",))
    for handler in ("httpGet", "tcpSocket", "grpc"):
        action = mapping(probe, (handler,))
        port = action.get("port")
        port = ports.get(port) if isinstance(port, str) else port
        if isinstance(port, int):
            path = str(action.get("path") or "/") if handler == "httpGet" else None
            period = probe.get("periodSeconds")
            return ReadinessProbe(
                http_path=path,
                port=port,
                tls=action.get("scheme") == "HTTPS",
                **({"period_s": float(period)} if period else {}),
            )
    return None
