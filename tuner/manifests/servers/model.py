"""The nouns of what is known of model servers.

A server is data: how it is recognised, where it answers, and which knobs are worth a try. Each family has a module of
its own beside this one; `known` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tuner.space.model import Domain
from tuner.space.values import Value
from tuner.workload.model import ProtocolName


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a container asks for, limits before requests. Absent: it does not say."""

    cores: float | None = None
    memory_bytes: float | None = None
    gpus: int = 0
    """Whole devices of any maker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKnob:
    """`targets`: the addresses it can be set on, the usual one first; one of them is proposed."""

    name: str
    targets: tuple[str, ...]
    domain: Domain | Callable[[Hardware], Domain]
    """What is worth a try: the same everywhere, or as the hardware allows."""
    meaning: str
    proposed: bool = True
    """False: written as a comment, since it helps only under a condition that `meaning` states."""
    gpu: bool | None = None
    """True: of use only where there is a GPU, False: only where there is none."""
    needs: tuple[str, ...] = ()
    """Of use only where one of these flags (``--flag``, ``--flag=value``) or variables (``NAME``) is there."""
    unless: tuple[str, ...] = ()
    """Of no use where one of these is there, spelled as in `needs`."""
    when: tuple[str, tuple[Value, ...]] | None = None
    """Of use only while another knob of this server has one of these values."""

    def over(self, hardware: Hardware) -> Domain:
        return self.domain(hardware) if callable(self.domain) else self.domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Where a server listens."""

    usual: int | None
    """Unless it is told otherwise; None: nowhere."""
    flags: tuple[str, ...] = ()
    """By which it is told; the value is a number or ``host:number``."""
    variables: tuple[str, ...] = ()
    """Environment variables that tell it, below its flags."""


NOWHERE = Port(usual=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """Where the name of the model stands that requests have to give."""

    flags: tuple[str, ...] = ()
    """In the order in which they count."""
    variables: tuple[str, ...] = ()
    positional: bool = False
    """The first word after the program may be the model, as in ``vllm serve MODEL``."""
    usual: str | None = None
    """What it is called when nothing says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server is recognised by what its container starts (`programs`), by the image's name (`images`), by what an
    operator is told to start (`known_as`), or by a variable that nothing else reads (`variables`)."""

    name: str
    source: str
    """The documentation that all of this was read in."""
    protocol: ProtocolName
    http: Port
    knobs: tuple[ServerKnob, ...] = ()
    programs: tuple[str, ...] = ()
    """First words of its command line, folders left out, a Python module by its name: ``vllm serve``, ``mypkg.serve``.
    A ``*`` stands for any letters."""
    images: tuple[str, ...] = ()
    """Last parts of the image's repository, with ``*`` for any letters: ``tritonserver``, ``tensorflow/serving*``."""
    known_as: tuple[str, ...] = ()
    """What Seldon calls its implementation, or KServe its runtime or the model's format."""
    variables: tuple[str, ...] = ()
    """Names of environment variables that nothing but this server reads, with ``*`` for any letters."""
    grpc: Port = NOWHERE
    metrics: Port = NOWHERE
    """Where it tells its metrics, if that is not where it serves."""
    metrics_path: str | None = "/metrics"
    """None: it tells none."""
    health: str | None = None
    """Path that answers 200 once the model can be asked; ``MODEL`` stands for its name. None: it has no such path."""
    path: str | None = None
    """Path of a request where the protocol has no usual one; ``MODEL`` as in `health`."""
    model: ModelName = ModelName()
    more_flags: tuple[str, ...] = ()
    """Environment variables that hold further flags."""
    takes_args: bool = False
    """The image's entry point takes arguments: they may be given where the manifest has none."""
    latency_p99: str = "100ms"
    timeout: str | None = None
    request: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """A request body, ``MODEL`` for the model's name; empty: the protocol's usual one."""
