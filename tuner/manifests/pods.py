"""The pods that a rendered manifest describes, in the terms of those who run and measure them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tuner.errors import InputError, Mistake, Where
from tuner.manifests.kinds.model import Place, count, mapping, mappings
from tuner.manifests.knobs import text
from tuner.manifests.model import Container, PodSet, ReadinessProbe, Rendered
from tuner.manifests.servers.answers import declared, grpc_port, http_port, targets_in
from tuner.manifests.servers.config_maps import with_config_maps
from tuner.manifests.servers.load_port import load_port
from tuner.manifests.servers.metrics_ports import metrics_ports
from tuner.manifests.servers.recognition import recognise
from tuner.manifests.servers.serving_runtimes import with_runtime
from tuner.manifests.services import selecting
from tuner.manifests.workload import NoWorkload, Workload, find
from tuner.space.model import SearchSpace


def pods(space: SearchSpace, rendered: Rendered) -> PodSet:
    """The tuned workload's pods.

    The serving container is the search space's if it has a port, else the one that a Service sends to, that runs a
    known server, that has a port named http, a readiness probe, or the first. Raises InputError where none has a port.
    """
    where = Where(file=str(space.manifest))
    try:
        workload = find(space, rendered.objects)
    except NoWorkload as error:
        raise InputError([error.at(where)]) from error
    answering = tuple(
        _answering(workload, place, rendered.objects) for place in workload.places() if not place.injected
    )
    if not answering:
        message = f"{workload.kind.kind} {workload.name} has no container"
        raise InputError.at(space.manifest, message, "give it one, with an image")
    serving = _serving(space, answering)
    containers = tuple(one.container for one in answering)
    added = tuple(_container(workload, place) for place in workload.places() if place.injected)
    try:
        grpc = _operators_grpc_port(workload, rendered.objects) or serving.grpc
        load = load_port(space.workload, serving.container, grpc=grpc, has_orchestrator=bool(added))
    except Mistake as error:
        raise InputError([error.at(where)]) from None
    port = serving.http if serving.http is not None else load
    if port is None:
        message = f"nothing tells on which port container {serving.container.name} answers"
        fix = "name it: ports: [{name: http, containerPort: ...}], or write workload.port: NUMBER"
        raise InputError.at(space.manifest, message, fix)
    return PodSet(
        kind=workload.kind.kind,
        name=workload.name,
        replicas=_replicas(workload),
        containers=containers,
        serving=serving.container.name,
        port=port,
        load=load if load != port else None,
        api_version=str(workload.obj.get("apiVersion")),
        added=added,
        beside=tuple(_container(workload, place) for place in workload.kind.beside(workload.obj)),
        metrics=metrics_ports(workload, containers, added, serving.container.name),
        component=workload.component,
        configuration=rendered.configuration,
    )


def _operators_grpc_port(workload: Workload, objects: Sequence[Mapping[str, Any]]) -> int | None:
    """At which an operator makes a server answer, whatever is usual for it; None: there is none, or it leaves that alone."""
    service = workload.kind.service(workload.obj, objects)
    return service.grpc_port if service is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answering:
    """A container and where it answers, as far as the manifest and what is known of its server tell."""

    container: Container
    http: int | None
    grpc: int | None
    targeted: bool
    """A Service sends to one of its ports."""
    known: bool
    """It runs a server that is known."""


def _answering(workload: Workload, place: Place, objects: Sequence[Mapping[str, Any]]) -> _Answering:
    spec = with_runtime(workload.kind.container(workload.obj, place), objects, workload.name)
    others = [
        workload.kind.container(workload.obj, other)
        for other in workload.places()
        if not other.injected and other.path != place.path and other.path[:-1] == place.path[:-1]
    ]
    targets = targets_in(spec, selecting(workload, place, objects), others)
    found = recognise(with_config_maps(spec, objects), known_as=workload.kind.server(workload.obj, place))
    own = {number for _, number in declared(spec)}
    return _Answering(
        container=_container(workload, place),
        http=http_port(spec, found, targets=targets, usual=workload.kind.default_port),
        grpc=grpc_port(spec, found, targets=targets),
        targeted=any(number in own for _, number in targets),
        known=found.server is not None,
    )


def _replicas(workload: Workload) -> int:
    number = count(workload.kind, workload.obj)
    return 1 if number is None else number


def _serving(space: SearchSpace, answering: tuple[_Answering, ...]) -> _Answering:
    """A named container without a port is a sidecar that is tuned, and serves nothing."""
    named = [one for one in answering if one.container.name == space.container and (one.http or one.grpc)]
    ranked = sorted(
        answering,
        key=lambda one: (
            not one.targeted,
            not one.known,
            "http" not in dict(one.container.ports),
            one.container.probe is None,
            not one.container.ports,
        ),
    )
    return (named or ranked)[0]


def _container(workload: Workload, place: Place) -> Container:
    spec = mapping(workload.obj, place.path)
    env = [entry for _, entry in mappings(spec, ("env",))]
    ports = declared(spec)
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
            is_time = isinstance(period, int | float) and period > 0
            return ReadinessProbe(
                http_path=path,
                port=port,
                tls=action.get("scheme") == "HTTPS",
                **({"period_s": float(period)} if period and is_time else {}),
            )
    return None
