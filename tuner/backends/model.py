"""The seam between a trial and the place it runs: `Backend` deploys, `Running` is what was deployed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tuner.errors import Problem
from tuner.manifests.model import PodSet, Rendered
from tuner.measure.conditions import Conditions
from tuner.measure.model import NodeUsed, Usage
from tuner.space.model import Configuration
from tuner.statistics.model import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the replicas answer: one base URL each, without a trailing slash."""

    urls: tuple[str, ...]
    load_from: str = "this machine"
    """Where the load for these addresses has to come from, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of a place is this process's, where `number` of one study run trials beside each other."""

    index: int | None = None
    """From 0; None: none, for it runs no trials: it decides what the others run."""
    number: int = 1

    @property
    def is_whole(self) -> bool:
        return self.number == 1


WHOLE = Part()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is asked of a backend: the manifest, and the pods it describes."""

    study: str
    trial: int
    rendered: Rendered
    pods: PodSet
    study_name: str = ""
    """As people call the study; empty: it has no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value of the running pods that is not what was asked for."""

    what: str
    asked: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """One configuration as it would be deployed; `what` names it in a sentence (``the smallest configuration``)."""

    what: str
    configuration: Configuration
    rendered: Rendered
    pods: PodSet


class UsageMeter(Protocol):
    """Started by `Running.meter()`; `stop` gives the usage since then."""

    def stop(self) -> Usage: ...


class Running(Protocol):
    """A deployed configuration."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers. Where addresses are given out late it waits for them, and raises as `wait_ready` does."""
        ...

    @property
    def not_enforced(self) -> tuple[str, ...]:
        """What of the configuration could not be enforced here, in words; complete when the measurement ends."""
        ...

    def wait_ready(self, deadline_s: float) -> float:
        """Wait until every replica is ready; returns the seconds that took, from when it had what it needs to start
        (on a cluster: a node, volumes, images).

        Raises TrialFailure (kinds `NotReady`, `Crashed`, `OOMKilled`, `Unschedulable`, ...) as soon as it is certain.
        """
        ...

    def differences(self) -> tuple[Difference, ...]:
        """Read the configuration back from what really runs; empty when it is what was asked for."""
        ...

    def check_alive(self) -> None:
        """Raises TrialFailure when a replica died or restarted since it was ready."""
        ...

    def meter(self) -> UsageMeter: ...

    def logs(self, tail: int) -> str:
        """The last `tail` lines of all replicas' output."""
        ...


class ConditionsMeter(Protocol):
    """Started by `TellsConditions.watch_conditions()`; `stop` tells how it was since then."""

    def stop(self) -> Conditions:
        """Of all but the best probe, which only the study knows. Nothing of it runs on."""
        ...


@runtime_checkable
class TellsConditions(Protocol):
    """A `Running` that can tell how quiet the machine of its servers is."""

    def watch_conditions(self) -> ConditionsMeter:
        """Watches and takes a hundredth of one CPU at most; what cannot be observed there, the conditions say in words."""
        ...


@runtime_checkable
class NamesImages(Protocol):
    """A `Running` whose containers come from images."""

    def images(self) -> tuple[str, ...]:
        """``CONTAINER: IMAGE is DIGEST`` of what really runs, each once; known when it is ready."""
        ...


@runtime_checkable
class NamesNodes(Protocol):
    """A `Running` whose replicas run on nodes of a cluster."""

    def nodes(self) -> tuple[NodeUsed, ...]:
        """Of each replica, in order; asked for when it was measured."""
        ...


@runtime_checkable
class TellsMetrics(Protocol):
    """A `Running` whose servers can be asked for their own metrics from where the load comes from."""

    def metrics_urls(self) -> tuple[str, ...]:
        """One a replica and container that tells them (`PodSet.metrics`); known when it is ready; empty: none."""
        ...


