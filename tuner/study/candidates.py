"""From trials to candidates: restarts of one deployment are one candidate, with the median of what they measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from tuner.front.model import Candidate
from tuner.space.model import Constraint
from tuner.trials.model import Failed, Infeasible, Measured, Trial


def replicates(trials: Iterable[Trial]) -> Mapping[str, tuple[Trial, ...]]:
    """Trials by the digest of their manifest, each group in the order of their numbers."""
    groups: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        groups.setdefault(trial.manifest_digest, []).append(trial)
    return {digest: tuple(group) for digest, group in groups.items()}


def standing(group: Sequence[Trial]) -> tuple[Trial, ...]:
    """The restarts that count: those that the machine did not disturb, where there are any that were measured; else
    all."""
    quiet = [trial for trial in group if trial.measurement is None or not trial.measurement.disturbance]
    return tuple(quiet if any(trial.measurement is not None for trial in quiet) else group)


def values(group: Sequence[Trial]) -> Mapping[str, tuple[float, ...]]:
    """By metric, its value at each restart that counts where it was measured."""
    measured: dict[str, list[float]] = {}
    for trial in standing(group):
        if trial.measurement is not None:
            for metric, value in trial.measurement.metrics().items():
                measured.setdefault(metric, []).append(value)
    return {metric: tuple(found) for metric, found in measured.items()}


def candidates(trials: Iterable[Trial], slo: Sequence[Constraint]) -> tuple[Candidate, ...]:
    """One candidate for each deployment that was measured, by the number of the first trial that measured it.

    A restart that the machine disturbed does not count where another was not disturbed.

    Feasible: every metric of the SLO was measured, the medians meet it, and no restart was cut short or failed by the
    configuration's own fault.
    """
    found = [_candidate(group, slo) for group in replicates(trials).values()]
    return tuple(candidate for candidate in found if candidate is not None)


def baseline(trials: Iterable[Trial], among: Iterable[Candidate]) -> Candidate | None:
    """The candidate that is the manifest as it stands; None: it was not measured."""
    for group in replicates(trials).values():
        if any(trial.purpose == "baseline" for trial in group):
            numbers = {trial.number for trial in group}
            return next((candidate for candidate in among if candidate.trial in numbers), None)
    return None


def _candidate(group: Sequence[Trial], slo: Sequence[Constraint]) -> Candidate | None:
    first = next((trial.number for trial in group if trial.measurement is not None), None)
    if first is None:
        return None
    group = standing(group)
    measured = [trial for trial in group if trial.measurement is not None]
    medians = {metric: median(found) for metric, found in values(group).items()}
    undecided = _undecided(measured, medians, slo)
    is_sound = not any(_own_fault(trial) for trial in group)
    told = [bound for bound in slo if bound.metric not in undecided]
    met = is_sound and all(bound.excess(medians[bound.metric]) <= 0 for bound in told)
    return Candidate(
        trial=first,
        metrics=medians,
        feasible=met and not undecided,
        replicates=len(measured),
        undecided=undecided if met else (),
        least=_least(measured),
    )


def _undecided(measured: Sequence[Trial], medians: Mapping[str, float], slo: Sequence[Constraint]) -> tuple[str, ...]:
    """Bounded metrics that no restart measured, or of which one could not tell whether it meets its bound."""
    open_ones = {
        metric for trial in measured if isinstance(trial.outcome, Measured) for metric in trial.outcome.undecided
    }
    return tuple(
        dict.fromkeys(bound.metric for bound in slo if bound.metric not in medians or bound.metric in open_ones)
    )


def _least(measured: Sequence[Trial]) -> tuple[str, ...]:
    """Metrics of which a restart has but a lower bound."""
    known = [trial.measurement.estimates() for trial in measured if trial.measurement is not None]
    return tuple(dict.fromkeys(name for one in known for name, estimate in one.items() if estimate.is_least))


def _own_fault(trial: Trial) -> bool:
    outcome = trial.outcome
    if isinstance(outcome, Failed):
        return outcome.blame == "configuration"
    return isinstance(outcome, Infeasible) or (trial.measurement is not None and not isinstance(outcome, Measured))
