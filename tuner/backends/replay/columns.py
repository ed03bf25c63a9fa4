"""The file of a recorded table: a CSV whose columns are a search space's parameters and metrics, in SI units.

    # machine: 2 CPUs, AMD EPYC
    # licence: MIT
    workers,cpu,throughput,latency_p99,latency_p99_high,outcome,kind,reason
    2,500m,212.5,0.0431,0.0498,measured,,
    4,500m,,,,failed,OOMKilled,"out of memory, limit 256 Mi"

Lines before the head that begin with ``#`` tell where it comes from, each ``# KEY: TEXT``. Rows of one configuration
are its restarts. docs/replay.md says what each column means.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast, get_args

from tuner.backends.replay.model import Ending, Start
from tuner.errors import InputError, Mistake, Problem
from tuner.files import read_input
from tuner.manifests.baseline import value_of
from tuner.nearest import nearest
from tuner.space.metrics import METRICS
from tuner.space.model import Configuration, Parameter
from tuner.space.values import Value
from tuner.statistics.model import Estimate
from tuner.units import metric_value

ENDINGS = get_args(Ending)
_LOW, _HIGH = "_low", "_high"
_MEASURED = "measured_"
"""Before a metric's name where a parameter has the same: ``cpu`` is the limit, ``measured_cpu`` what was used."""
_OTHERS = ("outcome", "kind", "stage", "reason", "rate", "duration", "speed", "study", "trial", "started_at")
"""Columns besides parameters and metrics, in the order they are written."""
_COMMENT = re.compile(r"#\s*([\w -]+?)\s*:\s*(.*)")
_BARE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_PROBLEMS = 20
"""No more are told of one table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A table as it was read."""

    starts: tuple[Start, ...]
    said: Mapping[str, str]
    """What its first lines tell, by key: ``machine``, ``licence``, ``source``, ``sample``, ..."""
    unknown: tuple[str, ...]
    """Columns that are neither a parameter of the space, a metric nor known otherwise."""


def read(path: Path, parameters: Sequence[Parameter]) -> Contents:
    """Raises InputError with every problem (of many the first), each with its line."""
    try:
        text = read_input(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError.at(path, f"cannot be read ({error.strerror})", "give a table's file with --table") from None
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"it is no text ({error.reason})", "give a CSV file") from None
    return _Reading(path, parameters).contents(text)