@runtime_checkable
class TellsBlocked(Protocol):
    """A `Running` behind rules that may keep load from it."""

    def blocked(self) -> str | None:
        """Why what is ready cannot be reached from where the load comes, in words; None: nothing stands between."""
        ...


@runtime_checkable
class TellsWaiting(Protocol):
    """A `Running` that may have to wait for what others bring, such as a node."""

    def tell_waiting(self, tell: Callable[[str], None]) -> None:
        """From now on `tell` hears what is waited for, in a few words."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What really runs, where the place adds to what was asked for."""

    pods: PodSet
    """With all that was added: what is paid for."""
    said: tuple[str, ...] = ()
    """What was added or changed, in words, each once; empty: nothing."""


@runtime_checkable
class TellsAdmitted(Protocol):
    """A `Running` in a place that may add to pods, such as a cluster whose admission injects side-cars."""

    def admitted(self) -> Admitted:
        """Known when it is ready."""
        ...


class Backend(Protocol):
    """A place where configurations run."""

    name: str

    def check(self, pods: PodSet) -> tuple[Problem, ...]:
        """What stands in the way of running these pods here, before anything is started."""
        ...

    def infeasible(self, pods: PodSet) -> str | None:
        """Why these pods can never be scheduled here (a sentence), or None."""
        ...

    def deploy(self, deployment: Deployment) -> AbstractContextManager[Running]:
        """Start it; leaving the context always removes it. Raises TrialFailure or BackendFailure."""
        ...

    def clean(self) -> tuple[str, ...]:
        """Remove what an earlier crash left behind; says what it removed."""
        ...

    def generator_cpus(self) -> tuple[int, ...]:
        """CPUs set aside for the load generator on this machine; empty: none."""
        ...

    def describe(self) -> Mapping[str, str]:
        """The machine or cluster, for the record."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was measured of one start of a configuration before, elsewhere or in a simulation."""

    metrics: Mapping[str, Estimate]
    """By metric name, in SI units; what was not recorded is absent."""
    beyond_s: Mapping[str, float]
    """Latency quantiles that fell on requests never answered in time: at least this much."""
    cut_short: str = ""
    """Why it was measured at the common rate alone: it broke the SLO there beyond doubt. Empty: it was not."""
    rate_rps: float | None = None
    """The common rate of that time; None: not recorded."""
    speed: float | None = None
    """The machine's meanwhile, 1.0 that of a quiet one; None: nobody looked."""
    warnings: tuple[str, ...] = ()


@runtime_checkable
class HoldsMeasurements(Protocol):
    """A backend in which nothing is started: it tells what was measured before, and no load is sent."""

    def recorded(self, deployment: Deployment) -> Recorded:
        """Of the next start of this configuration. Raises TrialFailure where that failed."""
        ...

    def take_up(self, configurations: Sequence[Configuration]) -> None:
        """These were started already, in this order, before a study was interrupted."""
        ...

    @property
    def passed_s(self) -> float:
        """Time that all starts so far took when they were recorded, as far as that is known."""
        ...

    @property
    def usual_s(self) -> float:
        """What a start usually took when it was recorded; 0: not known."""
        ...


@runtime_checkable
class InCluster(Protocol):
    """A backend whose trials run in one namespace of a cluster."""

    @property
    def namespace(self) -> str: ...

    @property
    def context(self) -> str | None:
        """The kubeconfig's; None: the cluster this pod runs in."""
        ...


@runtime_checkable
class ChecksRendered(Protocol):
    """A backend that says beforehand what it thinks of whole configurations, such as a cluster with its rules."""

    def check_rendered(self, renderings: Sequence[Rendering]) -> tuple[Problem, ...]:
        """What stands in the way of them; nothing is started."""
        ...


@runtime_checkable
class Foresees(Protocol):
    """A backend that tells of what it checked more than what stands in the way."""

    @property
    def foreseen(self) -> tuple[str, ...]:
        """What a study will meet there, or does other than the exported manifest, in words; of the last
        `check_rendered`."""
        ...
