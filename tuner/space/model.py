"""The nouns of a search space. All are immutable; units stand in the field names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tuner.errors import Where
from tuner.space.metrics import Direction
from tuner.space.rules import Rule
from tuner.space.shapes import Arrival, Rated, Trace
from tuner.space.values import Value as Value

ProtocolName = Literal["seldon", "v2", "tensorflow", "http", "openai", "seldon-grpc", "v2-grpc", "grpc"]
GRPC_PROTOCOLS: tuple[ProtocolName, ...] = ("seldon-grpc", "v2-grpc", "grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntRange:
    """Whole numbers from `low` to `high`, both included, `step` apart; `log` samples evenly in the logarithm."""

    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatRange:
    """Numbers from `low` to `high`, both included; without `step` the range is continuous."""

    low: float
    high: float
    step: float | None = None
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """A list of values, at least one, all different."""

    values: tuple[Value, ...]


Domain = IntRange | FloatRange | Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A parameter exists only while the parameter named here has one of these values."""

    parameter: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One knob: what it may be and the addresses in the manifest it is written to."""

    name: str
    domain: Domain
    targets: tuple[str, ...]
    where: Where
    container: str | None = None
    """Container the targets belong to; None: the space's own, or the only one."""
    when: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    metric: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One bound of the SLO: `metric <= bound` or, for metrics where more is better, `metric >= bound`."""

    metric: str
    bound: float
    at_least: bool = False

    def excess(self, value: float) -> float:
        """How far `value` breaks the bound, relative to it: feasible at <= 0 (Optuna's sign)."""
        gap = self.bound - value if self.at_least else value - self.bound
        return gap / abs(self.bound) if self.bound else gap


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
    """JSONPath (`tuner.space.json_path`)."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """How a server is put under load.

    `rate_rps` None: derived once from the baseline, then fixed for the study. Of a shape that has rates of its own (or a
    trace) it is their mean.
    """

    protocol: ProtocolName
    requests: tuple[RequestSource, ...]
    rate_rps: float | None = None
    arrival: Arrival = "poisson"
    """How gaps are drawn; ``closed``: `connections` users, each of whom waits for the answer before the next request."""
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
    """Where the protocol grpc finds the method's definitions: a .proto file, a descriptor set, or the ``grpc://`` URL of a
    running server that offers reflection."""
    proto_where: Where | None = None
    port: str | int | None = None
    """The port of the serving container that the load goes to, by name or number; None: the usual one of the protocol."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When the search ends: whichever comes first. At least one is set."""

    trials: int | None = None
    time_s: float | None = None
    confirm: int = 1
    """Restarts of the baseline and of the chosen configuration, measured again after the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What resources are charged. The defaults are round figures of on-demand cloud prices, to be replaced."""

    core_hour: float = 0.03
    gib_hour: float = 0.004
    gpu_hour: float = 2.50
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """How the process backend runs what an image would: all paths are absolute."""

    image: str | None = None
    """The image it stands for; None: every container without an entry of its own."""
    command: tuple[str, ...] | None = None
    """Replaces the image's entry point; None: the container's own command is run."""
    requirements: Path | None = None
    """A requirements file whose virtual environment is made once, cached by its hash and put first on PATH."""
    folder: Path | None = None
    """Working folder; None: the search space's folder."""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the image itself would have set (ENV lines); the manifest's env wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSpec:
    images: tuple[LocalImage, ...] = ()
    overcommit: bool = False
    """Run configurations that request more CPU or memory than this machine has, and say so in the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    name: str
    file: Path
    manifest: Path
    parameters: tuple[Parameter, ...]
    workload: WorkloadSpec
    objectives: tuple[Objective, ...]
    container: str | None = None
    rules: tuple[Rule, ...] = ()
    slo: tuple[Constraint, ...] = ()
    budget: Budget = Budget(trials=20)
    prices: Prices = Prices()
    local: LocalSpec = LocalSpec()

    def parameter(self, name: str) -> Parameter:
        """Raises KeyError for a name that is not a parameter's."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One point of the search space. A parameter that does not exist here (its `when` fails) has no value."""

    values: Mapping[str, Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(sorted(self.values.items()))))

    @property
    def digest(self) -> str:
        """Twelve hex digits that name this configuration: equal values, equal digest."""
        text = json.dumps(dict(self.values), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
