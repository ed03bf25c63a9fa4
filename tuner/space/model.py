"""The nouns of a search space. All are immutable; units stand in the field names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from tuner.errors import Where
from tuner.space.metrics import Direction
from tuner.space.rules import Rule
from tuner.space.values import Value
from tuner.workload.model import WorkloadSpec


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
class Known:
    """A configuration the user knows, tried before any other. What it leaves open is as in the manifest."""

    values: Mapping[str, Value]
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    metric: str
    direction: Direction

    @property
    def sign(self) -> float:
        """What makes of its values something to minimise."""
        return -1.0 if self.direction == "maximize" else 1.0


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


def decisive(objectives: Sequence[Objective], slo: Sequence[Constraint]) -> tuple[str, ...]:
    """The metrics that are aimed at or bounded, each once."""
    return tuple(dict.fromkeys([*(one.metric for one in objectives), *(one.metric for one in slo)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When the search ends: whichever comes first. At least one of trials, time and cost is set."""

    trials: int | None = None
    time_s: float | None = None
    confirm: int = 3
    """Fresh starts of what is chosen, and of the baseline beside it, after the search; the race for the first place has
    up to four times as many in all. 0: there is none."""
    cost: float | None = field(default=None, metadata={"sparse": True})
    """In the currency of the prices: what the trials request, times how long they take, those of the race among them."""
    gain: float | None = field(default=None, metadata={"sparse": True})
    """The search ends where ten more trials would bring less than this share of the best, even with luck."""

    @property
    def usual_restarts(self) -> int:
        """How many starts the race after the search usually has, those of the baseline among them."""
        return 3 * self.confirm


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
class LoadPodSpec:
    """The pod of the load generator inside a cluster, as Kubernetes spells it."""

    image: str | None = None
    """None: this version's."""
    image_pull_secrets: tuple[str, ...] = ()
    image_pull_policy: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tolerations: tuple[Mapping[str, Any], ...] = ()
    service_account: str | None = None
    priority_class: str | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cpu: str = "1"
    """A quantity, for each engine process."""
    memory: str = "512Mi"
    """A quantity, for each engine process: samples of a million requests take 50 MB, twice while they are sent."""


Admission = Literal["accept", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """How a study behaves in a cluster that others share."""

    admission: Admission = "accept"
    """What becomes of pods that admission changed other than in a knob: measured, and what was changed recorded, or
    refused."""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of every object that the tuner makes for itself."""
    load_generator: LoadPodSpec = LoadPodSpec()
    node_selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Labels of the nodes that trials run on, beside what the manifest asks for; not exported."""
    lease_namespace: str | None = None
    """Where the leases on nodes are, for studies in several namespaces; None: the trials' own."""
    apart: bool = False
    """Of trials beside each other no two have pods on one node; else they may, while one of them is measured and the
    others are only about to start."""


Disturbed = Literal["remeasure", "accept"]
"""``accept``: nobody looks whether the machine is quiet, no window is measured again, and no reference is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    name: str
    file: Path
    manifest: Path
    parameters: tuple[Parameter, ...]
    workload: WorkloadSpec
    objectives: tuple[Objective, ...]
    tuned: str | None = None
    """``KIND/NAME`` of the manifest's workload, with ``/COMPONENT`` where it has several; None: the only one."""
    container: str | None = None
    rules: tuple[Rule, ...] = ()
    known: tuple[Known, ...] = ()
    slo: tuple[Constraint, ...] = ()
    budget: Budget = Budget(trials=20)
    prices: Prices = Prices()
    local: LocalSpec = LocalSpec()
    cluster: ClusterSpec = ClusterSpec()
    disturbed: Disturbed = "remeasure"
    """What becomes of windows that were measured while the machine was not quiet."""
    home: Path | None = None
    """Of a study's copy, the folder that it was in."""

    @property
    def folder(self) -> Path:
        """Where its programs are."""
        return self.file.parent if self.home is None else self.home

    def parameter(self, name: str) -> Parameter:
        """Raises KeyError for a name that is not a parameter's."""
        return {parameter.name: parameter for parameter in self.parameters}[name]


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
