"""What a study has taught: which knobs mattered, what holds the choice back, and what each knob was worth.

All of it is what the model believes given the trials, with intervals that hold 90 % of that belief; nothing is shown
of a study that has tried too little to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from tuner.search.binding import Bound, Edge, bounds, edges
from tuner.search.importance import Importance, Interaction, importances
from tuner.search.lattice import coarse_levels_of, lattice, levels_of
from tuner.search.model import Belief, Observation
from tuner.search.prediction import medians
from tuner.search.worth import Beliefs, Step, steps
from tuner.space.model import Configuration, SearchSpace, decisive
from tuner.statistics.model import FloatArray

LEAST = 6
"""So many different configurations must have been measured: from fewer, any knob could be the one that mattered."""
_DRAWS = 100
_PAIRS = 3
"""So many pairs of knobs are told of, at most."""
_PAIR = 0.02
"""And none that explains less than that together."""
_COST = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfMetric:
    """What matters for one metric."""

    metric: str
    knobs: tuple[Importance, ...]
    """The most important first."""
    pairs: tuple[Interaction, ...]
    noise: float
    """By this ratio restarts of one configuration differ, as one standard deviation."""
    others: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))
    """What other methods make of the same trials, by their name: by knob, a share of the whole importance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    configurations: int
    """Different ones that were measured."""
    too_few: str
    """Why nothing more is told; empty: it is."""
    matters: tuple[OfMetric, ...] = ()
    sampled: bool = False
    """There are too many knobs to go through all combinations: a sample of configurations stands for them."""
    bounds: tuple[Bound, ...] = ()
    edges: tuple[Edge, ...] = ()
    steps: tuple[Step, ...] = ()
    """From the baseline to the choice; empty: they are the same, or one of them is not there."""


class Exact:
    """Beliefs of which one metric is known without measuring: what a configuration costs."""

    def __init__(self, beliefs: Beliefs, metric: str, value: Callable[[Sequence[Configuration]], FloatArray]) -> None:
        """`value`: of each configuration, above 0."""
        self._beliefs = beliefs
        self._metric = metric
        self._value = value

    def knows(self, metric: str) -> bool:
        return metric == self._metric or self._beliefs.knows(metric)

    def believe(self, metric: str, configurations: Sequence[Configuration]) -> Belief:
        if metric != self._metric:
            return self._beliefs.believe(metric, configurations)
        mean = np.log(self._value(configurations))
        return Belief(mean=mean, sd=np.zeros_like(mean))

    def joint(self, metric: str, configurations: Sequence[Configuration]) -> tuple[FloatArray, FloatArray]:
        if metric != self._metric:
            return self._beliefs.joint(metric, configurations)
        return self.believe(metric, configurations).mean, np.zeros((len(configurations), len(configurations)))


def metrics_of(space: SearchSpace) -> tuple[str, ...]:
    """Those that the space aims at or bounds, each once."""
    return decisive(space.objectives, space.slo)


def learn(
    space: SearchSpace,
    observations: Sequence[Observation],
    beliefs: Beliefs,
    *,
    noise_sd: Mapping[str, float],
    baseline: Configuration | None,
    choice: Configuration | None,
    seed: int = 0,
) -> Knowledge:
    """`beliefs` are those from `observations`; `noise_sd` of one restart in the logarithm, by metric."""
    by_digest: dict[str, list[Observation]] = {}
    for one in observations:
        if one.metrics and not one.pending:
            by_digest.setdefault(one.configuration.digest, []).append(one)
    if len(by_digest) < LEAST:
        return Knowledge(configurations=len(by_digest), too_few=_too_few(len(by_digest)))
    known = [metric for metric in metrics_of(space) if beliefs.knows(metric)]
    candidates, whole = lattice(space)
    matters = tuple(
        _of_metric(space, metric, candidates, beliefs, noise_sd.get(metric, 0.0), whole=whole, seed=seed)
        for metric in known
        if metric != _COST and _varies(metric, by_digest)
    )
    aimed = [one for one in space.objectives if one.metric != _COST]  # more of anything costs more, as everybody knows
    bounded = [one for one in space.slo if _varies(one.metric, by_digest)]
    path: tuple[Step, ...] = ()
    if baseline is not None and choice is not None:
        measured = {digest: medians([one for one in found if not one.source]) for digest, found in by_digest.items()}
        path = steps(space, baseline, choice, beliefs, known, measured)
    return Knowledge(
        configurations=len(by_digest),
        too_few="",
        matters=matters,
        sampled=not whole,
        bounds=() if choice is None else bounds(bounded, space.objectives, choice, candidates, beliefs),
        edges=() if choice is None else edges(space, choice, beliefs, aimed),
        steps=path,
    )


def _too_few(count: int) -> str:
    return f"{count} configuration{' was' if count == 1 else 's were'} measured; which knobs mattered shows from {LEAST} on"


def _varies(metric: str, by_digest: Mapping[str, Sequence[Observation]]) -> bool:
    """A metric that was the same everywhere, such as no errors at all, depends on nothing."""
    values = [one.metrics[metric] for found in by_digest.values() for one in found if metric in one.metrics]
    return len(set(values)) > 1


def _of_metric(
    space: SearchSpace,
    metric: str,
    candidates: Sequence[Configuration],
    beliefs: Beliefs,
    noise_sd: float,
    *,
    whole: bool,
    seed: int,
) -> OfMetric:
    names = [parameter.name for parameter in space.parameters]
    mean, covariance = beliefs.joint(metric, candidates)
    draws = drawn(mean, covariance, seed)
    levels = (levels_of if whole else coarse_levels_of)(names, candidates)
    knobs, pairs = importances(names, levels, draws, whole=whole)
    told = tuple(pair for pair in pairs[:_PAIRS] if pair.share.value >= _PAIR)
    return OfMetric(metric=metric, knobs=knobs, pairs=told, noise=float(np.exp(noise_sd)))


def drawn(mean: FloatArray, covariance: FloatArray, seed: int) -> FloatArray:
    """(draws, rows): functions that are as probable as what is believed says; the same for the same seed."""
    try:
        factor = np.linalg.cholesky(covariance + 1e-8 * covariance.diagonal().max() * np.eye(len(mean)))
    except np.linalg.LinAlgError:  # not quite positive, by rounding
        values, vectors = np.linalg.eigh(covariance)
        factor = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = np.random.default_rng(seed).standard_normal((_DRAWS, len(mean)))
    return np.asarray(mean + normal @ factor.T)
