"""The study: search within the budget, choose, measure the choice and the baseline again, and say what was found.

It knows neither where trials run nor how they are hit. What it does next depends on the journal and the clock only, so
that going on after an interruption is the same as having gone on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from tuner.errors import EnvironmentFailure
from tuner.front.choose import choose
from tuner.front.model import Candidate, Choice, Front
from tuner.front.pareto import front as pareto
from tuner.study.candidates import baseline, candidates
from tuner.study.due import due
from tuner.study.events import (
    BUDGET,
    CHOSEN,
    ENDED,
    INTERRUPTED,
    PROPOSED,
    RATE,
    RECORDER_DROPPED,
    SEARCHED,
    last,
    since,
)
from tuner.study.hopeless import failed_alike
from tuner.study.model import Advisor, Proposal, Recorder, StudyStart, Summary
from tuner.study.summary import current, rate, summarize
from tuner.trials.clock import Clock
from tuner.trials.codec import CodecError, decode, encode
from tuner.trials.journal import Journal
from tuner.trials.model import Attempt, Failed, Infeasible, Interrupted, Trial
from tuner.units import format_seconds

RunTrial = Callable[[Proposal], Trial]
"""Runs one trial to its outcome; raises only what ends the study (an interrupt, EnvironmentFailure)."""

_LOST_IN_A_ROW = 3
"""So many trials in a row failed by the environment's fault: measuring on would only use the budget up."""
_TRIED = 2
"""So many trials that fail alike, from the first on, end a study."""
_CHOICES = 2
"""The choice and one runner-up are measured again; what is chosen after both fell is not."""


def pending(journal: Journal) -> Attempt | None:
    """The trial that was begun last, where it never finished."""
    begun = last(journal.events, PROPOSED)
    attempt = None if begun is None else decode(Attempt, begun)
    return attempt if attempt is not None and attempt.number >= len(journal.trials) else None


