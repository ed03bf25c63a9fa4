"""A system, one start of it, and what is said beside its name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from tuner.space.model import Constraint
from tuner.trials.load_source import Place
from tuner.trials.serving import OnStage, Served
from tuner.workload.model import Bearer, TlsSpec, WorkloadSpec

__all__ = ["Served", "SystemUnderTest", "TargetOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """What is said beside a system's name. None (or empty): as its search space says, else the usual."""

    backend: str = "process"
    namespace: str | None = None
    context: str | None = None
    load: Place | None = None
    load_image: str | None = None
    load_cpus: int = 1
    space: Path | None = None
    """The search space whose workload and SLO a URL or manifest takes, and whose `local`; None: of a manifest the one
    beside it that names it."""
    trial: int | None = None
    """Of a study; None: the one it chose."""
    studies: Path = Path("studies")
    protocol: str | None = None
    bodies: tuple[Path, ...] = ()
    path: str | None = None
    method: str | None = None
    proto: str | None = None
    """Where the protocol grpc finds its method's definitions; None: of a URL, that server tells them."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    model: str | None = None
    connections: int | None = None
    timeout_s: float | None = None
    warm_up_s: float | None = None
    duration_s: float | None = None
    most_s: float | None = None
    """With `duration_s`: measure on, up to this long, until the verdict is certain or the intervals are tight."""
    step_s: float | None = None
    rate_rps: float | None = None
    arrival: str | None = None
    """``poisson``, ``constant``, ``gamma:cv=2``, ``closed`` or ``closed:think=200ms``."""
    shape: str | None = None
    """As in `tuner.workload.shapes`: ``ramp:10/s..500/s,over=30s``."""
    token: Bearer | None = None
    """Where a bearer token is found."""
    tls: TlsSpec | None = None
    seed: int | None = None
    ignore: tuple[str, ...] = ()
    """JSON paths of what may differ between right answers."""
    slo: tuple[Constraint, ...] = ()


class SystemUnderTest(Protocol):
    """Something that serves. All attributes are fixed before anything is started."""

    name: str
    """As the user named it, less any secret in a URL."""
    workload: WorkloadSpec
    slo: tuple[Constraint, ...]

    def serve(self, on_stage: OnStage) -> AbstractContextManager[Served]:
        """A fresh start (of a URL: the same server), its answers held against those of the first.

        Leaving the context takes down what was started. Raises TrialFailure, with the server's output as its `logs`,
        and EnvironmentFailure.
        """
        ...

    def describe(self) -> Mapping[str, str]:
        """What it is and where it runs, for the record; no secret in it."""
        ...
