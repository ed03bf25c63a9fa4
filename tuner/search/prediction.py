"""What is believed of a configuration, tried or not, and how far it is from anything that was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.search.binding import probability_met
from tuner.search.model import Encodes, Observation, Points
from tuner.search.worth import Beliefs, Believed
from tuner.space.model import Configuration, Constraint
from tuner.space.values import Value
from tuner.statistics.model import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The nearest configuration that was tried."""

    configuration: Configuration
    differs: Mapping[str, tuple[Value | None, Value | None]]
    """By knob: its value in the one that is predicted, and in the one that was tried. Empty: it was tried itself."""
    distance: float
    """0: it was tried; 1: as far as one end of a knob's range is from the other."""
    measured: Mapping[str, float]
    """The median of its starts, by metric."""
    starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    configuration: Configuration
    metrics: Mapping[str, Believed]
    """Of the noiseless value, in the metric's unit."""
    starts: Mapping[str, Believed]
    """The same of what one start of it would measure: wider by the noise of restarts."""
    meets: float | None
    """Probability that it meets the SLO, its bounds taken to be independent; None: there is none, or a bounded metric
    was never measured."""
    lives: float | None
    """Probability that it starts and lives through its load; None: not asked."""
    nearest: Near | None
    """None: nothing was tried."""


def predict(
    configuration: Configuration,
    *,
    beliefs: Beliefs,
    noise_sd: Mapping[str, float],
    metrics: Sequence[str],
    slo: Sequence[Constraint],
    lives: float | None,
    encoding: Encodes,
    observations: Sequence[Observation],
) -> Prediction:
    """`noise_sd`: of one restart, in the logarithm, by metric."""
    known = [metric for metric in metrics if beliefs.knows(metric)]
    found = {metric: beliefs.believe(metric, [configuration]) for metric in known}
    meets = None
    if slo and all(beliefs.knows(bound.metric) for bound in slo):
        meets = float(np.prod([probability_met(bound, beliefs, [configuration])[0] for bound in slo]))
    return Prediction(
        configuration=configuration,
        metrics={metric: Believed.of(float(one.mean[0]), float(one.sd[0])) for metric, one in found.items()},
        starts={
            metric: Believed.of(float(one.mean[0]), float(np.hypot(one.sd[0], noise_sd.get(metric, 0.0))))
            for metric, one in found.items()
        },
        meets=meets,
        lives=lives,
        nearest=_nearest(configuration, encoding, [one for one in observations if not one.pending and not one.source]),
    )


def medians(observations: Sequence[Observation]) -> Mapping[str, float]:
    """By metric, over those that measured it; what is only known to be beyond a value counts with that value."""
    metrics = dict.fromkeys(metric for one in observations for metric in one.metrics)
    return {
        metric: float(np.median([one.metrics[metric] for one in observations if metric in one.metrics]))
        for metric in metrics
    }


def _nearest(configuration: Configuration, encoding: Encodes, tried: Sequence[Observation]) -> Near | None:
    if not tried:
        return None
    different = list({one.configuration.digest: one.configuration for one in tried}.values())
    distance = _distances(encoding.points([configuration]), encoding.points(different))
    place = next((at for at, one in enumerate(different) if one.digest == configuration.digest), int(distance.argmin()))
    near = different[place]
    starts = [one for one in tried if one.configuration.digest == near.digest]
    names = sorted(configuration.values.keys() | near.values.keys())
    pairs = {name: (configuration.values.get(name), near.values.get(name)) for name in names}
    return Near(
        configuration=near,
        differs={name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
        distance=float(distance[place]),
        measured=medians(starts),
        starts=len(starts),
    )


def _distances(one: Points, others: Points) -> FloatArray:
    """(others,): Euclid over numbers, each word that differs counting as the whole of a range."""
    squares = ((others.numbers - one.numbers) ** 2).sum(axis=1) + (others.words != one.words).sum(axis=1)
    return np.asarray(np.sqrt(squares), dtype=np.float64)
