"""The console as a recorder: a live table in a terminal, plain lines elsewhere; and the tables the commands print.

User data goes into `rich` as Text, never as markup. Colour and cursor tricks are rich's to leave out (NO_COLOR, no
terminal); no meaning is in colour alone.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.front.model import Candidate
from tuner.record.machine import corrected_text, is_disturbed, speed_text
from tuner.record.rows import FrontSoFar
from tuner.record.wording import (
    comparison_lines,
    constraint_text,
    currency_of,
    estimate_text,
    metric_text,
    objective_text,
    outcome_text,
    outcome_word,
    outlook_text,
    ratio_text,
)
from tuner.search.model import Outlook
from tuner.space.model import Constraint, Objective, SearchSpace
from tuner.statistics.model import Estimate
from tuner.study.model import Proposal, StudyStart, Summary, display
from tuner.study.stop import Spent
from tuner.trials.model import Measured, Stopped, Trial
from tuner.units import format_money, format_seconds

__all__ = ["LiveConsole", "PlainConsole", "comparison_lines", "pareto_table", "trials_table"]

_ROWS_BESIDE_THE_TABLE = 10


def pareto_table(summary: Summary) -> RenderableType:
    """The Pareto front, best first in the first objective; ``*`` marks the choice."""
    if not summary.front.members:
        measured = any(trial.measurement for trial in summary.trials)
        undecided = sum(trial.state == "undecided" for trial in summary.trials)
        of_some = f" ({undecided} undecided)" if undecided else ""
        why = f"no configuration certainly met the SLO{of_some}" if measured else "nothing was measured"
        return Text(f"The Pareto front is empty: {why}.")
    by_number = {trial.number: trial for trial in summary.trials}
    metrics = _columns(
        summary.start.objectives, summary.start.slo, {m for c in summary.front.members for m in c.metrics}
    )
    table = _table("Pareto front", metrics)
    table.add_column("restarts", justify="right", no_wrap=True)
    chosen = summary.choice.candidate.trial if summary.choice else None
    currency = currency_of(summary.trials)
    for member in summary.front.members:
        trial = by_number.get(member.trial)
        marks = ("*" if member.trial == chosen else "") + ("b" if member.trial == summary.baseline else "")
        shown_by = [by_number[number] for number in member.measured_by if number in by_number]
        alone = shown_by[0].measurement if len(shown_by) == 1 else None
        intervals = alone.estimates() if alone is not None else {}
        cells = [_member_text(metric, member, intervals, currency) for metric in metrics]
        shown = display(trial.configuration) if trial else ""
        table.add_row(
            *(Text(cell) for cell in (f"{marks}{member.trial}", shown, *cells, str(member.replicates))),
            style="bold" if member.trial == chosen else "",
        )
    legend = "* chosen   b baseline   (low-high): 95 % interval of one run"
    return Group(table, Text(legend, style="dim"))


def trials_table(summary: Summary) -> RenderableType:
    """Every trial with its metrics, and below why those ended that are not feasible. ``*`` chosen, ``+`` on the Pareto
    front, ``b`` baseline."""
    chosen = {summary.choice.candidate.trial} if summary.choice else set()
    front = {member.trial for member in summary.front.members}
    table = _trials(summary.trials, summary.start.objectives, summary.start.slo, front=front, chosen=chosen)
    reasons = [Text(f"trial {trial.number} {outcome_text(trial)}") for trial in summary.trials if not trial.feasible]
    return Group(table, Text("* chosen   + on the Pareto front   b baseline", style="dim"), *reasons)


class PlainConsole:
    """One line an event, for logs and pipes."""

    def __init__(self, space: SearchSpace, console: Console) -> None:
        self._progress = _Progress(space, time.monotonic)
        self._console = console

    def started(self, start: StudyStart) -> None:
        self._progress.started(start)
        self._say(_headline(start))
        bounds = ", ".join(constraint_text(constraint) for constraint in start.slo)
        self._say(f"SLO: {bounds or 'none'}")

    def proposed(self, proposal: Proposal) -> None:
        self._progress.proposed(proposal)
        self._say(f"trial {proposal.number} ({proposal.purpose}): {display(proposal.configuration)}")

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._progress.foreseen(so_far, outlook)

    def stage(self, number: int, stage: str) -> None:
        self._say(f"trial {number}: {stage}")

    def finished(self, trial: Trial) -> None:
        self._progress.finished(trial)
        self._say(f"trial {trial.number}: {self._progress.result(trial)}")
        self._say(self._progress.line())

    def closed(self, summary: Summary) -> None:
        self._say(_closing(summary))

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class LiveConsole:
    """A table that grows, the trial that runs, and how far the study is. Leaves the terminal whole, whatever happens.

    Drawn once a second and at every event; `now` is the clock for the time left.
    """

    def __init__(self, space: SearchSpace, console: Console, *, now: Callable[[], float] = time.monotonic) -> None:
        self._progress = _Progress(space, now)
        self._console = console
        self._headline = ""
        self._stage = ""
        self._open = True
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=1, vertical_overflow="crop")

    def started(self, start: StudyStart) -> None:
        self._progress.started(start)
        self._headline = _headline(start)
        atexit.register(self.stop)
        self._live.start()

    def proposed(self, proposal: Proposal) -> None:
        self._progress.proposed(proposal)
        self._stage = f"trial {proposal.number}: {proposal.purpose}"
        self._live.refresh()

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._progress.foreseen(so_far, outlook)
        self._live.refresh()

    def stage(self, number: int, stage: str) -> None:
        self._stage = f"trial {number}: {stage}"
        self._live.refresh()

    def finished(self, trial: Trial) -> None:
        self._progress.finished(trial)
        self._stage = ""
        self._live.refresh()

    def closed(self, summary: Summary) -> None:
        self._open = False
        self._live.refresh()
        self.stop()
        self._console.print(Text(_closing(summary)))

    def stop(self) -> None:
        """Give the terminal back; called again it does nothing."""
        self._live.stop()
        atexit.unregister(self.stop)

    def _render(self) -> RenderableType:
        progress = self._progress
        parts: list[RenderableType] = [
            Text(self._headline, style="bold", no_wrap=True, overflow="ellipsis"),
            self._table(),
        ]
        if self._open:
            if progress.trials and not progress.trials[-1].feasible:
                last = progress.trials[-1]
                parts.append(Text(f"trial {last.number} {outcome_text(last)}", no_wrap=True, overflow="ellipsis"))
            if progress.current is not None:
                running = f"{self._stage}   {display(progress.current.configuration)}"
                parts.append(Text(running, no_wrap=True, overflow="ellipsis"))
            bar = Table.grid(padding=(0, 1), expand=True)
            bar.add_column(ratio=1)
            bar.add_column(no_wrap=True)
            bar.add_row(ProgressBar(total=1.0, completed=progress.share()), Text(progress.line()))
            parts.append(bar)
        return Group(*parts)

    def _table(self) -> RenderableType:
        """As many trials as the window holds: the newest, and before them those on the front."""
        trials, front = self._progress.trials, self._progress.front()
        room = max(4, self._console.size.height - _ROWS_BESIDE_THE_TABLE) if self._open else len(trials)
        kept = {trial.number for trial in trials[-max(2, room // 2) :]}
        for trial in sorted(trials, key=lambda trial: (trial.number not in front, -trial.number)):
            if len(kept) < room:
                kept.add(trial.number)
        shown = [trial for trial in trials if trial.number in kept]
        return _trials(
            shown, self._progress.objectives, self._progress.slo, front=front, chosen=(), one_line=self._open
        )


class _Progress:
    """What is known while the study runs: the trials, the front so far, how much is done and left."""

    def __init__(self, space: SearchSpace, now: Callable[[], float]) -> None:
        self._budget = space.budget
        self.objectives = space.objectives
        self.slo: Sequence[Constraint] = space.slo
        self._now = now
        self._began = now()
        self.trials: list[Trial] = []
        self.current: Proposal | None = None
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

    def proposed(self, proposal: Proposal) -> None:
        self.current = proposal

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._so_far, self._outlook = so_far, outlook
        self._before = so_far.trials - sum(trial.searched for trial in self.trials)

    def finished(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.current = None
        self._front.add((trial,), self.objectives)
        if self.objectives and trial.feasible and (value := _value(trial, self.objectives[0].metric)) is not None:
            if trial.purpose == "baseline" and self._base is None:
                self._base = value
            self._firsts.append(value)
            self._has_least |= _is_least(trial, self.objectives[0].metric)

    def front(self) -> set[int]:
        return self._front.numbers

    def _searched(self) -> int:
        """Trials that count against the budget: confirmations come on top."""
        return self._before + sum(trial.searched for trial in self.trials)

    def _elapsed_s(self) -> float:
        """Since this process took up the study; of a replay what its trials took when they were measured."""
        return max(self._now() - self._began, sum(trial.duration_s for trial in self.trials))

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
        """Estimated seconds left, those of the race among them; None before there is anything to estimate from."""
        estimates = []
        if self._budget.time_s:
            estimates.append(self._budget.time_s - self._elapsed_s())
        if self.trials:
            usual_s = sum(trial.duration_s for trial in self.trials) / len(self.trials)
            searched = self._searched()
            left: list[float] = [self._budget.trials - searched] if self._budget.trials else []
            if self._budget.cost and self._so_far is not None and self._so_far.cost is not None:
                usual_cost = self._so_far.usual_cost or 0.0
                left += [(self._budget.cost - self._so_far.cost) / usual_cost] if usual_cost else []
            raced = sum(trial.purpose == "confirm" for trial in self.trials)
            race = max(0, self._budget.usual_restarts - raced)
            if raced:  # the search is over, whatever ended it
                left = [0.0]
            estimates += [(max(0.0, trials) + race) * usual_s for trials in left]
        return max(0.0, min(estimates)) if estimates else None

    def line(self) -> str:
        """``3 of 20 trials, about 1m50s left, 0.02 of 5 USD, best throughput 1.86x baseline, 10 more trials would ...``"""
        of = f" of {self._budget.trials}" if self._budget.trials else ""
        parts = [f"{self._searched()}{of} trials"]
        left = self.left_s()
        if left is not None and left >= 1:
            parts.append(f"about {format_seconds(round(left))} left")
        elif left is not None and self.share() >= 1.0:  # before that a replay's trials take next to nothing
            parts.append("ending")
        if self._budget.cost and self._so_far is not None and self._so_far.cost is not None:
            parts.append(f"{self._so_far.cost:.2g} of {format_money(self._budget.cost, self._so_far.currency)}")
        best = self._best_ratio()
        if best:
            parts.append(best)
        if self._outlook is not None:
            parts.append(outlook_text(self._outlook, self.objectives))
        return ", ".join(parts)

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

    def result(self, trial: Trial) -> str:
        """A finished trial on one line."""
        if not isinstance(trial.outcome, Measured | Stopped):
            return outcome_text(trial)
        metrics = _columns(self.objectives, self.slo, set(trial.measurement.metrics()) if trial.measurement else set())
        values = ", ".join(f"{metric} {metric_text(trial, metric)}" for metric in metrics)
        ended = "on the front so far" if trial.number in self.front() else outcome_text(trial)
        return f"{values}; {ended}"


def _columns(objectives: Sequence[Objective], slo: Sequence[Constraint], measured: Collection[str]) -> list[str]:
    """Metrics worth a column: the objectives, then what the SLO bounds; of those only what was measured."""
    wanted = [*(objective.metric for objective in objectives), *(constraint.metric for constraint in slo)]
    return [metric for metric in dict.fromkeys(wanted) if metric in measured]


def _table(title: str, metrics: Sequence[str], *, one_line: bool = False) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("knobs", overflow="fold")
    for metric in metrics:
        table.add_column(metric.replace("_", "\n"), justify="right", no_wrap=one_line, overflow="fold")
    return table


def _trials(
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    slo: Sequence[Constraint],
    *,
    front: Collection[int],
    chosen: Collection[int],
    one_line: bool = False,
) -> Table:
    measured = {metric for trial in trials if trial.measurement for metric in trial.measurement.metrics()}
    metrics = _columns(objectives, slo, measured)
    table = _table("Trials", metrics, one_line=one_line)
    wanders = any(map(is_disturbed, trials))
    if wanders:
        table.add_column("machine", no_wrap=True, justify="right")
    table.add_column("result", no_wrap=True)
    for trial in trials:
        marks = ("*" if trial.number in chosen else "+" if trial.number in front else "") + (
            "b" if trial.purpose == "baseline" else ""
        )
        cells = [_short(trial, metric) if one_line else metric_text(trial, metric) for metric in metrics]
        if wanders:
            cells = [cell + corrected_text(trial, metric) for cell, metric in zip(cells, metrics, strict=True)]
            cells.append(speed_text(trial))
        style = "green" if trial.number in front else "" if trial.feasible else "dim"
        table.add_row(
            Text(f"{marks}{trial.number}"),
            Text(display(trial.configuration), no_wrap=one_line, overflow="ellipsis" if one_line else "fold"),
            *(Text(cell) for cell in cells),
            Text(outcome_word(trial)),
            style=style,
        )
    return table


def _short(trial: Trial, metric: str) -> str:
    value = _value(trial, metric)
    if value is None or trial.measurement is None:
        return "-"
    is_least = trial.measurement.estimates()[metric].is_least
    return estimate_text(metric, Estimate(value=value, is_least=is_least), trial.measurement.currency)


def _is_least(trial: Trial, metric: str) -> bool:
    return (
        trial.measurement is not None
        and metric in trial.measurement.estimates()
        and (trial.measurement.estimates()[metric].is_least)
    )


def _value(trial: Trial, metric: str) -> float | None:
    return trial.measurement.metrics().get(metric) if trial.measurement else None


def _member_text(metric: str, member: Candidate, intervals: Mapping[str, Estimate], currency: str) -> str:
    """The candidate's median; with the interval of its run where there was but one."""
    if metric not in member.metrics:
        return "-"
    estimate = intervals.get(metric)
    if estimate is None or estimate.value != member.metrics[metric]:
        estimate = Estimate(value=member.metrics[metric], is_least=metric in member.least)
    return estimate_text(metric, estimate, currency)


def _headline(start: StudyStart) -> str:
    aims = ", ".join(objective_text(objective) for objective in start.objectives)
    return f"study {start.name}: {aims}; backend {start.backend}, sampler {start.sampler}, seed {start.seed}"


def _closing(summary: Summary) -> str:
    feasible = sum(trial.feasible for trial in summary.trials)
    undecided = sum(trial.state == "undecided" for trial in summary.trials)
    of_some = f", {undecided} undecided" if undecided else ""
    size = len(summary.front.members)
    found = f"{feasible} met the SLO{of_some}, {size} on the Pareto front"
    if not any(trial.measurement for trial in summary.trials):
        found = "nothing was measured"
    return f"study {summary.start.name} ended: {summary.ended_because}; {len(summary.trials)} trials, {found}"
