"""The tables of trials: one line a trial, whole words, no wider than the terminal.

A column a knob, of those alone that differ among what is shown. Where the terminal is too narrow for all, intervals go
first, then metrics that are the same in all rows, then the knobs that matter least, which the line below names. User data goes into `rich` as Text, never as
markup; no meaning is in colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from tuner.record.machine import corrected_text, is_disturbed, speed_text
from tuner.record.wording import columns, currency_of, estimate_text, outcome_word
from tuner.space.metrics import METRICS
from tuner.space.model import Configuration, Constraint, Objective
from tuner.statistics.model import Estimate
from tuner.study.candidates import pooled
from tuner.study.model import Summary
from tuner.trials.model import Trial

_BETWEEN = 2
"""Blanks between two columns."""
_ABSENT = "-"
_NAMED = 5
"""So many of the knobs without room are named."""
_PIECES = re.compile(r"[^_\-./]+[_\-./]*|[_\-./]+")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table, but for its knobs."""

    name: str
    configuration: Configuration
    estimates: Sequence[Estimate | None]
    """Of the table's metrics."""
    end: Sequence[str]
    """Cells of the last columns."""
    style: str = ""
    beside: Sequence[str] = ()
    """What is said beside each metric; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table that fits the width it is drawn in."""

    title: str
    metrics: Sequence[str]
    ends: Sequence[str]
    """Titles of the last columns."""
    rows: Sequence[Row]
    currency: str
    order: Sequence[str] = ()
    """Knobs, those that matter most first; the others come after them."""
    legend: str = ""
    say_the_same: bool = False
    """Name the knobs that have one value in all rows."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        differing = differing_knobs([row.configuration for row in self.rows])
        shown = self._fitting(differing, options.max_width)
        columns_ = self._columns(shown)
        fits = _width(columns_) <= options.max_width
        table = Table(
            title=self.title,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for column in columns_:
            table.add_column(
                Text(column.title),
                justify="right" if column.right else "left",
                no_wrap=fits,
                overflow="fold",
            )
        for index, row in enumerate(self.rows):
            table.add_row(*(Text(column.cells[index]) for column in columns_), style=row.style)
        yield table
        if self.legend:
            yield Text(self.legend, style="dim")
        left_out = [name for name in differing if name not in shown.knobs]
        if left_out:
            more = f" and {len(left_out) - _NAMED} more knobs" if len(left_out) > _NAMED else ""
            yield Text(f"no room for: {', '.join(left_out[:_NAMED])}{more} (--json has all)", style="dim")
        same = [f"{metric} {self._alike(metric)}" for metric in self.metrics if metric not in shown.metrics]
        same += _the_same([row.configuration for row in self.rows]) if self.say_the_same else []
        if same:
            yield Text(f"in all: {' '.join(same)}", style="dim")

    def _fitting(self, differing: Sequence[str], width: int) -> _Shown:
        """As much as there is room for: intervals go first, then metrics that are the same in all, then knobs."""
        whole = _Shown(differing, self.metrics, with_intervals=True)
        telling = [metric for metric in self.metrics if self._alike(metric) is None]
        rank = {name: place for place, name in enumerate(self.order)}
        kept = sorted(differing, key=lambda name: rank.get(name, len(rank)))
        fewer = (
            _Shown([name for name in differing if name in kept[:count]], telling, with_intervals=False)
            for count in range(len(kept), -1, -1)
        )
        tried = chain((whole, _Shown(differing, self.metrics, with_intervals=False)), fewer)
        return next(
            (one for one in tried if _width(self._columns(one)) <= width), _Shown([], telling, with_intervals=False)
        )

    def _alike(self, metric: str) -> str | None:
        """Its value where it is the same in all rows that have one; None: it is not, or no row has one."""
        place = self.metrics.index(metric)
        cells = {self._cell(row, place, with_interval=False) for row in self.rows} - {_ABSENT}
        return cells.pop() if len(cells) == 1 else None

    def _cell(self, row: Row, place: int, *, with_interval: bool) -> str:
        estimate = row.estimates[place]
        if estimate is None:
            return _ABSENT
        if not with_interval:
            estimate = replace(estimate, low=None, high=None)
        return estimate_text(self.metrics[place], estimate, self.currency) + (row.beside[place] if row.beside else "")

    def _columns(self, shown: _Shown) -> list[_Column]:
        found = [_Column("trial", [row.name for row in self.rows])]
        for name in shown.knobs:
            cells = [_shown(row.configuration, name) for row in self.rows]
            numeric = all(re.fullmatch(r"[\d.]*\w{0,2}", cell) for cell in cells)
            found.append(_Column(_broken(name, max(map(cell_len, cells), default=0)), cells, right=numeric))
        for metric in shown.metrics:
            place = self.metrics.index(metric)
            cells = [self._cell(row, place, with_interval=shown.with_intervals) for row in self.rows]
            title = metric.replace("_", "\n")
            if METRICS[metric].unit == "money_per_hour":  # a word that all have stands above them
                unit = f"{self.currency}/h"
                title, cells = f"{title}\n{unit}", [cell.removesuffix(f" {unit}") for cell in cells]
            found.append(_Column(title, cells))
        for place, title in enumerate(self.ends):
            found.append(_Column(title, [row.end[place] for row in self.rows], right=title != "result"))
        return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """What of a table there is room for."""

    knobs: Sequence[str]
    metrics: Sequence[str]
    with_intervals: bool


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: Sequence[str]
    right: bool = True

    @property
    def width(self) -> int:
        return max(map(cell_len, [*self.title.split("\n"), *self.cells]))


def pareto_table(summary: Summary) -> RenderableType:
    """The Pareto front, best first in the first objective; ``*`` marks the choice."""
    if not summary.front.members:
        measured = any(trial.measurement for trial in summary.trials)
        undecided = sum(trial.state == "undecided" for trial in summary.trials)
        of_some = f" ({undecided} undecided)" if undecided else ""
        why = f"no configuration certainly met the SLO{of_some}" if measured else "nothing was measured"
        return Text(f"The Pareto front is empty: {why}.")
    by_number = {trial.number: trial for trial in summary.trials}
    metrics = columns(
        summary.start.objectives, summary.start.slo, {m for c in summary.front.members for m in c.metrics}
    )
    chosen = summary.choice.candidate.trial if summary.choice else None
    rows = []
    for member in summary.front.members:
        marks = ("*" if member.trial == chosen else "") + ("b" if member.trial == summary.baseline else "")
        # what the annotations of its manifest say: of several starts the median, with the range over them
        shown_by = pooled([by_number[number] for number in member.measured_by if number in by_number])
        stated = {
            metric: Estimate(value=value, is_least=metric in member.least) for metric, value in member.metrics.items()
        }
        estimates = [
            shown
            if (shown := shown_by.get(metric)) and shown.value == member.metrics.get(metric)
            else stated.get(metric)
            for metric in metrics
        ]
        trial = by_number.get(member.trial)
        rows.append(
            Row(
                name=f"{marks}{member.trial}",
                configuration=trial.configuration if trial else Configuration(values={}),
                estimates=estimates,
                end=(str(len(member.measured_by) or member.replicates),),
                style="bold" if member.trial == chosen else "",
            )
        )
    legend = "* chosen   b baseline   (low-high): 95 % interval; of several starts the range"
    return Rows(
        title="Pareto front",
        metrics=metrics,
        ends=("starts",),
        rows=rows,
        currency=currency_of(summary.trials),
        order=by_importance(summary),
        legend=legend,
    )


def trials_table(summary: Summary) -> RenderableType:
    """Every trial with its metrics. ``*`` chosen, ``+`` on the Pareto front, ``b`` baseline."""
    chosen = {summary.choice.candidate.trial} if summary.choice else set()
    front = {member.trial for member in summary.front.members}
    made = rows_of(summary.trials, summary.start.objectives, summary.start.slo, front=front, chosen=chosen)
    return replace(
        made,
        order=by_importance(summary),
        legend="* chosen   + on the Pareto front   b baseline",
        say_the_same=True,
    )


def rows_of(
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    slo: Sequence[Constraint],
    *,
    front: Collection[int],
    chosen: Collection[int] = (),
) -> Rows:
    """A row a trial."""
    measured = {metric for trial in trials if trial.measurement for metric in trial.measurement.metrics()}
    metrics = columns(objectives, slo, measured)
    wanders = any(map(is_disturbed, trials))
    rows = []
    for trial in trials:
        marks = ("*" if trial.number in chosen else "+" if trial.number in front else "") + (
            "b" if trial.purpose == "baseline" else ""
        )
        known = trial.measurement.estimates() if trial.measurement else {}
        rows.append(
            Row(
                name=f"{marks}{trial.number}",
                configuration=trial.configuration,
                estimates=[known.get(metric) for metric in metrics],
                end=(*((speed_text(trial),) if wanders else ()), outcome_word(trial)),
                style="green" if trial.number in front else "" if trial.feasible else "dim",
                beside=[corrected_text(trial, metric) for metric in metrics] if wanders else (),
            )
        )
    ends = (*(("machine",) if wanders else ()), "result")
    return Rows(title="Trials", metrics=metrics, ends=ends, rows=rows, currency=currency_of(trials))


def by_importance(summary: Summary) -> list[str]:
    """The knobs by what they explain of the first objective, the most first; empty: nobody knows."""
    known = (summary.knowledge or {}).get("matters") or []
    if not known:
        return []
    knobs = sorted(known[0]["knobs"], key=lambda one: -(one["in_all"] or one["alone"])["value"])
    return [str(one["knob"]) for one in knobs]


def differing_knobs(configurations: Sequence[Configuration]) -> list[str]:
    """The names of those that have not one value in all, in their order."""
    names = dict.fromkeys(name for one in configurations for name in one.values)
    return [name for name in names if len({_shown(one, name) for one in configurations}) > 1]


def _the_same(configurations: Sequence[Configuration]) -> list[str]:
    differing = {*differing_knobs(configurations)}
    first = configurations[0] if configurations else Configuration(values={})
    return [f"{name}={value}" for name, value in first.values.items() if name not in differing]


def _width(columns_: Sequence[_Column]) -> int:
    return sum(column.width for column in columns_) + _BETWEEN * (len(columns_) - 1)


def _shown(configuration: Configuration, name: str) -> str:
    """Empty: it does not exist there."""
    return str(configuration.values[name]) if name in configuration.values else ""


def _broken(name: str, width: int) -> str:
    """A name on as many lines as it takes to be no wider than the cells below it, broken at its separators."""
    lines: list[str] = []
    for piece in _PIECES.findall(name) or [name]:
        if lines and len(lines[-1]) + len(piece) <= width:
            lines[-1] += piece
        else:
            lines.append(piece)
    return "\n".join(lines)
