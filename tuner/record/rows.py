"""The front as single trials show it, while a study runs: for MLflow's tags and the live view. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.front import pareto
from tuner.front.model import Candidate
from tuner.space.model import Objective
from tuner.trials.model import Trial


def undominated(trials: Sequence[Trial], objectives: Sequence[Objective]) -> set[int]:
    """Numbers of the feasible trials that no other feasible one beats: the front as single trials show it so far.

    The study's verdict at its end (`tuner.front`) also knows about restarts and replaces this one.
    """
    candidates = [
        Candidate(trial=trial.number, metrics=trial.measurement.metrics(), feasible=trial.feasible)
        for trial in trials
        if trial.measurement
    ]
    return {candidate.trial for candidate in pareto.undominated(candidates, objectives)}


class FrontSoFar:
    """`undominated` of the trials as they come: one that was beaten never comes back, so that each new one is compared
    with the front alone."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._front: list[Trial] = []

    @property
    def numbers(self) -> set[int]:
        return {trial.number for trial in self._front}

    def add(self, trials: Iterable[Trial], objectives: Sequence[Objective]) -> None:
        """Those that were added before are passed over."""
        new = [trial for trial in trials if trial.number not in self._seen]
        self._seen.update(trial.number for trial in new)
        kept = undominated([*self._front, *new], objectives) if new else self.numbers
        self._front = [trial for trial in (*self._front, *new) if trial.number in kept]
