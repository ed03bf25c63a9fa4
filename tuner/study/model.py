"""The nouns and the seams of a study: what to try next, what the whole study found, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol

from tuner.front.model import Candidate, Choice, Front
from tuner.search.model import Outlook
from tuner.space.model import Configuration
from tuner.study.stop import Spent
from tuner.trials.model import Attempt, Event, Outcome, Proposal, Purpose, StudyStart, Trial
from tuner.units import least

__all__ = ["Advisor", "BaselineComparison", "Event", "Proposal", "Recorder", "StudyStart", "Summary", "display"]


class Advisor(Protocol):
    """Decides which configuration is tried next."""

    def ask(self) -> Proposal | None:
        """The next configuration, never one that breaks a rule or renders to a manifest already tried.

        None: every configuration of the space was tried.
        """
        ...

    def repeat(self, number: int, purpose: Purpose = "confirm") -> Proposal:
        """Trial `number` once more, as a trial of its own (a replicate)."""
        ...

    def tell(self, number: int, outcome: Outcome, started_at: datetime | None = None, duration_s: float = 0.0) -> None:
        """Trial `number` ended so; when it began, and how long it took, where that is known."""
        ...

    def outlook(self, trials: int) -> Outlook | None:
        """What so many more trials would probably bring; None: it cannot tell."""
        ...

    def left_out(self) -> Mapping[str, int]:
        """How many valid configurations are never proposed, by why; empty: none, or it does not foresee it."""
        ...

    def restore(self, trials: Sequence[Trial], pending: Sequence[Attempt]) -> tuple[Proposal, ...]:
        """Take up a study where its journal ends; what is `pending` was proposed, but is not finished: it is proposed
        again, with the numbers that it had."""
        ...


class Workers(Protocol):
    """Who runs trials: one after the other, or some beside each other."""

    @property
    def number(self) -> int:
        """So many trials run at a time."""
        ...

    def start(self, proposal: Proposal) -> None:
        """Begin a trial; asked only while fewer than `number` are running."""
        ...

    def next(self) -> Trial:
        """The trial that ends next, whichever it is. Raises only what ends the study (an interrupt,
        EnvironmentFailure)."""
        ...


class OneByOne:
    """Runs each trial here, when its outcome is asked for."""

    number = 1

    def __init__(self, run_trial: Callable[[Proposal], Trial]) -> None:
        self._run_trial = run_trial
        self._proposal: Proposal | None = None

    def start(self, proposal: Proposal) -> None:
        self._proposal = proposal

    def next(self) -> Trial:
        """Raises ValueError where nothing was begun."""
        proposal, self._proposal = self._proposal, None
        if proposal is None:
            raise ValueError("no trial was begun")
        return self._run_trial(proposal)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineComparison:
    """A configuration against the baseline in one metric. `ratio` is chosen / baseline."""

    metric: str
    baseline: float
    chosen: float
    ratio: float
    verdict: str
    """`better`, `worse` or `no difference` beyond the noise floor, or `undecided` (no noise floor measured, or a lower
    bound that says nothing)."""
    baseline_is_least: bool = False
    """The baseline's value is a lower bound."""
    chosen_is_least: bool = False

    @property
    def ratio_text(self) -> str:
        """``1.83x``, ``>= 1.83x`` or ``<= 1.83x`` where one side is a lower bound; ``?`` where both are."""
        text = f"{self.ratio:.3g}x"
        if self.chosen_is_least and self.baseline_is_least:
            return "?"
        return f"<= {text}" if self.baseline_is_least else least(text, is_least=self.chosen_is_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a study found."""

    start: StudyStart
    trials: tuple[Trial, ...]
    front: Front
    choice: Choice | None
    baseline: int | None
    """Number of the baseline trial, where it was measured."""
    comparisons: tuple[BaselineComparison, ...]
    noise_floor: Mapping[str, float]
    """By metric: the largest ratio seen between restarts of one configuration (1.0: none); empty: not measured."""
    rate_rps: float | None
    """The common rate."""
    ended_because: str
    state: Literal["open", "ended", "interrupted"] = "open"
    """`open`: a process runs it, or was killed."""
    knowledge: Mapping[str, Any] | None = None
    """What its trials taught, a `tuner.search.knowledge.Knowledge` as plain JSON; None: not worked out."""
    candidates: tuple[Candidate, ...] = ()
    """All that was measured, on the front or not."""
    outlook: Outlook | None = None
    """What more trials would probably have brought when the search ended; None: nobody can tell."""
    left_out: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """By why, how many valid configurations were never proposed; empty: none, or nobody foresaw it."""


class Recorder(Protocol):
    """Who is told as a study goes on. It may fail: one that raises is told no more, and the study goes on."""

    def started(self, start: StudyStart) -> None: ...

    def proposed(self, proposal: Proposal) -> None:
        """A trial begins."""
        ...

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        """What is used up, and what more trials would probably bring; told before each decision to go on searching."""
        ...

    def stage(self, number: int, stage: str) -> None:
        """Trial `number` entered a stage of its life (`deploy`, `ready`, `verify`, `warm-up`, `measure`, ...)."""
        ...

    def finished(self, trial: Trial) -> None:
        """The trial is in the journal."""
        ...

    def closed(self, summary: Summary) -> None: ...


def display(configuration: Configuration) -> str:
    """A configuration on one line: ``cpu=500m workers=2``."""
    return " ".join(f"{name}={value}" for name, value in configuration.values.items())
