"""A recorder that remembers its calls, and fails or blocks when told."""

from __future__ import annotations

import threading

from tuner.errors import StoreFailure
from tuner.search.model import Outlook
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Trial


class Remembers:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken = False
        self.hangs = threading.Event()
        self.go_on = threading.Event()

    def _call(self, name: str) -> None:
        if self.hangs.is_set():
            self.go_on.wait()
        if self.broken:
            raise StoreFailure("MLflow at http://me:secret@host: connection refused")
        self.calls.append(name)

    def started(self, start: StudyStart) -> None:
        self._call("started")

    def proposed(self, proposal: Proposal) -> None:
        self._call(f"proposed {proposal.number}")

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        """Between trials; not of what the calls are told by."""

    def stage(self, number: int, stage: str) -> None:
        self._call(f"stage {number} {stage}")

    def finished(self, trial: Trial) -> None:
        self._call(f"finished {trial.number}")

    def closed(self, summary: Summary) -> None:
        self._call("closed")
