"""Candidates for the tests of this room."""

from __future__ import annotations

from hypothesis import strategies as st

from tuner.front.model import Candidate
from tuner.space.model import Objective

TWO = (Objective(metric="throughput", direction="maximize"), Objective(metric="cost", direction="minimize"))
THREE = (*TWO, Objective(metric="latency_p99", direction="minimize"))


def candidate(trial: int, throughput: float, cost: float, *, feasible: bool = True, **more: float) -> Candidate:
    return Candidate(trial=trial, metrics={"throughput": throughput, "cost": cost, **more}, feasible=feasible)


@st.composite
def candidates(draw: st.DrawFn, max_size: int = 12) -> list[Candidate]:
    """Few distinct values, so that ties, duplicates and dominance all occur; some infeasible, some unmeasured."""
    value = st.integers(1, 5).map(float)
    rows = draw(st.lists(st.tuples(value, value, value, st.booleans(), st.booleans()), max_size=max_size))
    return [
        Candidate(
            trial=trial,
            metrics={"throughput": a, "cost": b, **({"latency_p99": c} if measured or feasible else {})},
            feasible=feasible,
        )
        for trial, (a, b, c, feasible, measured) in enumerate(rows)
    ]
