"""How far a study is, as ``N/100`` in a file: what Argo's executor reads where ARGO_PROGRESS_FILE names one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tuner.record.progress import Progress
from tuner.search.model import Outlook
from tuner.space.model import SearchSpace
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Trial

VARIABLE = "ARGO_PROGRESS_FILE"
_WHOLE = 100


class ShareFile:
    """Implements `Recorder`. 100 is written when the study is over, not when its budget is: the race comes after that."""

    def __init__(self, path: Path, space: SearchSpace, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._progress = Progress(space, now)

    def started(self, start: StudyStart) -> None:
        self._progress.started(start)
        self._write(0)

    def proposed(self, proposal: Proposal) -> None:
        self._progress.proposed(proposal)

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._progress.foreseen(so_far, outlook)
        self._write_share()

    def stage(self, number: int, stage: str) -> None:
        pass

    def finished(self, trial: Trial) -> None:
        self._progress.finished(trial)
        self._write_share()

    def closed(self, summary: Summary) -> None:  # noqa: ARG002
        self._write(_WHOLE)

    def _write_share(self) -> None:
        self._write(min(_WHOLE - 1, int(self._progress.share() * _WHOLE)))

    def _write(self, done: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{done}/{_WHOLE}\n")
