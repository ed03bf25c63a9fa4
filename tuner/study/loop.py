"""The study: search within the budget, let the leaders race, choose, and say what was found.

It knows neither where trials run nor how they are hit. What it does next depends on the journal and the clock only, so
that going on after an interruption is the same as having gone on.

Trials may run beside each other. Each has its number from when it was proposed, and the journal has them in that order:
one that ends before another of a lower number is written down at once all the same, as an event of its own, and becomes
a trial of the journal when its turn comes.
"""

from __future__ import annotations

from collections import Counter
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
    EARLY,
    ENDED,
    INTERRUPTED,
    PARALLEL,
    PROPOSED,
    RATE,
    RECORDER_DROPPED,
    SEARCHED,
    last,
    since,
)
from tuner.study.hopeless import baseline_failed, failed_alike
from tuner.study.model import Advisor, Proposal, Recorder, StudyStart, Summary, Workers
from tuner.study.stop import AHEAD, Price, Spent, race_over, search_over, spent
from tuner.study.summary import current, rate, summarize
from tuner.study.unfinished import Unfinished, busy_s, unfinished
from tuner.trials.clock import Clock
from tuner.trials.codec import encode
from tuner.trials.journal import Journal
from tuner.trials.model import SEARCHING, Failed, Infeasible, Interrupted, Purpose, Stopped, Trial
from tuner.trials.writable import writable

