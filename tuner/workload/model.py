"""The nouns of a workload: what is sent, how it is reached, and what a correct answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tuner.errors import Where
from tuner.workload.shapes import Arrival, Rated, Trace

ProtocolName = Literal["seldon", "v2", "tensorflow", "http", "openai", "seldon-grpc", "v2-grpc", "grpc"]
GRPC_PROTOCOLS: tuple[ProtocolName, ...] = ("seldon-grpc", "v2-grpc", "grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSource:
    """A file holding a request body (and its share among several)."""

    path: Path
    weight: float = 1.0
    template: bool = False
    """The file holds placeholders that are drawn at random (`tuner.load.templates`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Where a bearer token is found: in an environment variable or in a file. It is read when load starts, and stands
    nowhere else. Just one of both is set."""

    env: str | None = None
    file: Path | None = None
    where: Where
    """Whose fault it is when it cannot be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSpec:
    """The servers speak TLS."""

    ca: Path | None = None
    """PEM file of the authorities to trust; None: the system's."""
    server_name: str | None = None
    """Name in the certificate, where it is not the host that is sent to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCheck:
    """What a JSON answer must hold at a path."""

    path: str
    """JSONPath (`tuner.workload.json_path`)."""
    equals: str | None = None
    """The value of all it selects, as JSON; None: any, but it must select something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """What a correct answer is, beyond what the protocol itself asks of it."""

    statuses: tuple[int, ...] = ()
    """Plain HTTP only; empty: any from 200 to 299."""
    paths: tuple[PathCheck, ...] = ()
    schema: Path | None = None
    """JSON schema of the answer."""
    ignore: tuple[str, ...] = ()
    """JSON paths of what may differ between right answers, beyond what the baseline's own answers show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """How a server is put under load.

    `rate_rps` None: derived once from the baseline, then fixed for the study. Of a shape that has rates of its own (or
    a trace) it is their mean.
    """

    protocol: ProtocolName
    requests: tuple[RequestSource, ...]
    rate_rps: float | None = None
    arrival: Arrival = "poisson"
    """How gaps are drawn; ``closed``: `connections` users, each waits for the answer before the next request."""
    cv: float = 1.0
    """Coefficient of variation of the gaps of ``gamma``."""
    think_s: float = 0.0
    """Closed loop: mean pause of a user between an answer and the next request, exponential."""
    shape: Rated | Trace | None = None
    """How the rate changes within the window at the common rate; None: it does not."""
    path: str | None = None
    """Request path; None: the protocol's usual one."""
    method: str = "POST"
    """Of HTTP; of the protocol grpc ``package.Service/Method``."""
    proto: str | None = None
    """Where the protocol grpc finds the method's definitions: a .proto file, a descriptor set, or the ``grpc://`` URL
    of a running server that offers reflection."""
    proto_where: Where | None = None
    port: str | int | None = None
    """The serving container's port that the load goes to, by name or number; None: the usual one of the protocol."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    model: str | None = None
    """Model name in the paths of the v2 and tensorflow protocols."""
    auth: Bearer | None = None
    tls: TlsSpec | None = None
    check: CheckSpec = CheckSpec()
    connections: int = 32
    """Most connections open at once, over all replicas."""
    timeout_s: float = 5.0
    """A request not answered within this time counts as an error."""
    warm_up_s: float = 1.0
    """Load applied and thrown away before the first measured window; the steady-state rule cuts further."""
    duration_s: float = 5.0
    """Length of the window at the common rate."""
    most_s: float | None = None
    """Measure on, up to this long in all, until the verdict is certain or the intervals are tight; None: do not."""
    within: float = 0.1
    """Half-width, as a share of the value, at which an interval is tight enough."""
    step_s: float = 2.0
    """Length of each window of the capacity search."""
    ready_timeout_s: float = 60.0
    seed: int = 0
    said: frozenset[str] = frozenset()
    """Which of `timeout_s`, `warm_up_s`, `duration_s`, `step_s` and `connections` the user named. The others are those of
    a server that answers at once, and follow from its first answers where they are slow (`tuner.measure.pace`)."""


PACED = ("timeout_s", "warm_up_s", "duration_s", "step_s", "connections")
"""Fields of a workload that follow from a server's answers unless they were said."""