class Study:
    """One study, new or taken up where its journal ends."""

    def __init__(
        self,
        *,
        start: StudyStart,
        advisor: Advisor,
        journal: Journal,
        recorders: Sequence[Recorder],
        clock: Clock,
        notice: Callable[[str], None],
    ) -> None:
        """`start` is written to a new journal; of a study taken up, its budget counts and the rest is the journal's.

        Raises StoreFailure.
        """
        if journal.start is None:
            journal.begin(start)
        elif start.budget != current(journal.contents()).budget:
            journal.append(BUDGET, encode(start.budget))
        self._start = current(journal.contents())
        self._advisor = advisor
        self._journal = journal
        self._recorders = list(recorders)
        self._clock = clock
        self._notice = notice
        self._running: int | None = None
        self._lost_in_a_row = 0
        self._deployed = 0
        self._begun_s = clock.now() - sum(trial.duration_s for trial in journal.trials)

    @property
    def rate_rps(self) -> float | None:
        """The common rate; None: not fixed yet."""
        return rate(self._journal.contents())

    def fix_rate(self, rate_rps: float) -> None:
        """Write down the common rate, to which all trials of the study then keep. Raises StoreFailure."""
        self._journal.append(RATE, {"rate_rps": rate_rps})

    def run(self, run_trial: RunTrial) -> Summary:
        """Run it to its end.

        Raises, with the state kept, KeyboardInterrupt, EnvironmentFailure (of its stores, of `run_trial`, or when
        several trials in a row could not be measured), and whatever else ends `run_trial`.
        """
        self._tell(lambda recorder: recorder.started(self._start))
        try:
            interrupted = self._advisor.restore(self._journal.trials, pending(self._journal))
            if interrupted is not None:
                self._try(interrupted, run_trial)
            because = self._search(run_trial)
            self._confirm(run_trial)
        except KeyboardInterrupt:
            self._journal.append(INTERRUPTED, {"number": self._running})
            raise
        self._journal.append(ENDED, {"because": because})
        summary = summarize(self._journal.contents())
        self._tell(lambda recorder: recorder.closed(summary))
        return summary

    # search

    def _search(self, run_trial: RunTrial) -> str:
        """Try configurations until there is a reason not to; returns the reason."""
        budget = encode(self._start.budget)
        searched = last(self._journal.events, SEARCHED)
        if searched is not None and searched["budget"] == budget:
            return str(searched["because"])
        because = self._used_up()
        while because is None:
            proposal = self._due() or self._advisor.ask()
            if proposal is None:
                because = "every configuration that can run here was tried"
                break
            self._try(proposal, run_trial)
            because = self._used_up()
            if (hopeless := self._hopeless()) is not None:
                return hopeless  # nothing is written of a search: `tune resume` goes on with it
        self._journal.append(SEARCHED, {"because": because, "budget": budget})
        return because

    def _due(self) -> Proposal | None:
        """What has to be measured now besides the search, and does not count against its trials. None: nothing."""
        if self._start.disturbed == "accept":
            return None
        found = due(self._journal.trials, self._start.objectives)
        return None if found is None else self._advisor.repeat(found.number, found.purpose)

    def _used_up(self) -> str | None:
        """Why no further trial is begun, or None."""
        trials = [trial for trial in self._journal.trials if trial.searched]
        budget = self._start.budget
        if budget.trials is not None and len(trials) >= budget.trials:
            return f"all {budget.trials} trials were run"
        if budget.time_s is not None and trials and not self._fits(budget.time_s):
            return f"the time of {format_seconds(budget.time_s)} is used up"
        return None

    def _hopeless(self) -> str | None:
        """Asked after the first two that were deployed since the study was begun or taken up: later it says less."""
        self._deployed += not isinstance(self._journal.trials[-1].outcome, Infeasible)
        why = failed_alike(self._journal.trials) if self._deployed <= _TRIED else None
        return None if why is None else f"{why}; put that right, then `tune resume` goes on"

    def _fits(self, time_s: float) -> bool:
        """Whether a trial of the median duration ends in time, give or take half of it, and what is confirmed too."""
        usual_s = median(trial.duration_s for trial in self._journal.trials)
        reserve_s = 2 * self._start.budget.confirm * usual_s
        return self._clock.now() - self._begun_s + usual_s / 2 + reserve_s <= time_s

    # confirmation

    def _confirm(self, run_trial: RunTrial) -> None:
        """Measure the choice and the baseline again; should the choice fall, choose again."""
        chosen = next(reversed(self._choices()), None) or self._choose(None)
        while chosen is not None and len(self._choices()) <= _CHOICES:
            self._measure_again(chosen, run_trial)
            if any(member.trial == chosen for member in self._front().members):
                return
            chosen = self._choose(chosen)

    def _choices(self) -> list[int]:
        """What was chosen since the search ended, one after the other."""
        return [event.data["trial"] for event in since(self._journal.events, SEARCHED) if event.kind == CHOSEN]

    def _choose(self, fallen: int | None) -> int | None:
        """Write down a choice; after one or two have fallen, what was measured again is preferred."""
        front, pick = self._front(), self._start.pick
        choice: Choice | None = None
        note = ""
        if len(self._choices()) >= _CHOICES:
            confirmed = tuple(member for member in front.members if self._confirmations(member.trial))
            choice = choose(replace(front, members=confirmed), pick)
            note = "" if choice is not None else "; it was not measured again"
        choice = choice or choose(front, pick)
        if fallen is not None:
            why = f"trial {fallen} was chosen first, but {self._why_fallen(fallen)} when it was measured again"
            self._notice(why if choice is None else f"{why}; now trial {choice.candidate.trial} is chosen")
            note = f"; {why}{note}"
        if choice is None:
            return None
        trial = choice.candidate.trial
        self._journal.append(CHOSEN, {"trial": trial, "pick": choice.pick, "reason": choice.reason, "note": note})
        return trial

    def _why_fallen(self, trial: int) -> str:
        feasible = any(candidate.trial == trial and candidate.feasible for candidate in self._candidates())
        return "fell off the Pareto front" if feasible else "did not meet the SLO"

    def _measure_again(self, chosen: int, run_trial: RunTrial) -> None:
        """The baseline and the choice in turn, so that a drift of the machine strikes both alike."""
        base = baseline(self._journal.trials, self._candidates())
        numbers = dict.fromkeys([chosen] if base is None else [base.trial, chosen])
        for times in range(self._start.budget.confirm):
            for number in numbers:
                if self._confirmations(number) <= times:
                    self._try(self._advisor.repeat(number), run_trial)

    def _confirmations(self, number: int) -> int:
        trials = self._journal.trials
        digest = trials[number].manifest_digest
        return sum(trial.purpose == "confirm" and trial.manifest_digest == digest for trial in trials)

    def _candidates(self) -> tuple[Candidate, ...]:
        return candidates(self._journal.trials, self._start.slo)

    def _front(self) -> Front:
        return pareto(self._candidates(), self._start.objectives)

    # one trial

    def _try(self, proposal: Proposal, run_trial: RunTrial) -> None:
        """Run one trial; it is in the journal before the advisor and the recorders hear of it."""
        self._running = proposal.number
        self._journal.append(PROPOSED, encode(proposal.attempt))
        self._tell(lambda recorder: recorder.proposed(proposal))
        trial = self._written(run_trial(proposal))
        self._running = None
        self._advisor.tell(trial.number, trial.outcome)
        self._tell(lambda recorder: recorder.finished(trial))
        self._stop_when_lost(trial)

    def _stop_when_lost(self, trial: Trial) -> None:
        outcome = trial.outcome
        if not isinstance(outcome, Failed) or outcome.blame != "environment":
            self._lost_in_a_row = 0
            return
        self._lost_in_a_row += 1
        if self._lost_in_a_row == _LOST_IN_A_ROW:
            raise EnvironmentFailure(
                f"{_LOST_IN_A_ROW} trials in a row could not be measured, the last one because {outcome.reason}; "
                "put that right, then `tune resume` goes on"
            )

    def _written(self, trial: Trial) -> Trial:
        if isinstance(trial.outcome, Interrupted):
            raise KeyboardInterrupt(trial.outcome.reason)
        try:
            self._journal.finish(trial)
        except CodecError as error:
            reason = f"it yielded what is no number: {error}"
            outcome = Failed(stage="measure", kind="NotANumber", reason=reason, blame="environment")
            trial = replace(trial, outcome=outcome)
            self._journal.finish(trial)
        return trial

    def _tell(self, tell: Callable[[Recorder], None]) -> None:
        for recorder in tuple(self._recorders):
            try:
                tell(recorder)
            except Exception as error:
                name = type(recorder).__name__
                self._recorders.remove(recorder)
                self._notice(f"{name} failed and is told no more ({type(error).__name__}: {error}); the study goes on")
                self._journal.append(RECORDER_DROPPED, {"recorder": name, "error": f"{type(error).__name__}: {error}"})
