"""How many of a space's configurations can run where it is to, beside how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tuner.targets.inputs import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """Of so many valid configurations `looked_at`, so many `can` run."""

    looked_at: int
    can: int
    whole: bool
    """All valid configurations were looked at; False: a sample of them."""
    why: Mapping[str, int]
    """How many cannot, by why, the commonest first."""


def runnable(inputs: Inputs) -> Runnable:
    """Looks at all, or at as many as the search's model would. Nothing is started; a cluster is asked for its nodes."""
    from tuner.backends.model import HoldsMeasurements
    from tuner.search.candidates import Candidates
    from tuner.search.costs import Costs
    from tuner.study.demand import demand

    candidates = Candidates(inputs.space)
    listed, why = candidates.listed, Counter[str]()
    if isinstance(inputs.backend, HoldsMeasurements):
        asked = (inputs.backend.infeasible(replace(inputs.pods, configuration=one)) for one in listed)
        why["the table does not have it"] = sum(reason is not None for reason in asked)
    else:
        costs = Costs(inputs.space, demand(inputs.space, inputs.manifest, inputs.backend.infeasible))
        why.update(costs.impossible(listed))
    return Runnable(
        looked_at=len(listed),
        can=len(listed) - why.total(),
        whole=candidates.complete,
        why={reason: count for reason, count in why.most_common() if count},
    )
