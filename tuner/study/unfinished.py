"""What was begun and is no trial of the journal yet, from the journal alone; and how long its trials kept a study busy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.study.events import EARLY, PROPOSED
from tuner.trials.codec import decode
from tuner.trials.journal import Journal
from tuner.trials.model import Attempt, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    attempts: tuple[Attempt, ...] = ()
    """By rising number, those of `early` among them."""
    early: tuple[Trial, ...] = ()
    """Of these the ones that ended; others of a lower number did not."""


def unfinished(journal: Journal) -> Unfinished:
    begun: dict[int, Attempt] = {}
    ended: dict[int, Trial] = {}
    for event in journal.events:
        if event.kind == PROPOSED and event.data["number"] >= len(journal.trials):
            attempt = decode(Attempt, event.data)
            begun[attempt.number] = attempt
        elif event.kind == EARLY and event.data["number"] >= len(journal.trials):
            trial = decode(Trial, event.data)
            ended[trial.number] = trial
    numbers = sorted(begun)
    return Unfinished(
        attempts=tuple(begun[number] for number in numbers),
        early=tuple(ended[number] for number in numbers if number in ended),
    )


def busy_s(trials: Sequence[Trial], parallel: int) -> float:
    """Seconds in which one of them ran. Where they ran one after the other that is the sum of what they took, which a
    replay tells and its dates do not."""
    if parallel == 1:
        return sum(trial.duration_s for trial in trials)
    total, until = 0.0, float("-inf")
    for trial in sorted(trials, key=lambda trial: trial.started_at):
        began = trial.started_at.timestamp()
        total += max(0.0, began + trial.duration_s - max(began, until))
        until = max(until, began + trial.duration_s)
    return total
