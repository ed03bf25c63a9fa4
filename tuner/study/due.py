"""What is due besides the search on a machine whose speed wanders: references, and trials that were disturbed.

Pure: it follows from the journal's trials alone, so that it is the same after an interruption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.search.drift import power
from tuner.space.model import Objective
from tuner.trials.model import Failed, Infeasible, Measured, Purpose, Stopped, Trial, measured

EVERY = 5
"""So many trials after the baseline was measured last, it is measured again as a reference. A reference takes about two
fifths of a trial: one in five costs a twelfth of the time."""
AGAIN = 2
"""Times that one disturbed configuration is measured again."""
AGAIN_LEAST = 2
AGAIN_SHARE = 0.25
"""Of all trials of the search at most this share is measured again because they were disturbed, and `AGAIN_LEAST`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    number: int
    """The trial to be repeated."""
    purpose: Purpose


def due(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Due | None:
    """What is to be measured before the next proposal; None: nothing.

    A disturbed trial is measured again behind at least one other, as soon as one was not disturbed: the most promising
    first, by what it would have been on a quiet machine.
    """
    if not trials:
        return None
    if (lost := lost_baseline(trials)) is not None:
        return lost
    bears = isinstance(_baseline(trials).outcome, Measured)  # what does not bear the common rate tells nothing at it
    if bears and _since_baseline(trials) >= EVERY:
        return Due(number=trials[0].number, purpose="reference")
    number = _again(trials, objectives)
    return None if number is None else Due(number=number, purpose="again")


def _baseline(trials: Sequence[Trial]) -> Trial:
    """The first trial of the baseline that the environment did not lose; else the last."""
    own = [trial for trial in trials if trial.manifest_digest == trials[0].manifest_digest]
    return next((trial for trial in own if not _is_lost(trial)), own[-1])


def lost_baseline(trials: Sequence[Trial]) -> Due | None:
    """All is held against the baseline: where the environment lost it, it is measured again at once, and were there no
    trial left. None: it was not lost, or too often."""
    if not trials:
        return None
    tried = sum(trial.purpose == "again" and trial.manifest_digest == trials[0].manifest_digest for trial in trials)
    lost = _is_lost(_baseline(trials)) and tried < AGAIN
    return Due(number=trials[0].number, purpose="again") if lost else None


def _is_lost(trial: Trial) -> bool:
    return isinstance(trial.outcome, Failed) and trial.outcome.blame == "environment"


def _since_baseline(trials: Sequence[Trial]) -> int:
    """Trials that ran since the baseline was measured last, or was to be."""
    digest = trials[0].manifest_digest
    last = max(index for index, trial in enumerate(trials) if trial.manifest_digest == digest)
    return sum(not isinstance(trial.outcome, Infeasible) for trial in trials[last + 1 :])


def _again(trials: Sequence[Trial], objectives: Sequence[Objective]) -> int | None:
    latest = measured(trials[-1])
    if latest is None or latest.disturbance:
        return None
    times = Counter(trial.manifest_digest for trial in trials if trial.purpose == "again")
    allowed = max(AGAIN_LEAST, int(AGAIN_SHARE * sum(trial.searched for trial in trials)))
    if sum(times.values()) >= allowed:
        return None
    quiet = {
        trial.manifest_digest for trial in trials if trial.measurement is not None and not trial.measurement.disturbance
    }
    waiting: dict[str, Trial] = {}
    for trial in trials:
        if _is_disturbed(trial) and trial.manifest_digest not in quiet and times[trial.manifest_digest] < AGAIN:
            waiting.setdefault(trial.manifest_digest, trial)
    best = max(waiting.values(), key=lambda trial: _promise(trial, objectives), default=None)
    return None if best is None else best.number


def _is_disturbed(trial: Trial) -> bool:
    return trial.measurement is not None and bool(trial.measurement.disturbance)


def _promise(trial: Trial, objectives: Sequence[Objective]) -> tuple[bool, float, int]:
    """Larger is better: measured to the end, the first objective as if in proportion to the machine's speed, older."""
    measurement = trial.measurement
    if measurement is None or isinstance(trial.outcome, Stopped) or not objectives:
        return False, 0.0, -trial.number
    first = objectives[0]
    value = measurement.metrics().get(first.metric)
    if value is None:
        return False, 0.0, -trial.number
    value /= (measurement.speed_of(first.metric) or 1.0) ** power(first.metric)
    return True, value if first.direction == "maximize" else -value, -trial.number
