"""Latency by component as lines of text: one table, and a bar for each part of a mean request."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.breakdown.components import Component, Quantile
from tuner.breakdown.waterfall import Row, Waterfall
from tuner.record.wording import estimate_text
from tuner.statistics.model import Estimate
from tuner.units import format_ratio, format_seconds

_LEAST_BAR, _MOST_BAR = 12, 32
_FULL, _PART = "█", "▏"
_HEADINGS = ("latency by component", "mean", "share", "p50", "p99", "told by")
_ANY_LATENCY = "latency_p50"
_SOURCES = {"client": "client", "server": "server", "header": "header", "difference": "the rest"}


def waterfall_lines(found: Waterfall, width: int = 160) -> tuple[str, ...]:
    """The table with its bars, the lengths of queues, and the notes; one line of text each.

    The intervals of the client's figures, then the bars are left out where the table would be wider than `width`.

    Quantiles stand beside their interval: of the client's figures it is the 95 % confidence interval, of a server's
    the bucket of its histogram. Rows marked ``~`` lie across others and do not add up. What servers call their models
    and parts is printed, but for characters that would do something to a terminal.
    """
    return tuple(_printable(line) for line in _lines(found, width))


def _lines(found: Waterfall, width: int) -> list[str]:
    if found.latency is None:
        return ["latency by component: nothing was answered", *_notes(found)]
    lines = _table(found, found.latency, width)
    if any(not row.adds_up for row in found.rows):
        lines.append("~ lies within or across other parts: it is not added up")
    lines += [f"{one.server}: {one.name} held {one.mean:.3g} requests on average" for one in found.lengths]
    lines += [f"{one.server} counted {one.told:.0f} requests, {one.sent} were sent" for one in found.matches]
    return [*lines, *_notes(found)]


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line)


def _table(found: Waterfall, latency: Component, width: int) -> list[str]:
    lines: list[str] = []
    for with_intervals in (True, False):
        rows = [_HEADINGS, _latency(latency, with_intervals), *(_row(row, with_intervals) for row in found.rows)]
        lines = _aligned(rows)
        room = width - len(lines[0]) - 2
        if room >= _LEAST_BAR:
            length = min(_MOST_BAR, room)
            bars = ["", _FULL * length, *(_bar(row, latency.mean_s, length) for row in found.rows)]
            return [f"{line}  {bar}".rstrip() for line, bar in zip(lines, bars, strict=True)]
    return [line.rstrip() for line in lines]


def _notes(found: Waterfall) -> tuple[str, ...]:
    return tuple(f"note: {note}" for note in found.notes)


def _latency(latency: Component, with_intervals: bool) -> tuple[str, ...]:
    name = f"latency of {latency.count} requests"
    return (
        name,
        format_seconds(latency.mean_s),
        format_ratio(1.0),
        _quantile(latency.p50, with_intervals),
        _quantile(latency.p99, with_intervals),
        _SOURCES["client"],
    )


def _row(row: Row, with_intervals: bool) -> tuple[str, ...]:
    return (
        "  " * (row.depth + 1) + row.name + ("" if row.adds_up else " ~"),
        format_seconds(row.mean_s) if row.mean_s is not None else "inconsistent",
        format_ratio(row.share) if row.share is not None and row.adds_up else "",
        _quantile(row.p50, with_intervals, row.source == "server"),
        _quantile(row.p99, with_intervals, row.source == "server"),
        _SOURCES[row.source],
    )


def _quantile(quantile: Quantile | None, with_interval: bool, is_bucket: bool = False) -> str:
    """A value that was interpolated in a bucket never stands without it: without room the bucket stands alone."""
    if quantile is None:
        return ""
    low = format_seconds(quantile.low) if quantile.low is not None else None
    if quantile.value is None:
        return f"over {low}" if low is not None else ""
    value = format_seconds(quantile.value)
    high = format_seconds(quantile.high) if quantile.high is not None else None
    if low is None or high is None or low == high == value:
        return value
    if with_interval:
        return estimate_text(_ANY_LATENCY, Estimate(value=quantile.value, low=quantile.low, high=quantile.high), "")
    return _shortened(low, high) if is_bucket else value


def _shortened(low: str, high: str) -> str:
    """``5-10 ms``: the unit once where it is one."""
    number, _, unit = low.partition(" ")
    same = unit == high.partition(" ")[2] or number == "0"
    return f"{number if same else low}-{high}"


def _bar(row: Row, latency_s: float, length: int) -> str:
    """Where in a mean request the part lies; empty where that is not known."""
    if row.mean_s is None or row.begin_s is None or latency_s <= 0.0 or row.mean_s <= 0.0:
        return ""
    begin = min(length - 1, int(length * row.begin_s / latency_s))
    extent = min(length - begin, round(length * row.mean_s / latency_s))
    return " " * begin + (_FULL * extent or _PART)


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The first and last column to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if place in (0, last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
