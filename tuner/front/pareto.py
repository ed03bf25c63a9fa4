"""The Pareto front, by moocore: every feasible candidate that no other beats in all objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuner.front.model import Candidate, Front
from tuner.space.model import Objective
from tuner.statistics.model import FloatArray


def front(candidates: Sequence[Candidate], objectives: Sequence[Objective]) -> Front:
    """The non-dominated candidates among those that are feasible and have a finite value of every objective.

    A candidate is dominated when another is at least as good in every objective and better in one. Of candidates
    equal in every objective, the first (the earliest trial) stays. Members come best first in the first objective,
    ties by the following ones.

    The hypervolume (Zitzler & Thiele 1998) is taken against `reference`, the worst value of each
    objective among the same candidates: it needs no scale from the user, 0 for a lone candidate. It compares fronts
    of one reference only. None: no such candidate, or the volume is not a finite number.
    """
    objectives = tuple(objectives)
    complete = sorted(
        (candidate for candidate in candidates if candidate.feasible and _complete(candidate, objectives)),
        key=lambda candidate: candidate.trial,
    )
    if not complete or not objectives:
        return Front(objectives=objectives, members=(), hypervolume=None, reference={})
    losses = as_losses(complete, objectives)
    kept = sorted(_non_dominated(losses), key=lambda row: tuple(losses[row]))
    worst = losses.max(axis=0)
    return Front(
        objectives=objectives,
        members=tuple(complete[row] for row in kept),
        hypervolume=_hypervolume(losses[kept], worst),
        reference={
            objective.metric: max(values) if objective.direction == "minimize" else min(values)
            for objective in objectives
            for values in [[candidate.metrics[objective.metric] for candidate in complete]]
        },
    )


def undominated(candidates: Sequence[Candidate], objectives: Sequence[Objective]) -> tuple[Candidate, ...]:
    """Like the members of `front`, but with all that equal each other, and in the order given."""
    complete = [candidate for candidate in candidates if candidate.feasible and _complete(candidate, objectives)]
    if not complete or not objectives:
        return tuple(complete)
    return tuple(complete[row] for row in _non_dominated(as_losses(complete, objectives), equals=True))


def as_losses(candidates: Sequence[Candidate], objectives: Sequence[Objective]) -> FloatArray:
    """Objective values, (candidates, objectives), with the sign turned where more is better: less is better."""
    signs = np.array([1.0 if objective.direction == "minimize" else -1.0 for objective in objectives])
    values = [[candidate.metrics[objective.metric] for objective in objectives] for candidate in candidates]
    losses: FloatArray = np.array(values, dtype=np.float64).reshape(len(candidates), len(objectives)) * signs
    return losses


def _complete(candidate: Candidate, objectives: Sequence[Objective]) -> bool:
    return all(math.isfinite(candidate.metrics.get(objective.metric, math.nan)) for objective in objectives)


def _non_dominated(losses: FloatArray, *, equals: bool = False) -> list[int]:
    """Rows that no other dominates; of rows that equal each other the first alone, or with `equals` all."""
    return [int(row) for row in np.flatnonzero(_moocore().is_nondominated(losses, keep_weakly=equals))]


def _hypervolume(losses: FloatArray, reference: FloatArray) -> float | None:
    volume = float(_moocore().hypervolume(losses, ref=reference))
    return volume if math.isfinite(volume) else None


def _moocore() -> Any:
    # Imported here: loading it takes longer than the rest of this room. It ships no types.
    import moocore  # type: ignore[import-untyped]

    return moocore
