"""The nouns of a manifest: the text as the user wrote it, and what the workload in it serves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tuner.space.model import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A base manifest: one or several YAML documents, comments and order kept in `text`."""

    file: Path
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A manifest with one configuration written into it: exactly what is deployed, measured and exported."""

    text: str
    objects: tuple[Mapping[str, Any], ...]
    """The documents of `text` as plain dicts and lists (YAML 1.2 types), in order."""
    configuration: Configuration | None = field(default=None, compare=False, repr=False)
    """What was written into it; None: nobody says."""

    @property
    def digest(self) -> str:
        """Twelve hex digits of the text's SHA-256: equal digest, the very same deployment."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessProbe:
    """A readiness probe. `http_path` None: a TCP connect is the probe."""

    http_path: str | None
    port: int
    period_s: float = 1.0
    tls: bool = False
    """HTTP over TLS, whose certificate is not verified: the kubelet does not either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a workload runs, in plain values. Resources as the manifest spells them (``500m``, ``256Mi``)."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Literal values only; `unresolved_env` names those that come from secrets, config maps or fields."""
    unresolved_env: tuple[str, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    """(name, number) in the manifest's order; the name may be empty."""
    probe: ReadinessProbe | None = None
    requests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Effective requests: a resource with a limit and no request requests its limit, as Kubernetes does."""
    limits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPort:
    """Where a container tells its metrics, as Prometheus text over HTTP."""

    container: str
    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSet:
    """The served workload of a rendered manifest: `replicas` pods, each with these containers."""

    kind: str
    name: str
    replicas: int
    containers: tuple[Container, ...]
    serving: str
    """Name of the container that answers requests."""
    port: int
    """Port on which it answers HTTP requests."""
    load: int | None = None
    """Port that the load goes to, where that is another."""
    api_version: str = "apps/v1"
    added: tuple[Container, ...] = ()
    """Containers that an operator adds to each pod, as far as the manifest speaks of them: they have no image here."""
    beside: tuple[Container, ...] = ()
    """Containers of further pods that belong to each of these and answer no requests; one entry a container."""
    metrics: tuple[MetricsPort, ...] = ()
    """Where its containers tell their own metrics, as far as the manifest says; empty: it does not."""
    component: str | None = None
    """The part of the workload that these pods are of, where each part has pods of its own; None: the whole."""
    configuration: Configuration | None = field(default=None, compare=False, repr=False)
    """What the manifest was rendered from; None: nobody says."""

    @property
    def load_port(self) -> int:
        return self.port if self.load is None else self.load

    def container(self, name: str) -> Container:
        """Raises KeyError for a name that is not a container's."""
        for container in self.containers:
            if container.name == name:
                return container
        raise KeyError(name)
