"""A study, read from its folder: its trials as records, its front, its choice, and what takes that where it serves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuner.api.records import Record, records
from tuner.errors import InputError, Mistake, Problem
from tuner.space.values import Value
from tuner.trials.folder import StudyFolder, find, known

if TYPE_CHECKING:
    from tuner.commands.export import Taken
    from tuner.study.model import Summary

Form = Literal["manifest", "patch", "kustomize", "helm-values", "json-patch"]
Pick = Literal["knee", "throughput", "latency", "cost"]
State = Literal["running", "ended", "interrupted", "killed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A configuration against the baseline in one metric."""

    baseline: float
    value: float
    ratio: float
    """Its value / the baseline's."""
    verdict: str
    """``better``, ``worse``, ``no difference`` beyond what restarts differ by, or ``undecided``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration that was measured, as it is reported: the medians over its fresh starts, where it had some."""

    study: Study
    trial: int
    """Number of its first trial."""
    configuration: Mapping[str, Value]
    metrics: Mapping[str, float]
    """In SI units."""
    feasible: bool
    """It certainly met the SLO."""
    measured_by: tuple[int, ...]
    """The trials that `metrics` are the medians of."""
    reason: str = ""
    """Why it was chosen; empty: it was not."""
    _chosen_in: Summary | None = field(default=None, repr=False, compare=False)
    """What was found when it was chosen."""

    def against_baseline(self) -> dict[str, Compared]:
        """By metric that the study aims at or bounds; without those that were not measured on both sides."""
        return {
            one.metric: Compared(baseline=one.baseline, value=one.chosen, ratio=one.ratio, verdict=one.verdict)
            for one in self._found().comparisons
        }

    def manifest(self) -> str:
        """The manifest that was measured, with where it comes from in annotations. Raises StoreFailure where the
        study's copy is missing or was changed."""
        return self._taken().exported

    def diff(self) -> str:
        """From the manifest as it stood to the one that was measured, literal secrets masked; empty: none."""
        return self._taken().diff()

    def export(self, path: str | Path, form: Form = "manifest") -> Path:
        """Write it as a file, of kustomize a folder; returns its path. What is there is written over.

        Raises InputError where this form cannot hold what was changed, StoreFailure where it cannot be written.
        """
        from tuner.commands.export import formatted
        from tuner.files import write

        target = Path(path)
        for name, text in formatted(self._taken(), form).items():
            write(target / name if name else target, text.encode(), private=True)
        return target

    def _taken(self) -> Taken:
        from tuner.commands.export import take

        return take(self.study._paths, self._found(), self.trial)

    def _found(self) -> Summary:
        """With it as the choice; as one that was asked for, where nothing chose it."""
        return self._chosen_in or self.study._summary(trial=self.trial)


@dataclass(frozen=True, slots=True)
class Study:
    """A study by its folder. Every method reads it anew, also while it runs; all but `watch` raise StoreFailure where
    its journal is damaged."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def state(self) -> State:
        """``killed``: nobody runs it, and nobody ended it."""
        from tuner.trials.journal import holder

        state = self._summary().state
        if state != "open":
            return state
        return "killed" if holder(self._paths.journal) is None else "running"

    @property
    def ended_because(self) -> str:
        return self._summary().ended_because

    @property
    def rate_rps(self) -> float | None:
        """The rate at which latencies compare; None: not fixed yet."""
        return self._summary().rate_rps

    def records(self) -> list[Record]:
        """Its finished trials, in the order of their numbers."""
        return records(self._summary())

    def watch(self, every_s: float = 1.0) -> Iterator[Record]:
        """Its trials, those to come as they finish, until it ends or nobody runs it any more."""
        told = 0
        while True:
            running = self.state == "running"  # asked first: what it finished before it ended is told
            found = self.records()
            yield from found[told:]
            told = len(found)
            if not running:
                return
            time.sleep(every_s)

    def front(self) -> tuple[Candidate, ...]:
        """The Pareto front, best first in the first objective; empty: nothing certainly met the SLO."""
        summary = self._summary()
        return tuple(self._candidate(summary, member.trial) for member in summary.front.members)

    @property
    def best(self) -> Candidate | None:
        """What it chose, or would choose now; None: nothing certainly met the SLO."""
        return self.choose()

    def choose(
        self, *, pick: Pick | None = None, where: Sequence[str] = (), trial: int | None = None
    ) -> Candidate | None:
        """Choose again from what was measured: by a rule, among what meets more bounds (``latency_p99 <= 50ms``), or
        one trial's configuration. None: nothing meets them.

        Raises InputError for a bound that cannot be read and a trial that was not measured.
        """
        summary = self._summary(pick=pick, where=where, trial=trial)
        if summary.choice is None:
            return None
        found = self._candidate(summary, summary.choice.candidate.trial)
        return replace(found, reason=summary.choice.reason, _chosen_in=summary)

    def report(self) -> dict[str, Any]:
        """All that was found, as ``report.json`` has it: plain JSON, described in the documentation."""
        from tuner.report.data import data

        return data(self._summary())

    def _summary(self, *, pick: str | None = None, where: Sequence[str] = (), trial: int | None = None) -> Summary:
        """As the commands have it."""
        from tuner.commands.run import summary_of

        return summary_of(self._paths, pick=pick, where=tuple(map(_bound, where)), trial=trial)

    @property
    def _paths(self) -> StudyFolder:
        return StudyFolder(self.folder)

    def _candidate(self, summary: Summary, trial: int) -> Candidate:
        found = next(one for one in summary.candidates if one.trial == trial)
        return Candidate(
            study=self,
            trial=trial,
            configuration=dict(next(one for one in summary.trials if one.number == trial).configuration.values),
            metrics=dict(found.metrics),
            feasible=found.feasible,
            measured_by=found.measured_by,
        )


def open_study(name: str | Path, studies: str | Path = "studies") -> Study:
    """A study by its name among `studies`, or by its folder. Raises InputError that lists those there are."""
    try:
        return Study(find(str(name), Path(studies)).root)
    except Mistake as mistake:
        raise InputError([Problem.at(str(name), mistake.message, mistake.fix)]) from None


def studies(folder: str | Path = "studies") -> list[Study]:
    """All studies of a folder, by their names."""
    return [Study(Path(folder) / name) for name in known(Path(folder))]


def _bound(text: str) -> Any:
    from tuner.space.bounds import parse_bound

    try:
        return parse_bound(text)
    except ValueError as error:
        raise InputError.at("where", str(error), 'write it like "latency_p99 <= 50ms"') from None
