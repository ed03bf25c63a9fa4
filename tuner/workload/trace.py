"""Reads a recorded trace: when requests came, and which.

A CSV file (``.csv``) with a heading, or JSON lines (``.jsonl``), sorted by time:

    time,payload                          {"time": 0.0, "payload": "small.json"}
    0.000,small.json                      {"time": 0.013, "payload": "large.json"}
    0.013,large.json

`time` is a number of seconds (from whatever instant, so also since 1970) or ISO 8601; the first line's is when the
replay begins. `payload`, where it is given, is the name of one of the workload's request files, or its number in their
list, from 0. Other columns are passed over.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.errors import InputError, Mistake, Problem, Where
from tuner.files import read_input
from tuner.nearest import nearest
from tuner.workload.shapes import Trace

MOST_PROBLEMS = 10
"""Reported of one file; a wrong format repeats itself on every line."""
_Row = tuple[int, Mapping[str, Any]]


def read_trace(path: Path, payloads: Sequence[str]) -> Trace:
    """`payloads` are the names of the workload's request files. Raises InputError with file and line."""
    rows = _rows(path)
    numbers = range(len(payloads))
    # of files of one name the first is meant
    names = {str(number): number for number in numbers} | {payloads[number]: number for number in reversed(numbers)}
    problems: list[Problem] = []
    times: list[float] = []
    picks: list[int] = []
    for line, row in rows:
        try:
            times.append(_time(row.get("time"), times))
            if row.get("payload") not in (None, ""):
                picks.append(_payload(str(row["payload"]), names))
        except Mistake as mistake:
            problems.append(mistake.at(Where(file=str(path), line=line)))
            if len(problems) == MOST_PROBLEMS:
                break
    if not problems:
        problems += _whole(path, times, picks)
    if problems:
        raise InputError(problems)
    return Trace(path=path, due_s=tuple(time - times[0] for time in times), payloads=tuple(picks))


def _rows(path: Path) -> Iterator[_Row]:
    try:
        text = read_input(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError.at(path, f"the trace cannot be read: {reason}", "name a file that can be read") from None
    if path.suffix == ".csv":
        return _of_csv(path, text)
    if path.suffix == ".jsonl":
        return _of_lines(path, text)
    fix = "name it .csv (with a heading that has time) or .jsonl (an object a line)"
    raise InputError.at(path, f"a trace is no {path.suffix or 'file without an ending'}", fix)


def _of_csv(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.DictReader(text.splitlines())
    heading = [name.strip() for name in reader.fieldnames or ()]
    if "time" not in heading:
        message = f"the heading {','.join(heading)!r} has no 'time'"
        raise InputError.at(path, message, "begin with time,payload", line=1)
    reader.fieldnames = heading
    for row in reader:
        yield reader.line_num, {name: value.strip() for name, value in row.items() if isinstance(value, str)}


def _of_lines(path: Path, text: str) -> Iterator[_Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            fix = 'write for example {"time": 0.013, "payload": "small.json"}'
            raise InputError.at(path, f"{line[:80]!r} is no JSON object", fix, line=number)
        yield number, row


def _time(value: Any, before: Sequence[float]) -> float:
    time = _instant(value)
    if before and time < before[-1]:
        raise Mistake(f"time {value!r} is before that of the line above", "sort the lines by time")
    return time


def _instant(value: Any) -> float:
    try:
        time = float(value)
    except (TypeError, ValueError):
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            time = math.nan
        else:
            time = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, bool) or not math.isfinite(time):
        raise Mistake(f"time is {value!r}, not an instant", "write seconds (12.5) or 2025-01-31T12:00:00.5Z")
    return time


def _payload(name: str, names: Mapping[str, int]) -> int:
    if name not in names:
        raise Mistake(f"payload {name!r} is none of the workload's request files", nearest(name, names))
    return names[name]


def _whole(path: Path, times: Sequence[float], picks: Sequence[int]) -> list[Problem]:
    if len(times) < 2 or times[-1] <= times[0]:
        return [Problem.at(path, "the trace lasts no time", "record at least two requests at different times")]
    if picks and len(picks) < len(times):
        missing = f"{len(times) - len(picks)} of {len(times)} requests have no payload"
        return [Problem.at(path, missing, "name it on every line, or on none")]
    return []
