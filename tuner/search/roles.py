"""What a parameter is to a server, by where it is written and what it is called."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.search.scale import Scale, scale_of
from tuner.space.model import Choices, Parameter
from tuner.space.values import Value

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMPUTING = frozenset({"omp", "mkl", "openblas", "blas", "intra", "inter", "netty", "grpc", "max", "rust"})
"""Threads or workers of something else than the requests' own processes: they are no factor of the concurrency."""
_MEANT: Mapping[str, frozenset[str]] = {
    "workers": frozenset({"workers", "worker", "processes", "procs", "w"}),
    "threads": frozenset({"threads", "thread"}),
    "replicas": frozenset({"replicas", "replica", "pods"}),
    "cpu": frozenset({"cpu", "cpus", "cores"}),
    "memory": frozenset({"memory", "mem", "ram"}),
}


@dataclass(frozen=True, slots=True)
class Role:
    """A parameter that is a positive number (or 0, which counts as 1: the server's own process), in the logarithm."""

    parameter: str
    scale: Scale
    low: float
    high: float
    counts: bool
    """It counts processes, threads or pods, of which there is at least one."""
    known: dict[tuple[type, Value], float] = field(default_factory=dict, compare=False, repr=False, hash=False)

    def logarithm(self, value: Value | None) -> float:
        """Where it does not exist, or is no such number: one of them, or the middle of the domain."""
        if value is None:
            return 0.0 if self.counts else (self.low + self.high) / 2
        key = (value.__class__, value)
        known = self.known.get(key)
        if known is None:
            number = self.scale.number(value)
            if number is None or (number <= 0 and not self.counts):
                known = self.logarithm(None)
            else:
                known = math.log(max(number, 1.0)) if self.counts else math.log(number)
            self.known[key] = known
        return known


def roles(parameters: Sequence[Parameter]) -> Mapping[str, Role]:
    """By role (``workers``, ``threads``, ``replicas``, ``cpu``, ``memory``), the parameter that has it.

    Where several could have it, the first: limits before requests, what the manifest's address says before the name.
    """
    found: dict[str, tuple[int, Role]] = {}
    for parameter in parameters:
        for rank, name in _meant(parameter):
            role = _role(parameter, counts=name in ("workers", "threads", "replicas"))
            if role is not None and (name not in found or rank < found[name][0]):
                found[name] = (rank, role)
    return {name: role for name, (_, role) in found.items()}


def inside(parameter: Parameter) -> bool:
    """Whether only the server itself sees it: variables and arguments of a container."""
    return all(target.startswith(("env/", "args/")) for target in parameter.targets)


def sizes(parameter: Parameter) -> bool:
    """Whether it only says how much is asked of the machines: more of it is never less."""
    return bool(parameter.targets) and all(
        target == "replicas" or target.startswith(("limits/", "requests/")) for target in parameter.targets
    )


def _meant(parameter: Parameter) -> Iterator[tuple[int, str]]:
    """The roles it may have, each with a rank, best first."""
    for target in parameter.targets:
        form, _, rest = target.partition("/")
        if target == "replicas":
            yield 0, "replicas"
        elif form in ("limits", "requests"):
            if rest in ("cpu", "memory"):
                yield (0 if form == "limits" else 1), rest
        elif form == "path:":
            tokens = rest.split("/")
            if tokens[-1] in ("cpu", "memory"):
                yield (0 if "limits" in tokens else 1), tokens[-1]
            elif tokens[-1] in ("replicas", "minReplicas"):
                yield 1, "replicas"
        elif form in ("env", "args"):
            if rest == "WEB_CONCURRENCY":
                yield 2, "workers"
            else:
                yield from ((2, role) for role in _by_words(rest) if role in ("workers", "threads"))
    yield from ((3, role) for role in _by_words(parameter.name))


def _by_words(text: str) -> Iterator[str]:
    words = {word.lower() for word in _TOKEN.findall(text)}
    if words & _COMPUTING:
        return
    yield from (role for role, names in _MEANT.items() if words & names)


def _role(parameter: Parameter, *, counts: bool) -> Role | None:
    scale = scale_of(parameter.domain)
    if scale is None or scale.low < 0:
        return None
    choices = parameter.domain.values if isinstance(parameter.domain, Choices) else ()
    if any(scale.number(value) is None for value in choices) or (scale.low == 0 and not counts):
        return None
    low, high = (math.log(max(end, 1.0) if counts else end) for end in (scale.low, scale.high))
    return Role(parameter.name, scale, low, high, counts)
