"""From trials to candidates: restarts of one deployment are one candidate, with the median of what they measured.

Where it was started again after the search, these fresh starts alone are reported: a lucky run is why it was.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median

from tuner.front.model import Candidate
from tuner.measure.noise import pool
from tuner.search.drift import Proportional
from tuner.search.race import ENOUGH, SURE
from tuner.search.restarts import Noise, sureness
from tuner.search.standings import Aim, Contender, noises
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate
from tuner.trials.model import Failed, Infeasible, Measured, Stopped, Trial

_BY_SPEED = Proportional()


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


def reported(group: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials whose medians are reported of a deployment: of those that count its fresh starts, or else all."""
    measured = tuple(trial for trial in standing(group) if trial.measurement is not None)
    return tuple(trial for trial in measured if trial.purpose == "confirm") or measured


def pooled(starts: Sequence[Trial]) -> dict[str, Estimate]:
    """By metric, of trials that are `reported`: of several the median, with the range over all of them."""
    known = [trial.measurement.estimates() for trial in starts if trial.measurement is not None]
    return {
        name: pool([one[name] for one in known if name in one])
        for name in dict.fromkeys(n for one in known for n in one)
    }


def candidates(trials: Iterable[Trial], slo: Sequence[Constraint]) -> tuple[Candidate, ...]:
    """One candidate for each deployment that was measured, by the number of the first trial that measured it.

    A restart that the machine disturbed does not count where another was not disturbed.

    Feasible: every metric of the SLO was measured, the medians meet it, and no restart was cut short or failed by the
    configuration's own fault. Where there are several fresh starts, they have to meet it with the probability that the
    race wants; otherwise it is undecided.
    """
    groups = replicates(trials)
    bounded = frozenset(bound.metric for bound in slo)
    aim = Aim(objectives=(), slo=tuple(slo), pick="knee")
    scatter = noises([_contender(group, bounded) for group in groups.values()], aim)
    found = [_candidate(group, slo, scatter) for group in groups.values()]
    return tuple(candidate for candidate in found if candidate is not None)


def contenders(trials: Iterable[Trial], slo: Sequence[Constraint]) -> tuple[Contender, ...]:
    """What the race is about: the same deployments, with what each start measured.

    Where the machine's speed is known it is taken out of what ranks them, so that starts of different moments compare.
    What the SLO bounds is judged as it was measured: a disturbance only makes it look worse than it is.
    """
    groups = replicates(trials).values()
    bounded = frozenset(bound.metric for bound in slo)
    return tuple(
        _contender(group, bounded) for group in groups if any(trial.measurement is not None for trial in group)
    )


def baseline(trials: Iterable[Trial], among: Iterable[Candidate]) -> Candidate | None:
    """The candidate that is the manifest as it stands; None: it was not measured."""
    for group in replicates(trials).values():
        if any(trial.purpose == "baseline" for trial in group):
            numbers = {trial.number for trial in group}
            return next((candidate for candidate in among if candidate.trial in numbers), None)
    return None


def _contender(group: Sequence[Trial], bounded: Collection[str]) -> Contender:
    counted = standing(group)
    fresh = tuple(trial for trial in counted if trial.purpose == "confirm")
    return Contender(
        trial=next((trial.number for trial in group if trial.measurement is not None), group[0].number),
        searched=_ranked([trial for trial in counted if trial.purpose != "confirm"], bounded),
        fresh=_ranked(fresh, bounded),
        starts=sum(trial.purpose == "confirm" for trial in group),
        sound=not any(map(_condemns, counted)) and not _open(reported(group)),
    )


def _ranked(trials: Sequence[Trial], bounded: Collection[str]) -> Mapping[str, tuple[float, ...]]:
    """Like `values`, on the quiet machine, but for what is bounded."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        if trial.measurement is not None:
            for metric, value in trial.measurement.metrics().items():
                added = (
                    0.0
                    if metric in bounded
                    else float(_BY_SPEED.drift(metric, [0.0], [trial.measurement.speed_of(metric)])[0])
                )
                found.setdefault(metric, []).append(value * math.exp(-added))
    return {metric: tuple(ones) for metric, ones in found.items()}


def _candidate(group: Sequence[Trial], slo: Sequence[Constraint], scatter: Mapping[str, Noise]) -> Candidate | None:
    first = next((trial.number for trial in group if trial.measurement is not None), None)
    if first is None:
        return None
    shown, group = reported(group), standing(group)
    measured = [trial for trial in group if trial.measurement is not None]
    found = values(shown)
    medians = {metric: median(ones) for metric, ones in found.items()}
    undecided = _undecided(shown, medians, slo)
    is_sound = not any(map(_condemns, group))
    told = [bound for bound in slo if bound.metric not in undecided]
    met = is_sound and all(bound.excess(medians[bound.metric]) <= 0 for bound in told)
    if met and sum(trial.purpose == "confirm" for trial in shown) >= ENOUGH:
        unsure = [bound.metric for bound in told if sureness(bound, found[bound.metric], scatter[bound.metric]) < SURE]
        undecided = tuple(dict.fromkeys([*undecided, *unsure]))
    return Candidate(
        trial=first,
        metrics=medians,
        feasible=met and not undecided,
        replicates=len(measured),
        undecided=undecided if met else (),
        least=_least(shown),
        measured_by=tuple(trial.number for trial in shown),
    )


def _undecided(shown: Sequence[Trial], medians: Mapping[str, float], slo: Sequence[Constraint]) -> tuple[str, ...]:
    """Bounded metrics that no restart measured, or of which one could not tell whether it meets its bound."""
    open_ones = _open(shown)
    return tuple(
        dict.fromkeys(bound.metric for bound in slo if bound.metric not in medians or bound.metric in open_ones)
    )


def _open(trials: Iterable[Trial]) -> set[str]:
    """Metrics of which one of them could not tell whether the bound is met."""
    return {metric for trial in trials if isinstance(trial.outcome, Measured) for metric in trial.outcome.undecided}


def _least(measured: Sequence[Trial]) -> tuple[str, ...]:
    """Metrics of which a restart has but a lower bound."""
    known = [trial.measurement.estimates() for trial in measured if trial.measurement is not None]
    return tuple(dict.fromkeys(name for one in known for name, estimate in one.items() if estimate.is_least))


def _condemns(trial: Trial) -> bool:
    """Whether this start alone shows that the configuration will not do: it failed by its own fault, or was cut short.
    Cut short on a disturbed machine it does not: then its values are judged, beside those of other starts."""
    outcome = trial.outcome
    if isinstance(outcome, Failed):
        return outcome.blame == "configuration"
    if isinstance(outcome, Stopped):
        return not outcome.measurement.disturbance
    return isinstance(outcome, Infeasible)
