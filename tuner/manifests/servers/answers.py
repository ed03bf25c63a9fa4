"""Where and as what the server in a container answers: its ports, its model's name, its health path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from tuner.manifests.kinds.model import at, mappings
from tuner.manifests.servers import flags
from tuner.manifests.servers.model import NOWHERE, Port
from tuner.manifests.servers.recognition import Recognised

Use = Literal["http", "grpc", "other"]
Named = tuple[str, int]
"""All that names a port, in one text (it may be empty), and its number."""

_NAMES: tuple[tuple[Use, re.Pattern[str]], ...] = (
    ("other", re.compile(r"metric|prom(?!pt)|monitor|admin|manage", re.IGNORECASE)),
    ("grpc", re.compile(r"grpc|h2c", re.IGNORECASE)),
    ("http", re.compile(r"http|rest|web|api|\bserve\b", re.IGNORECASE)),
)
_ANY = Port(usual=None, flags=("--port", "--http-port", "--bind", "--listen"), variables=("PORT", "HTTP_PORT"))
"""How servers that are not known are often told their port."""
_USUAL_GRPC = 50051
"""What nearly every example of gRPC listens on."""
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def http_port(
    spec: Mapping[str, Any], found: Recognised, *, targets: Sequence[Named] = (), usual: int | None = None
) -> int | None:
    """Where the container answers HTTP requests; None: nothing tells.

    `targets` are the ports of this container that Services send to. They count first; then what the server is told,
    the probes, the container's ports, `usual` (of its kind of workload), and what the server does by itself.
    """
    return _Ports(spec, found, targets).find("http", usual)


def grpc_port(
    spec: Mapping[str, Any], found: Recognised, *, targets: Sequence[Named] = (), usual: int | None = None
) -> int | None:
    """As `http_port`, of gRPC calls: only a port of which something says that it is one of gRPC."""
    return _Ports(spec, found, targets).find("grpc", usual)


def declared(spec: Mapping[str, Any]) -> tuple[Named, ...]:
    """The container's ports of TCP, in its order."""
    return tuple(
        (str(port.get("name") or ""), port["containerPort"])
        for _, port in mappings(spec, ("ports",))
        if _is_port(port.get("containerPort")) and port.get("protocol", "TCP") == "TCP"
    )


def is_grpc_alone(spec: Mapping[str, Any]) -> bool:
    """Whether all the ports that the container has are named as those of gRPC: operators then send nothing else."""
    return bool(ports := declared(spec)) and all(_named(name) == "grpc" for name, _ in ports)


def targets_in(
    spec: Mapping[str, Any], services: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]] = ()
) -> tuple[Named, ...]:
    """The ports of the container that `services` (whole objects that select its pod) send to, in their order.

    A targetPort that is a name is one of the container's own; one that only `others` of its pod declare is not.
    """
    own = declared(spec)
    theirs = {number for other in others for _, number in declared(other)} - {number for _, number in own}
    found = (target for service in services for target in _targets(service, own))
    return tuple(dict.fromkeys(target for target in found if target[1] not in theirs))


def model_name(found: Recognised) -> str | None:
    """What requests have to call the model; None: nothing tells."""
    if found.server is None:
        return None
    named = found.server.model
    told = [flags.value(found.words, (flag,)) for flag in named.flags]
    if named.positional:
        told.append(_positional(found.words))
    told += [found.launch.env.get(name) for name in named.variables]
    names = (text.partition("=")[0].strip() for text in told if text and "$" not in text)
    return next((name for name in names if name), named.usual)


def _positional(words: Sequence[str]) -> str | None:
    """The first word, or the first after a flag's value: what follows a flag may be its value."""
    if words and not words[0].startswith("-"):
        return words[0]
    apart = (after for word, after in pairwise(words) if "=" in word or not word.startswith("-"))
    return next((word for word in apart if not word.startswith("-")), None)


def health_path(found: Recognised, *, model: str | None = None) -> str | None:
    """The path that answers 200 once the model can be asked; None: the server has none, or is not known."""
    path = found.server.health if found.server else None
    if path is None or "MODEL" not in path:
        return path
    name = model or model_name(found)
    return path.replace("MODEL", name) if name else None


