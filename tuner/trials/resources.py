"""What a workload requests of the machines it runs on, over all containers and replicas: what is paid for."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.manifests.model import PodSet
from tuner.units import quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    cores: float
    memory_bytes: float
    gpus: float
    warnings: tuple[str, ...]


def requested(pods: PodSet) -> Requested:
    """Sums of the effective requests. A container without requests is warned of: it costs nothing here."""
    cores = memory_bytes = gpus = 0.0
    warnings: list[str] = []
    for container in (*pods.containers, *pods.added, *pods.beside):
        for resource, text in container.requests.items():
            amount = float(quantity(text))
            if resource == "cpu":
                cores += amount
            elif resource == "memory":
                memory_bytes += amount
            elif resource.endswith("/gpu"):
                gpus += amount
        missing = [resource for resource in ("cpu", "memory") if resource not in container.requests]
        if missing:
            warnings.append(
                f"container {container.name} requests no {' and no '.join(missing)}: its cost leaves it out"
            )
    return Requested(
        cores=cores * pods.replicas,
        memory_bytes=memory_bytes * pods.replicas,
        gpus=gpus * pods.replicas,
        warnings=tuple(dict.fromkeys(warnings)),
    )
