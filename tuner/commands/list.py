"""The studies of a folder: how each stands, and its best."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuner.errors import TunerError
from tuner.study.model import BaselineComparison, Summary
from tuner.trials.folder import StudyFolder, known

State = Literal["running", "ended", "interrupted", "killed", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One study. Of one that cannot be read nothing but `problem` is known."""

    name: str
    state: State
    summary: Summary | None = None
    process: int | None = None
    """Which runs it."""
    problem: str = ""

    @property
    def best(self) -> BaselineComparison | None:
        """The choice against the baseline in the first objective; None: there is no such comparison."""
        if self.summary is None or not self.summary.start.objectives:
            return None
        metric = self.summary.start.objectives[0].metric
        return next((one for one in self.summary.comparisons if one.metric == metric), None)


def studies_in(studies: Path, held: Collection[str] = ()) -> list[Listed]:
    """All that a folder holds, the newest first; those that cannot be read come last. `held`: those that run elsewhere."""
    found = list(_listed(studies, held))
    return sorted(found, key=lambda one: one.summary.start.started_at if one.summary else "", reverse=True)


def _listed(studies: Path, held: Collection[str]) -> Iterator[Listed]:
    from tuner.study.summary import summarize
    from tuner.trials.journal import holder, read

    for name in known(studies):
        folder = StudyFolder(studies / name)
        try:
            summary = summarize(read(folder.journal))
        except TunerError as error:
            yield Listed(name=name, state="unreadable", problem=str(error))
            continue
        process = holder(folder.journal)
        state = _state(summary, runs=process is not None or name in held)
        yield Listed(name=name, state=state, summary=summary, process=process)


def _state(summary: Summary, *, runs: bool) -> State:
    if summary.state != "open":
        return summary.state
    return "running" if runs else "killed"
