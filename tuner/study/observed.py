"""From trials to what the search's model is told of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from types import MappingProxyType

from tuner.measure.model import Measurement
from tuner.search.model import Observation
from tuner.space.model import Configuration
from tuner.trials.model import Failed, Infeasible, Measured, Outcome, Referenced, Stopped, StudyStart, Trial


def observations(trials: Iterable[Trial], start: StudyStart) -> tuple[Observation, ...]:
    """One of each trial that says something of its configuration, in the trials' order; restarts are told as such.

    What was interrupted, or failed by the environment's fault, says nothing.
    """
    return tuple(_observed(trials, datetime.fromisoformat(start.started_at)))


def observation(configuration: Configuration, outcome: Outcome, at_s: float = 0.0) -> Observation | None:
    """What an outcome says of a configuration, `at_s` seconds after the study began; None: nothing.

    A window that was cut short is told with what it measured until then: a latency that broke its bound would have
    gone on to rise, so that it is told to be beyond, as a value that is but a lower bound is, and a quantile that fell on
    requests never answered.
    """
    match outcome:
        case Measured(measurement=measurement) | Referenced(measurement=measurement):
            return _measured(configuration, measurement, at_s)
        case Stopped(measurement=measurement, broken=broken):
            rising = [metric for metric, _ in broken if metric.startswith("latency")]
            return _measured(configuration, measurement, at_s, rising)
        case Failed(kind=kind, blame="configuration"):
            return Observation(configuration=configuration, lived=False, failure=kind, at_s=at_s)
        case Infeasible():
            return Observation(configuration=configuration, lived=False, failure="Infeasible", at_s=at_s)
        case _:
            return None


def _observed(trials: Iterable[Trial], began: datetime) -> Iterator[Observation]:
    for trial in trials:
        # a trial is mostly its windows: its middle is when it was measured
        at_s = (trial.started_at - began).total_seconds() + trial.duration_s / 2
        found = observation(trial.configuration, trial.outcome, at_s)
        if found is not None:
            yield found


def _measured(
    configuration: Configuration, measurement: Measurement, at_s: float, rising: Collection[str] = ()
) -> Observation:
    estimates, late = measurement.estimates(), measurement.at_rate.beyond_s
    metrics = {**late, **{name: estimate.value for name, estimate in estimates.items()}}
    least = {name for name, estimate in estimates.items() if estimate.is_least or name in rising}
    return Observation(
        configuration=configuration,
        metrics=MappingProxyType(metrics),
        beyond=frozenset(least | late.keys() - estimates.keys()),
        at_s=at_s,
        speed=measurement.speed,
        speeds=MappingProxyType(
            {
                metric: speed
                for metric in metrics
                if (speed := measurement.speed_of(metric)) is not None and speed != measurement.speed
            }
        ),
    )
