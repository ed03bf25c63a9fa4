"""What configurations ask of the machines, as their manifests say."""

from __future__ import annotations

from collections.abc import Callable

from tuner.manifests.model import Manifest, PodSet
from tuner.manifests.pods import pods
from tuner.manifests.render import demanding
from tuner.measure.cost import cost_per_hour
from tuner.search.costs import Demand
from tuner.space.model import Configuration, SearchSpace
from tuner.trials.resources import requested


def demand(
    space: SearchSpace, manifest: Manifest, infeasible: Callable[[PodSet], str | None] = lambda _: None
) -> Callable[[Configuration], Demand]:
    """What a configuration asks for over all its pods, and what that costs by the space's prices.

    `infeasible` says why pods can never run where they are to, as `tuner.backends.model.Backend` does.
    """
    seen = demanding(space, manifest)

    def of(configuration: Configuration) -> Demand:
        found = pods(space, seen(configuration))
        asked = requested(found)
        return Demand(
            cost_per_hour=cost_per_hour(asked.cores, asked.memory_bytes, asked.gpus, space.prices),
            cores=asked.cores,
            memory_bytes=asked.memory_bytes,
            impossible=infeasible(found),
        )

    return of
