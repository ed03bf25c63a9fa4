"""The seam of recording: who is told as a study goes on. A recorder may fail; the study goes on."""

from __future__ import annotations

from typing import Protocol

from tuner.study.model import Proposal, StudyStart, Summary
from tuner.trials.model import Trial


class Recorder(Protocol):
    def started(self, start: StudyStart) -> None: ...

    def proposed(self, proposal: Proposal) -> None:
        """A trial begins."""
        ...

    def stage(self, number: int, stage: str) -> None:
        """Trial `number` entered a stage of its life (`deploy`, `ready`, `verify`, `warm-up`, `measure`, ...)."""
        ...

    def finished(self, trial: Trial) -> None:
        """The trial is in the journal."""
        ...

    def closed(self, summary: Summary) -> None: ...
