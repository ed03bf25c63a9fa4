"""How fast the machine was over a study, what was measured again for it, and how far its wandering was taken out.

Pure. Raw and corrected stand side by side; what is chosen by is the search's affair (`tuner.search`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from tuner.search.drift import Corrected, Drifts, Proportional, corrected
from tuner.search.model import Observation
from tuner.space.model import decisive
from tuner.trials.model import Purpose, StudyStart, Trial, measured

_PROPORTIONAL = Proportional()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDuring:
    """The machine while one trial was measured."""

    trial: int
    purpose: Purpose
    at_s: float
    """When, in seconds since the study began."""
    speed: float | None
    """1.0: that of a quiet machine; None: nobody looked, or could tell."""
    disturbance: str
    """What disturbed it though it was accepted, in words; empty: nothing."""
    put_back: tuple[str, ...]
    """Windows that were measured again, in words."""
    put_back_s: float
    """What that took, and the waiting."""
    metrics: Mapping[str, Corrected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much all measurements of the baseline differ in one metric: the largest by the smallest."""

    raw: float
    corrected: float
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wandering:
    during: tuple[MachineDuring, ...]
    """By trial, those that measured."""
    baseline: Mapping[str, Spread]
    """By metric that the machine's speed changes; empty: the baseline was measured once."""
    stands: tuple[int, ...]
    """Disturbed trials of whose configuration nothing better is known."""
    mistrusted: tuple[int, ...]
    """Trials that are corrected by more than is to be trusted (`tuner.search.drift.MOST`)."""

    @property
    def speeds(self) -> tuple[float, ...]:
        return tuple(one.speed for one in self.during if one.speed is not None)

    @property
    def slowest(self) -> float | None:
        return min(self.speeds, default=None)

    @property
    def fastest(self) -> float | None:
        return max(self.speeds, default=None)

    @property
    def usual(self) -> float | None:
        """The median."""
        return median(self.speeds) if self.speeds else None

    @property
    def put_back(self) -> int:
        """Windows that were measured again."""
        return sum(len(one.put_back) for one in self.during)

    @property
    def put_back_s(self) -> float:
        return sum(one.put_back_s for one in self.during)

    def count(self, purpose: Purpose) -> int:
        return sum(one.purpose == purpose for one in self.during)


def wandering(trials: Sequence[Trial], start: StudyStart, by: Drifts = _PROPORTIONAL) -> Wandering:
    """`by`: whoever knows what the machine's speed, and the hour, add to a metric."""
    began = datetime.fromisoformat(start.started_at)
    during = tuple(found for trial in trials if (found := _during(trial, began, by)) is not None)
    digests = {trial.number: trial.manifest_digest for trial in trials}
    quiet = {digests[one.trial] for one in during if not one.disturbance and one.purpose != "reference"}
    aims = decisive(start.objectives, start.slo)
    return Wandering(
        during=during,
        baseline=_spreads([one for one in during if trials and digests[one.trial] == trials[0].manifest_digest]),
        stands=tuple(one.trial for one in during if one.disturbance and digests[one.trial] not in quiet),
        mistrusted=tuple(
            one.trial
            for one in during
            if one.purpose != "reference"
            and any(found is not None and not found.trusted for found in map(one.metrics.get, aims))
        ),
    )


def _during(trial: Trial, began: datetime, by: Drifts) -> MachineDuring | None:
    measurement = measured(trial)
    if measurement is None:
        return None
    at_s = (trial.started_at - began).total_seconds() + trial.duration_s / 2.0
    metrics: dict[str, Corrected] = {}
    for metric, value in measurement.metrics().items():
        speed = measurement.speed_of(metric)
        seen = Observation(configuration=trial.configuration, metrics={metric: value}, at_s=at_s, speed=speed)
        metrics |= corrected(seen, by)
    return MachineDuring(
        trial=trial.number,
        purpose=trial.purpose,
        at_s=at_s,
        speed=measurement.speed,
        disturbance=measurement.disturbance,
        put_back=measurement.put_back,
        put_back_s=measurement.put_back_s,
        metrics=metrics,
    )


def _spreads(same: Sequence[MachineDuring]) -> dict[str, Spread]:
    found = {}
    for metric in dict.fromkeys(metric for one in same for metric in one.metrics):
        values = [one.metrics[metric] for one in same if metric in one.metrics]
        if len(values) > 1 and any(value.worth_showing for value in values):
            raw, taken_out = ([get(value) for value in values] for get in (_raw, _taken_out))
            found[metric] = Spread(
                raw=max(raw) / min(raw), corrected=max(taken_out) / min(taken_out), restarts=len(values)
            )
    return found


def _raw(value: Corrected) -> float:
    return value.raw


def _taken_out(value: Corrected) -> float:
    return value.corrected
