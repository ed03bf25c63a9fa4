"""Where a trial's pods answer: at their own addresses where this machine can reach those, else through a detour.

One URL a replica is what makes the load spread evenly: a Service picks a pod for each connection by chance, and a
keep-alive connection stays with the one it got.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.manifests.kinds.model import at, mapping, mappings
from tuner.manifests.model import MetricsPort

Object = Mapping[str, Any]

_TRIED_FOR_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    urls: tuple[str, ...]
    said: tuple[str, ...] = ()
    """How they differ from the pods' own addresses, in words."""
    load_from: str = "this machine"
    """Where the load for these addresses comes from, in words."""


def pod_urls(pods: Sequence[Object], port: int) -> tuple[str, ...]:
    """One a pod, in their order; empty until all of them have an address."""
    addresses = [at(pod, ("status", "podIP")) for pod in pods]
    return tuple(f"http://{_host(str(ip))}:{port}" for ip in addresses) if all(addresses) else ()


def metrics_urls(pods: Sequence[Object], told: Sequence[MetricsPort]) -> tuple[str, ...]:
    """Where the pods tell their metrics: port by port, one a pod; empty until all of them have an address."""
    return tuple(f"{url}{one.path}" for one in told for url in pod_urls(pods, one.port))


def target_port(service: Object | None, number: int, pod: Object | None) -> int | None:
    """The pods' port behind a Service's; None: the Service has no such port."""
    for _, port in mappings(service, ("spec", "ports")):
        if port.get("port") == number:
            target = port.get("targetPort", number)
            return target if isinstance(target, int) else _named_port(pod, str(target))
    return None


def routable(address: str, port: int) -> bool:
    """Whether packets get there: an answer, also a refusal, comes back in time."""
    try:
        socket.create_connection((address, port), timeout=_TRIED_FOR_S).close()
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return True


def through_service(service: Object | None, nodes: Sequence[Object]) -> Iterator[tuple[str, int, str]]:
    """(address, port, what it is) to try, the shortest way first."""
    spec = mapping(service, ("spec",))
    name = at(service, ("metadata", "name"))
    for _, port in mappings(spec, ("ports",)):
        if spec.get("clusterIP") not in (None, "", "None"):
            yield str(spec["clusterIP"]), int(port["port"]), f"the cluster address of Service {name}"
        for _, entry in mappings(service, ("status", "loadBalancer", "ingress")):
            where = entry.get("ip") or entry.get("hostname")
            if where:
                yield str(where), int(port["port"]), f"the load balancer of Service {name}"
        if port.get("nodePort"):
            for node in nodes:
                for _, address in mappings(node, ("status", "addresses")):
                    if address.get("type") in ("InternalIP", "ExternalIP"):
                        yield str(address["address"]), int(port["nodePort"]), f"a node port of Service {name}"


def detour(address: str, port: int, what: str) -> Addresses:
    said = (
        f"the pods' own addresses cannot be reached from here: load goes through {what}, which gives each connection "
        "to a pod by chance, so that replicas may get uneven shares; run the load inside the cluster to measure "
        "several replicas"
    )
    return Addresses(urls=(f"http://{_host(address)}:{port}",), said=(said,))


def forwarded(urls: tuple[str, ...]) -> Addresses:
    said = (
        "nothing of the cluster's network can be reached from here: load goes through port-forwards of the API server, "
        "which distort: they add latency and bound the throughput; run the load inside the cluster for numbers to rely "
        "on"
    )
    return Addresses(urls=urls, said=(said,))


def _named_port(pod: Object | None, name: str) -> int | None:
    for _, container in mappings(pod, ("spec", "containers")):
        for _, port in mappings(container, ("ports",)):
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