def told(found: Recognised, port: Port) -> int | None:
    """The number that the server is told by its flags or variables; None: it is told none."""
    given = [flags.value(found.words, (flag,)) for flag in port.flags]
    given += [found.launch.env.get(name) for name in port.variables]
    return next((number for text in given if (number := _number(text)) is not None), None)


class _Ports:
    """What is known of the ports of one container."""

    def __init__(self, spec: Mapping[str, Any], found: Recognised, targets: Sequence[Named]) -> None:
        server = found.server
        self.ways: dict[Use, Port] = {
            "http": server.http if server else NOWHERE,
            "grpc": server.grpc if server else NOWHERE,
            "other": server.metrics if server else NOWHERE,
        }
        self.told = {use: told(found, port) for use, port in self.ways.items()}
        self.declared = declared(spec)
        self.spec, self.found, self.targets = spec, found, targets
        asked = (at(spec, (probe, "grpc", "port")) for probe in _PROBES)
        self.likely_grpc = {_USUAL_GRPC, *(port for port in asked if _is_port(port))}

    def find(self, use: Use, usual: int | None) -> int | None:
        for source in self._sources(use, usual):
            ports = [(self._use(name, number), number) for name, number in source]
            wanted = [number for what, number in ports if what == use]
            unnamed = [number for what, number in ports if what is None and use == "http"]
            if wanted or unnamed:
                return (wanted or sorted(unnamed, key=self._unlikely))[0]
        return None

    def _unlikely(self, number: int) -> tuple[bool, bool]:
        """Of ports of which nothing says what they are for: the less, the likelier one of HTTP."""
        return number != told(self.found, _ANY), number in self.likely_grpc

    def _sources(self, use: Use, usual: int | None) -> Iterator[Sequence[Named]]:
        is_told, own = self.told[use], {number for _, number in self.declared}
        yield [target for target in self.targets if is_told is None or target[1] == is_told or target[1] in own]
        if is_told is not None:
            yield [(use, is_told)]
        yield list(self._probed())
        yield self.declared
        by_itself = [usual, self.ways[use].usual]
        if use == "http":
            by_itself.append(told(self.found, _ANY))
        yield [(use, number) for number in by_itself if number is not None]

    def _use(self, name: str, number: int) -> Use | None:
        """What a port is for: by what the server is told, by its name, by the server's usual ports."""
        uses: tuple[Use, ...] = ("http", "grpc", "other")
        is_told = next((use for use in uses if self.told[use] == number), None)
        usual = next((use for use in uses if self.told[use] is None and self.ways[use].usual == number), None)
        return is_told or _named(name) or usual

    def _probed(self) -> Iterator[Named]:
        own = dict(self.declared)
        for probe in _PROBES:
            for handler, name in (("httpGet", "http"), ("grpc", "grpc"), ("tcpSocket", "")):
                port = at(self.spec, (probe, handler, "port"))
                if isinstance(port, str) and port in own:
                    yield (port if self._use(port, own[port]) else name), own[port]
                elif _is_port(port):
                    names = [other for other, number in self.declared if number == port and other]
                    yield (names[0] if names and self._use(names[0], port) else name), port


def _named(name: str) -> Use | None:
    return next((use for use, pattern in _NAMES if pattern.search(name)), None)


def _targets(service: Mapping[str, Any], own: Sequence[Named]) -> Iterator[Named]:
    for _, port in mappings(service, ("spec", "ports")):
        target = port.get("targetPort") or port.get("port")
        by_name = isinstance(target, str) and not target.isdecimal()
        number = dict(own).get(str(target)) if by_name else _number(str(target))
        if number is not None and port.get("protocol", "TCP") == "TCP":
            names = [name for name, other in own if other == number]
            words = (port.get("name"), port.get("appProtocol"), target, *names)
            yield " ".join(word for word in words if isinstance(word, str)), number


def _number(text: str | None) -> int | None:
    """Of ``8000``, ``:8000``, ``0.0.0.0:8000`` and ``http://0.0.0.0:8000/``."""
    match = re.fullmatch(r"(?:.*:)?(?P<port>[0-9]{1,5})/?", text.strip()) if text else None
    number = int(match["port"]) if match else 0
    return number if _is_port(number) else None


def _is_port(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1 << 16