_LOST_IN_A_ROW = 3
"""So many trials in a row, for each that runs at a time, failed by the environment's fault: measuring on would only use
the budget up."""
_TRIED = 2
"""So many trials that fail alike, from the first on, end a study."""


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
        conclude: Callable[[Summary], Summary] = lambda summary: summary,
    ) -> None:
        """`start` is written to a new journal; of a study taken up, its budget and how many trials run at a time count,
        and the rest is the journal's.
        `price` is in `currency`; None: it is not known, and nothing is spent. `conclude` adds to what was found, and
        writes it down, before anyone is told that the study ended.

        Raises StoreFailure.
        """
        if journal.start is None:
            journal.begin(start)
        before = current(journal.contents())
        if start.budget != before.budget:
            journal.append(BUDGET, encode(start.budget))
        if start.parallel != before.parallel:
            journal.append(PARALLEL, {"number": start.parallel})
        self._start = current(journal.contents())
        self._advisor = advisor
        self._journal = journal
        self._recorders = list(recorders)
        self._clock = clock
        self._notice = notice
        self._price = price
        self._currency = currency
        self._conclude = conclude
        self._running: dict[int, Proposal] = {}
        """What the workers are at."""
        self._early: dict[int, Trial] = {}
        """What ended before its turn in the journal."""
        self._lost_in_a_row = 0
        self._taken_up = len(journal.trials)
        """So many trials had ended before."""
        self._outlook: Outlook | None = None
        self._begun_s = clock.now() - busy_s(journal.trials, max(start.parallel, before.parallel))

    @property
    def start(self) -> StudyStart:
        """With the budget as it is now."""
        return self._start

    @property
    def rate_rps(self) -> float | None:
        """The common rate; None: not fixed yet."""
        return rate(self._journal.contents())

    def fix_rate(self, rate_rps: float) -> None:
        """Write down the common rate, to which all trials of the study then keep. Raises StoreFailure."""
        self._journal.append(RATE, {"rate_rps": rate_rps})

    @property
    def early(self) -> tuple[Trial, ...]:
        """Trials that ended before one of a lower number did, and are in the journal as events only."""
        return tuple(self._early[number] for number in sorted(self._early))

    def run(self, workers: Workers) -> Summary:
        """Run it to its end.

        Raises, with the state kept, KeyboardInterrupt, EnvironmentFailure (of its stores, of `workers`, or when
        several trials in a row could not be measured), and whatever else ends a worker.
        """
        self._tell(lambda recorder: recorder.started(self._start))
        so_far = self._spent()
        self._tell(lambda recorder: recorder.foreseen(so_far, None))
        try:
            self._take_up(unfinished(self._journal), workers)
            because = self._search(workers)
            self._race(workers)
        except KeyboardInterrupt:
            self._journal.append(INTERRUPTED, {"number": min(self._running, default=None)})
            raise
        self._journal.append(ENDED, {"because": because})
        summary = self._conclude(summarize(self._journal.contents()))
        self._tell(lambda recorder: recorder.closed(summary))
        return summary

    def _take_up(self, left: Unfinished, workers: Workers) -> None:
        """Begin again what was begun and never ended."""
        proposals = self._advisor.restore(self._journal.trials, left.attempts)
        self._early.update({trial.number: trial for trial in left.early})
        early = {*self._early}
        self._finish_waiting()
        for proposal in proposals:
            if proposal.number not in early:
                self._await_free(workers)
                self._begin(proposal, workers)

    # search

    def _search(self, workers: Workers) -> str:
        """Try configurations until there is a reason not to; returns the reason."""
        budget = encode(self._start.budget)
        searched = last(self._journal.events, SEARCHED)
        if searched is not None and searched["budget"] == budget:
            return str(searched["because"])
        because = self._begin_more(workers)
        while self._running:
            self._settle(workers)
            if (hopeless := self._hopeless()) is not None:
                self._await_all(workers)
                return hopeless  # nothing is written of a search: `tune resume` goes on with it
            because = self._begin_more(workers)
        foreseen = None if self._outlook is None else encode(self._outlook)
        left_out = self._advisor.left_out()
        if left_out:
            why = "; ".join(f"{number:,}: {reason}" for reason, number in left_out.items())
            self._notice(f"valid, but not worth a trial, so that they were never proposed: {why}")
        data = {"because": because, "budget": budget, "outlook": foreseen, "left_out": dict(left_out)}
        self._journal.append(SEARCHED, data)
        return str(because)

    def _begin_more(self, workers: Workers) -> str | None:
        """Begin trials while a worker is free; returns why no further one is begun. None: all are busy."""
        because = self._search_over()
        while because is None and len(self._running) < self._at_once(workers):
            proposal = self._due() or self._advisor.ask()
            if proposal is None:
                return "every configuration that can run here was tried"
            self._begin(proposal, workers)
            because = self._search_over() if len(self._running) < self._at_once(workers) else None
        return because

    def _at_once(self, workers: Workers) -> int:
        """The baseline is measured alone: what is tried next follows from it, and at which rate from what is measured
        first."""
        trials = self._journal.trials
        rated = self.rate_rps is not None or any(trial.measurement is not None for trial in trials)
        return workers.number if trials and rated and lost_baseline(trials) is None else 1

    def _due(self) -> Proposal | None:
        """What has to be measured now besides the search, and does not count against its trials. None: nothing."""
        if self._start.disturbed == "accept":
            return None
        found = due(self._journal.trials, self._start.objectives)
        if found is None or found.purpose in self._begun:
            return None
        return self._advisor.repeat(found.number, found.purpose)

    def _search_over(self) -> str | None:
        """Why no further trial is begun, or None."""
        so_far, self._outlook = self._spent(), self._advisor.outlook(AHEAD)
        self._tell(lambda recorder: recorder.foreseen(so_far, self._outlook))
        lacks = self._start.disturbed != "accept" and lost_baseline(self._journal.trials) is not None
        return search_over(self._start.budget, so_far, self._outlook, lacks_baseline=lacks)

    def _spent(self) -> Spent:
        so_far = spent(self._journal.trials, self._clock.now() - self._begun_s, self._price, self._currency)
        return replace(so_far, under_way=sum(purpose in SEARCHING for purpose in self._begun))

    @property
    def _begun(self) -> list[Purpose]:
        """What the trials are for that are no trials of the journal yet."""
        return [*(one.purpose for one in self._running.values()), *(one.purpose for one in self._early.values())]

    def _hopeless(self) -> str | None:
        """Asked after the first two that were deployed since the study was begun or taken up: later it says less."""
        trials = self._journal.trials[self._taken_up :]
        deployed = sum(not isinstance(trial.outcome, Infeasible) for trial in trials)
        if (why := baseline_failed(self._journal.trials)) is not None:
            return f"{why}, and run the study anew"
        why = failed_alike(self._journal.trials) if deployed <= _TRIED else None
        return None if why is None else f"{why}; put that right, then `tune resume` goes on"

    # the race

    def _race(self, workers: Workers) -> None:
        """Start the leaders and the baseline again, in turn, until it is certain which to choose; and choose."""
        if any(event.kind == CHOSEN for event in since(self._journal.events, SEARCHED)):
            return
        self._await_free(workers)
        if self._start.budget.confirm == 0:
            self._await_all(workers)
            self._choose_as_seen()
            return
        fallen: set[int] = set()
        while True:
            came = self._step()
            for trial in came.fallen:
                if trial not in fallen and self._raced(trial):
                    self._notice(f"trial {trial} is out of the race: {self._why_fallen(trial)}")
            fallen |= {*came.fallen}
            if came.start is not None:
                self._begin(self._advisor.repeat(came.start), workers)
                self._await_free(workers)
            elif self._running:  # what they will tell may change it
                self._settle(workers)
            else:
                break
        if came.chosen is not None:
            candidate = next(one for one in self._candidates() if one.trial == came.chosen)
            reason = by_race(candidate, self._start.objectives)
            choice = Choice(candidate=candidate, pick=self._start.pick, reason=reason, equals=came.equals)
            self._write_choice(choice, f"; {came.why}")

    def _step(self) -> Step:
        start, trials = self._start, self._journal.trials
        base = baseline(trials, self._candidates())
        begun = Counter(one.rendered.digest for one in self._running.values() if one.purpose == "confirm")
        begun.update(one.manifest_digest for one in self._early.values() if one.purpose == "confirm")
        return step(
            [
                replace(one, starts=one.starts + begun[trials[one.trial].manifest_digest])
                for one in contenders(trials, start.slo)
            ],
            Aim(objectives=start.objectives, slo=start.slo, pick=start.pick),
            baseline=None if base is None else base.trial,
            wanted=start.budget.confirm,
            used=len(self._restarts()) + begun.total(),
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

    # trials

    def _begin(self, proposal: Proposal, workers: Workers) -> None:
        self._journal.append(PROPOSED, encode(proposal.attempt))
        self._running[proposal.number] = proposal
        self._tell(lambda recorder: recorder.proposed(proposal))
        workers.start(proposal)

    def _await_free(self, workers: Workers) -> None:
        """Returns when a worker is free."""
        while len(self._running) >= workers.number:
            self._settle(workers)

    def _await_all(self, workers: Workers) -> None:
        while self._running:
            self._settle(workers)

    def _settle(self, workers: Workers) -> None:
        """Wait for the next trial that ends, and write it down."""
        trial = writable(workers.next())
        if isinstance(trial.outcome, Interrupted):
            raise KeyboardInterrupt(trial.outcome.reason)
        del self._running[trial.number]
        if trial.number > len(self._journal.trials):
            self._journal.append(EARLY, encode(trial))
            self._early[trial.number] = trial
            ahead = f"ended; its turn comes after trial {min(self._running)}"
            self._tell(lambda recorder: recorder.stage(trial.number, ahead))
            return
        self._finish(trial)
        self._finish_waiting()

    def _finish_waiting(self) -> None:
        """Those whose turn it is by now."""
        while (waited := self._early.pop(len(self._journal.trials), None)) is not None:
            self._finish(waited)

    def _finish(self, trial: Trial) -> None:
        """It is in the journal before the advisor and the recorders hear of it."""
        self._journal.finish(trial)
        self._advisor.tell(trial.number, trial.outcome, trial.started_at, trial.duration_s)
        self._tell(lambda recorder: recorder.finished(trial))
        self._stop_when_lost(trial)

    def _stop_when_lost(self, trial: Trial) -> None:
        outcome = trial.outcome
        if not isinstance(outcome, Failed) or outcome.blame != "environment":
            self._lost_in_a_row = 0
            return
        self._lost_in_a_row += 1
        if self._lost_in_a_row == _LOST_IN_A_ROW * self._start.parallel:
            raise EnvironmentFailure(
                f"{self._lost_in_a_row} trials in a row could not be measured, the last one because {outcome.reason}; "
                "put that right, then `tune resume` goes on"
            )

    def _tell(self, tell: Callable[[Recorder], None]) -> None:
        for recorder in tuple(self._recorders):
            try:
                tell(recorder)
            except Exception as error:
                name = type(recorder).__name__
                self._recorders.remove(recorder)
                self._notice(f"{name} failed and is told no more ({type(error).__name__}: {error}); the study goes on")
                self._journal.append(RECORDER_DROPPED, {"recorder": name, "error": f"{type(error).__name__}: {error}"})
