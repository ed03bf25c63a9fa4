"""The study: search within the budget, let the leaders race, choose, and say what was found.

It knows neither where trials run nor how they are hit. What it does next depends on the journal and the clock only, so
that going on after an interruption is the same as having gone on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tuner.errors import EnvironmentFailure
from tuner.front.choose import by_race, choose
from tuner.front.model import Candidate, Choice, Front
from tuner.front.pareto import front as pareto
from tuner.search.model import Outlook
from tuner.search.race import Step, step
from tuner.search.standings import Aim
from tuner.study.candidates import baseline, candidates, contenders
from tuner.study.due import due, lost_baseline
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
from tuner.study.stop import AHEAD, Price, Spent, race_over, search_over, spent
from tuner.study.summary import current, rate, summarize
from tuner.trials.clock import Clock
from tuner.trials.codec import CodecError, decode, encode
from tuner.trials.journal import Journal
from tuner.trials.model import Attempt, Failed, Infeasible, Interrupted, Stopped, Trial

RunTrial = Callable[[Proposal], Trial]
"""Runs one trial to its outcome; raises only what ends the study (an interrupt, EnvironmentFailure)."""

_LOST_IN_A_ROW = 3
"""So many trials in a row failed by the environment's fault: measuring on would only use the budget up."""
_TRIED = 2
"""So many trials that fail alike, from the first on, end a study."""


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
        price: Price | None = None,
        currency: str = "USD",
    ) -> None:
        """`start` is written to a new journal; of a study taken up, its budget counts and the rest is the journal's.
        `price` is in `currency`; None: it is not known, and nothing is spent.

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
        self._price = price
        self._currency = currency
        self._running: int | None = None
        self._lost_in_a_row = 0
        self._deployed = 0
        self._outlook: Outlook | None = None
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
        so_far = self._spent()
        self._tell(lambda recorder: recorder.foreseen(so_far, None))
        try:
            interrupted = self._advisor.restore(self._journal.trials, pending(self._journal))
            if interrupted is not None:
                self._try(interrupted, run_trial)
            because = self._search(run_trial)
            self._race(run_trial)
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
        because = self._search_over()
        while because is None:
            proposal = self._due() or self._advisor.ask()
            if proposal is None:
                because = "every configuration that can run here was tried"
                break
            self._try(proposal, run_trial)
            because = self._search_over()
            if (hopeless := self._hopeless()) is not None:
                return hopeless  # nothing is written of a search: `tune resume` goes on with it
        foreseen = None if self._outlook is None else encode(self._outlook)
        left_out = self._advisor.left_out()
        if left_out:
            why = "; ".join(f"{number:,}: {reason}" for reason, number in left_out.items())
            self._notice(f"valid, but not worth a trial, so that they were never proposed: {why}")
        data = {"because": because, "budget": budget, "outlook": foreseen, "left_out": dict(left_out)}
        self._journal.append(SEARCHED, data)
        return because

    def _due(self) -> Proposal | None:
        """What has to be measured now besides the search, and does not count against its trials. None: nothing."""
        if self._start.disturbed == "accept":
            return None
        found = due(self._journal.trials, self._start.objectives)
        return None if found is None else self._advisor.repeat(found.number, found.purpose)

    def _search_over(self) -> str | None:
        """Why no further trial is begun, or None."""
        so_far, self._outlook = self._spent(), self._advisor.outlook(AHEAD)
        self._tell(lambda recorder: recorder.foreseen(so_far, self._outlook))
        lacks = self._start.disturbed != "accept" and lost_baseline(self._journal.trials) is not None
        return search_over(self._start.budget, so_far, self._outlook, lacks_baseline=lacks)

    def _spent(self) -> Spent:
        return spent(self._journal.trials, self._clock.now() - self._begun_s, self._price, self._currency)

    def _hopeless(self) -> str | None:
        """Asked after the first two that were deployed since the study was begun or taken up: later it says less."""
        self._deployed += not isinstance(self._journal.trials[-1].outcome, Infeasible)
        why = failed_alike(self._journal.trials) if self._deployed <= _TRIED else None
        return None if why is None else f"{why}; put that right, then `tune resume` goes on"

    # the race

    def _race(self, run_trial: RunTrial) -> None:
        """Start the leaders and the baseline again, in turn, until it is certain which to choose; and choose."""
        if any(event.kind == CHOSEN for event in since(self._journal.events, SEARCHED)):
            return
        if self._start.budget.confirm == 0:
            self._choose_as_seen()
            return
        fallen: set[int] = set()
        while True:
            came = self._step()
            for trial in came.fallen:
                if trial not in fallen and self._raced(trial):
                    self._notice(f"trial {trial} is out of the race: {self._why_fallen(trial)}")
            fallen |= {*came.fallen}
            if came.start is None:
                break
            self._try(self._advisor.repeat(came.start), run_trial)
        if came.chosen is not None:
            candidate = next(one for one in self._candidates() if one.trial == came.chosen)
            reason = by_race(candidate, self._start.objectives)
            choice = Choice(candidate=candidate, pick=self._start.pick, reason=reason, equals=came.equals)
            self._write_choice(choice, f"; {came.why}")

    def _step(self) -> Step:
        start, trials = self._start, self._journal.trials
        base = baseline(trials, self._candidates())
        return step(
            contenders(trials, start.slo),
            Aim(objectives=start.objectives, slo=start.slo, pick=start.pick),
            baseline=None if base is None else base.trial,
            wanted=start.budget.confirm,
            used=len(self._restarts()),
            spent=race_over(start.budget, self._spent()),
        )

    def _restarts(self) -> set[int]:
        """Numbers of the finished trials of this race."""
        begun = [event.data for event in since(self._journal.events, SEARCHED) if event.kind == PROPOSED]
        numbers = {data["number"] for data in begun if data["purpose"] == "confirm"}
        return {number for number in numbers if number < len(self._journal.trials)}

    def _raced(self, trial: int) -> bool:
        digest = self._journal.trials[trial].manifest_digest
        return any(self._journal.trials[number].manifest_digest == digest for number in self._restarts())

    def _why_fallen(self, trial: int) -> str:
        """Of one that was started again."""
        trials = self._journal.trials
        again = [one for one in trials if one.purpose == "confirm"]
        outcome = [one.outcome for one in again if one.manifest_digest == trials[trial].manifest_digest][-1]
        if isinstance(outcome, Stopped | Infeasible | Failed):
            return f"started again, it did not hold ({outcome.reason})"
        return "measured again, it does not surely meet the SLO"

    def _choose_as_seen(self) -> None:
        choice = choose(self._front(), self._start.pick)
        if choice is not None:
            self._write_choice(choice, "; it was not measured again")

    def _write_choice(self, choice: Choice, note: str = "") -> None:
        trial = choice.candidate.trial
        data = {"trial": trial, "pick": choice.pick, "reason": choice.reason, "note": note, "equals": [*choice.equals]}
        self._journal.append(CHOSEN, data)

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