def write(starts: Sequence[Start], parameters: Sequence[str], said: Mapping[str, str]) -> str:
    """The text of a table; columns that no row has anything in are left out."""
    columns = _columns(parameters)
    rows = [_row(start, columns) for start in starts]
    used = {name for row in rows for name, cell in row.items() if cell}
    ends = [f"{column}{end}" for column in columns.values() for end in ("", _LOW, _HIGH)]
    head = [*parameters, *(name for name in (*ends, *_OTHERS) if name in used)]
    out = io.StringIO()
    for name, value in said.items():
        out.write(f"# {name}: {' '.join(value.split())}\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([row.get(name, "") for name in head] for row in rows)
    return out.getvalue()


def _columns(parameters: Iterable[str]) -> dict[str, str]:
    """The column of each metric: its name, but where a parameter is called like it."""
    taken = set(parameters)
    return {name: f"{_MEASURED}{name}" if name in taken else name for name in METRICS}


def _row(start: Start, columns: Mapping[str, str]) -> dict[str, str]:
    cells = {name: _spelled(value) for name, value in start.configuration.values.items()}
    for name, estimate in start.metrics.items():
        cells[columns[name]] = f"{'>=' if estimate.is_least else ''}{estimate.value!r}"
        ends = ((_LOW, estimate.low), (_HIGH, estimate.high))
        cells |= {f"{columns[name]}{end}": repr(value) for end, value in ends if value is not None}
    cells |= {columns[name]: f">={value!r}" for name, value in start.beyond_s.items()}
    numbers = {"rate": start.rate_rps, "duration": start.duration_s, "speed": start.speed, "trial": start.trial}
    cells |= {name: repr(number) for name, number in numbers.items() if number is not None}
    told = {"outcome": start.ending, "kind": start.kind, "stage": start.stage, "study": start.study}
    return {**cells, **told, "reason": " ".join(start.reason.split()), "started_at": start.started_at}


def _spelled(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Rows(Protocol):
    """What `csv.reader` gives."""

    @property
    def line_num(self) -> int: ...
    def __next__(self) -> list[str]: ...
    def __iter__(self) -> Iterator[list[str]]: ...


class _Reading:
    """One table being read; problems are gathered."""

    def __init__(self, path: Path, parameters: Sequence[Parameter]) -> None:
        self._path = path
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._columns = _columns(self._parameters)
        self._problems: list[Problem] = []
        self._line = 0

    def contents(self, text: str) -> Contents:
        lines = text.splitlines(keepends=True)
        before = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
        comments = (_COMMENT.match(line.rstrip()) for line in lines[:before])
        said = {found[1]: found[2] for found in comments if found is not None}
        rows = csv.reader(lines[before:])
        head = self._head(rows, before)
        if self._problems:
            raise InputError(self._problems)  # of rows under a wrong head there is nothing to say
        unknown = self._unknown(head)
        starts = [start for row in self._rows(rows, before, head) if (start := self._start(row)) is not None]
        if not starts and not self._problems:
            self._wrong("it has no rows", "record some: `tune record STUDY -o TABLE`")
        if self._problems:
            more = len(self._problems) - _PROBLEMS
            if more > 0:
                last = Problem.at(self._path, f"{more} more problems like these", "mend the first ones")
                self._problems[_PROBLEMS:] = [last]
            raise InputError(self._problems)
        return Contents(starts=tuple(starts), said=said, unknown=unknown)

    def _head(self, rows: _Rows, before: int) -> list[str]:
        head = [name.strip() for name in next(rows, [])]
        self._line = before + 1
        if not any(head):
            self._wrong("there is no line that names the columns", "record a table: `tune record STUDY -o TABLE`")
            return head
        if len(head) == 1 and (sign := next((sign for sign in ";\t" if sign in head[0]), None)) is not None:
            self._wrong(f"the columns are not separated by commas: {head[0][:60]!r}", f"write , in place of {sign!r}")
            return head
        for name in dict.fromkeys(name for name in head if head.count(name) > 1):
            self._wrong(f"there are two columns {name!r}", "leave one of them out")
        for name, parameter in self._parameters.items():
            if name not in head:
                others = [column for column in self._unknown(head) if column]
                fix = f"name one so; of the columns, {nearest(name, others)}" if others else "add one"
                self._wrong(f"there is no column of the parameter {name!r} ({parameter.where})", fix)
        if not any(column in head for column in self._columns.values()):
            self._wrong("no column is a metric", f"name one of {', '.join(self._columns.values())}")
        return head

    def _unknown(self, head: Sequence[str]) -> tuple[str, ...]:
        ends = (f"{column}{end}" for column in self._columns.values() for end in ("", _LOW, _HIGH))
        known = {*self._parameters, *_OTHERS, *ends}
        return tuple(name for name in head if name not in known)

    def _rows(self, rows: _Rows, before: int, head: Sequence[str]) -> Iterator[dict[str, str]]:
        try:
            for row in rows:
                self._line = before + rows.line_num
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(head):
                    message = f"{len(row)} cells stand under {len(head)} columns: {','.join(row)[:60]!r}"
                    self._wrong(message, "write as many, and quotes around a text that holds commas")
                    continue
                yield {name: cell.strip() for name, cell in zip(head, row, strict=True)}
        except csv.Error as error:
            self._line += 1
            self._wrong(f"it is no CSV ({error})", "mend this line, or the quotes before it")

    def _start(self, row: Mapping[str, str]) -> Start | None:
        found = len(self._problems)
        ending = row.get("outcome", "") or "measured"
        if ending not in ENDINGS:
            self._wrong(f"outcome: {ending!r} is none", f"write {', '.join(ENDINGS)}, or nothing (measured)")
        metrics = {name: self._estimate(name, row) for name, column in self._columns.items() if row.get(column)}
        estimates = {name: estimate for name, estimate in metrics.items() if estimate is not None}
        beyond = {
            name: estimate.value
            for name, estimate in estimates.items()
            if estimate.is_least and METRICS[name].unit == "seconds"
        }
        if ending == "measured" and not estimates and len(self._problems) == found:
            self._wrong("nothing was measured, and nothing says why", "write failed or infeasible into `outcome`")
        if len(self._problems) > found:
            return None
        trial = self._number("trial", row, int)
        start = Start(
            configuration=Configuration(values=self._values(row)),
            ending=cast("Ending", ending),
            metrics={name: estimate for name, estimate in estimates.items() if name not in beyond},
            beyond_s=beyond,
            kind=row.get("kind", ""),
            stage=row.get("stage", ""),
            reason=row.get("reason", ""),
            rate_rps=self._amount("rate", "rate", row),
            duration_s=self._amount("duration", "seconds", row),
            speed=self._number("speed", row, float),
            study=row.get("study", ""),
            trial=None if trial is None else int(trial),
            started_at=row.get("started_at", ""),
        )
        if start.speed is not None and start.speed <= 0.0:
            self._wrong(f"speed: {row['speed']!r} is no speed", "1 is a quiet machine's, 0.5 half of it")
        return start if len(self._problems) == found else None

    def _values(self, row: Mapping[str, str]) -> dict[str, Value]:
        """An empty cell: the parameter does not exist there."""
        return {
            name: value_of(parameter.domain, row[name])
            for name, parameter in self._parameters.items()
            if row.get(name, "") != ""
        }

    def _estimate(self, name: str, row: Mapping[str, str]) -> Estimate | None:
        column, unit = self._columns[name], METRICS[name].unit
        is_least, text = row[column].startswith(">="), row[column].removeprefix(">=").strip()
        value = self._read(column, text, lambda text: _in_unit(unit, text))
        ends = [self._amount(f"{column}{end}", unit, row) for end in (_LOW, _HIGH)]
        if value is None:
            return None
        low, high = ends
        if (low is not None and low > value) or (high is not None and high < value):
            fix = f"put {column}{_LOW} and {column}{_HIGH} right"
            self._wrong(f"{column}: {row[column]!r} lies outside its interval", fix)
        return Estimate(value=value, low=low, high=high, is_least=is_least)

    def _amount(self, name: str, unit: str, row: Mapping[str, str]) -> float | None:
        return self._read(name, row.get(name, ""), lambda text: _in_unit(unit, text)) if row.get(name) else None

    def _number(self, name: str, row: Mapping[str, str], kind: Callable[[str], float]) -> float | None:
        def number(text: str) -> float:
            try:
                value = kind(text)
            except ValueError:
                raise Mistake(f"{text!r} is no number", "write one, or nothing") from None
            return _finite(text, value)

        return self._read(name, row[name], number) if row.get(name) else None

    def _read(self, name: str, text: str, reader: Callable[[str], float]) -> float | None:
        try:
            return reader(text)
        except Mistake as error:
            self._wrong(f"{name}: {error.message}", error.fix)
            return None

    def _wrong(self, message: str, fix: str) -> None:
        self._problems.append(Problem.at(self._path, message, fix, line=self._line))


def _in_unit(unit: str, text: str) -> float:
    """A bare number is one of the SI unit; with its unit it is read as everywhere. Raises Mistake."""
    value = float(text) if _BARE.fullmatch(text) else metric_value(unit, text)
    if _finite(text, value) < 0.0:
        raise Mistake(f"{text!r} is negative", "write a number of at least 0; of what was not measured nothing")
    return value


def _finite(text: str, value: float) -> float:
    if not math.isfinite(value):
        raise Mistake(f"{text!r} is not finite", "write a number, or nothing where it was not measured")
    return value
