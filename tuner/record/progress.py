"""How far a study is: what is done, what is left, and the best so far, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuner.record.rows import FrontSoFar
from tuner.record.wording import columns, metric_text, objective_text, outcome_text, outlook_text, ratio_text
from tuner.search.model import Outlook
from tuner.space.model import Constraint, SearchSpace
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Measured, Stopped, Trial
from tuner.units import format_money, format_seconds


class Progress:
    """What is known while the study runs: the trials, the front so far, how much is done and left."""

    def __init__(self, space: SearchSpace, now: Callable[[], float], trial_s: float | None = None) -> None:
        """`trial_s`: what a trial is expected to take, until some were run; None: nobody can tell. `now` in seconds."""
        self._budget = space.budget
        self.objectives = space.objectives
        self.slo: Sequence[Constraint] = space.slo
        self._now = now
        self._began = now()
        self._parallel = 1
        self._expected_s = trial_s
        self.trials: list[Trial] = []
        self.running: dict[int, Proposal] = {}
        """By their numbers: several, where trials run beside each other."""
        self._front = FrontSoFar()
        self._base: float | None = None
        self._firsts: list[float] = []
        """Of the feasible trials, the first objective's values; the baseline's beside."""
        self._has_least = False
        """One of them is a lower bound."""
        self._before = 0
        """Trials of the search before this process."""
        self._so_far: Spent | None = None
        self._outlook: Outlook | None = None

    def started(self, start: StudyStart) -> None:
        self._budget, self.objectives, self.slo = start.budget, start.objectives, start.slo
        self._began = self._now()
        self._parallel = start.parallel

    def proposed(self, proposal: Proposal) -> None:
        self.running[proposal.number] = proposal

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._so_far, self._outlook = so_far, outlook
        self._before = so_far.trials - sum(trial.searched for trial in self.trials)

    def finished(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.running.pop(trial.number, None)
        self._front.add((trial,), self.objectives)
        if self.objectives and trial.feasible and (value := _value(trial, self.objectives[0].metric)) is not None:
            if trial.purpose == "baseline" and self._base is None:
                self._base = value
            self._firsts.append(value)
            self._has_least |= _is_least(trial, self.objectives[0].metric)

    def front(self) -> set[int]:
        return self._front.numbers

    def share(self) -> float:
        """How much of the budget is spent, 0 to 1."""
        shares = [0.0]
        if self._budget.trials:
            shares.append(self._searched() / self._budget.trials)
        if self._budget.time_s:
            shares.append(self._elapsed_s() / self._budget.time_s)
        if self._budget.cost and self._so_far is not None and self._so_far.cost is not None:
            shares.append(self._so_far.cost / self._budget.cost)
        return min(1.0, max(shares))

    def left_s(self) -> float | None:
        """Estimated seconds left, those of the race among them; None where there is nothing to estimate from."""
        estimates = []
        if self._budget.time_s:
            estimates.append(self._budget.time_s - self._elapsed_s())
        if (usual_s := self._usual_s()) is not None:
            left: list[float] = [self._budget.trials - self._searched()] if self._budget.trials else []
            if self._budget.cost and self._so_far is not None and self._so_far.cost is not None:
                usual_cost = self._so_far.usual_cost or 0.0
                left += [(self._budget.cost - self._so_far.cost) / usual_cost] if usual_cost else []
            raced = sum(trial.purpose == "confirm" for trial in self.trials)
            race = max(0, self._budget.usual_restarts - raced)
            if raced:  # the search is over, whatever ended it
                left = [0.0]
            estimates += [(max(0.0, trials) + race) * usual_s / self._parallel for trials in left]
        return max(0.0, min(estimates)) if estimates else None

    def line(self) -> str:
        """``3 of 20 trials, about 1m50s left, 0.02 of 5 USD, best throughput 1.86x baseline, 10 more trials would ...``"""
        return ", ".join([self.how_far(), *self.found()])

    def how_far(self) -> str:
        """``3 of 20 trials, about 1m50s left, 0.02 of 5 USD``."""
        of = f" of {self._budget.trials}" if self._budget.trials else ""
        parts = [f"{self._searched()}{of} trials"]
        left = self.left_s()
        if left is not None and left >= 1:
            parts.append(f"about {format_seconds(round(left))} left")
        elif left is not None and self.share() >= 1.0:  # before that a replay's trials take next to nothing
            parts.append("ending")
        if self._budget.cost and self._so_far is not None and self._so_far.cost is not None:
            parts.append(f"{self._so_far.cost:.2g} of {format_money(self._budget.cost, self._so_far.currency)}")
        return ", ".join(parts)

    def found(self) -> list[str]:
        """The best so far, and what more trials would bring."""
        best = self._best_ratio()
        outlook = None if self._outlook is None else outlook_text(self._outlook, self.objectives)
        return [text for text in (best, outlook) if text]

    def result(self, trial: Trial) -> str:
        """A finished trial on one line."""
        if not isinstance(trial.outcome, Measured | Stopped):
            return outcome_text(trial)
        metrics = columns(self.objectives, self.slo, set(trial.measurement.metrics()) if trial.measurement else set())
        values = ", ".join(f"{metric} {metric_text(trial, metric)}" for metric in metrics)
        ended = "on the front so far" if trial.number in self.front() else outcome_text(trial)
        return f"{values}; {ended}"

    def _searched(self) -> int:
        """Trials that count against the budget: confirmations come on top."""
        return self._before + sum(trial.searched for trial in self.trials)

    def _elapsed_s(self) -> float:
        """Since this process took up the study; of a replay what its trials took when they were measured."""
        took_s = sum(trial.duration_s for trial in self.trials) if self._parallel == 1 else 0.0
        return max(self._now() - self._began, took_s)

    def _usual_s(self) -> float | None:
        """What a trial takes: by those of this process, else by those before it, else as expected."""
        if self.trials:
            return sum(trial.duration_s for trial in self.trials) / len(self.trials)
        before = None if self._so_far is None else self._so_far.usual_s
        return self._expected_s if before is None else before

    def _best_ratio(self) -> str | None:
        """The best single run so far against the baseline, in the first objective."""
        if not self.objectives:
            return None
        objective = self.objectives[0]
        if len(self._firsts) < 2 or not self._base:
            return None
        best = max(self._firsts) if objective.direction == "maximize" else min(self._firsts)
        about = "about " if self._has_least else ""
        return f"best {objective.metric} {about}{ratio_text(best / self._base)} baseline"


def _is_least(trial: Trial, metric: str) -> bool:
    estimate = trial.measurement.estimates().get(metric) if trial.measurement else None
    return estimate is not None and estimate.is_least


def _value(trial: Trial, metric: str) -> float | None:
    return trial.measurement.metrics().get(metric) if trial.measurement else None


def headline(start: StudyStart) -> str:
    """What the study is after, and how it goes about it."""
    aims = ", ".join(objective_text(objective) for objective in start.objectives)
    return f"study {start.name}: {aims}; backend {start.backend}, sampler {start.sampler}, seed {start.seed}"


def closing(summary: Summary) -> str:
    """Why it ended, and with what."""
    feasible = sum(trial.feasible for trial in summary.trials)
    undecided = sum(trial.state == "undecided" for trial in summary.trials)
    of_some = f", {undecided} undecided" if undecided else ""
    size = len(summary.front.members)
    found = f"{feasible} met the SLO{of_some}, {size} on the Pareto front"
    if not any(trial.measurement for trial in summary.trials):
        found = "nothing was measured"
    return f"study {summary.start.name} ended: {summary.ended_because}; {len(summary.trials)} trials, {found}"
