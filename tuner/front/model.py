"""The nouns of choice: candidates, the Pareto front among them, and the one that was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuner.space.model import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One configuration with what was measured of it: the medians over the fresh starts that it had when it was measured
    again, or over all, where it was not."""

    trial: int
    """Number of its first trial."""
    metrics: Mapping[str, float]
    feasible: bool
    replicates: int = 1
    """Starts that were measured, all together."""
    undecided: tuple[str, ...] = ()
    """Metrics of which it could not be told whether their bound is met."""
    least: tuple[str, ...] = ()
    """Metrics whose value is a lower bound."""
    measured_by: tuple[int, ...] = ()
    """Numbers of the trials that `metrics` are the medians of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The Pareto-optimal feasible candidates, best first in the first objective. May be empty."""

    objectives: tuple[Objective, ...]
    members: tuple[Candidate, ...]
    hypervolume: float | None
    """Volume of objective space dominated, against `reference`, in the product of the objectives' SI units."""
    reference: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    candidate: Candidate
    pick: str
    """The rule that chose it: knee, throughput, latency, cost or trial."""
    reason: str
    equals: tuple[int, ...] = ()
    """Numbers of the candidates that could not be told from it, or differ by nothing that matters; cheapest first."""
