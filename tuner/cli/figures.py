"""Tables of what was measured, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.benchmark import Benchmark, Start
    from tuner.measure.components import Quantile
    from tuner.measure.model import Estimate
    from tuner.measure.waterfall import Row, Waterfall

_BAR = 28
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def print_benchmark(result: Benchmark) -> None:
    """The whole result, as text."""
    from tuner.cli.output import print_renderable

    if result.starts:
        click.echo(_heading(result))
        print_renderable(_figures(result))
        last = result.starts[-1]
        if last.waterfall.rows:
            print_renderable(_waterfall(last.waterfall))
        throughput = result.starts[0].throughput
        if throughput.note:
            click.echo(f"throughput: {throughput.note}")
        for note in last.waterfall.notes:
            click.echo(f"note: {note}")
        for line in _slo(result):
            click.echo(line)
    for warning in result.warnings:
        click.echo(f"warning: {warning}")
    for reason in result.refused:
        click.echo(f"refused: {reason}")


def _heading(result: Benchmark) -> str:
    settings = result.settings
    rate = f" at {settings['rate']}" if "rate" in settings else ""
    return (
        f"{result.target}: {settings['arrival']}{rate}, {settings['duration']}, {settings['connections']} connections, "
        f"load from {result.starts[0].load_from}"
    )


def _figures(result: Benchmark) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    several = len(result.starts) > 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column(f"range over {len(result.starts)} starts" if several else "95 % interval", no_wrap=True)
    table.add_column("")
    for row in _rows(result):
        table.add_row(*map(Text, row))  # plain text: brackets in it are no markup
    return table


def _rows(result: Benchmark) -> Iterator[tuple[str, str, str, str]]:
    from tuner.space.metrics import METRICS
    from tuner.units import format_metric

    throughput = result.starts[0].throughput
    if "throughput" not in result.figures:
        yield "throughput", "-", "", throughput.what
    for name, estimate in result.figures.items():
        unit = METRICS[name].unit
        says = _says(result, name)
        yield name.replace("_", " "), format_metric(unit, estimate.value), _interval(unit, estimate), says
    beyond = result.starts[0].window.beyond_s
    for name, least_s in beyond.items():
        yield name.replace("_", " "), f"> {format_metric('seconds', least_s)}", "", "not answered in time"


def _says(result: Benchmark, name: str) -> str:
    """What a row needs beside its figures."""
    first = result.starts[0]
    if name == "throughput":
        said = first.throughput.what
    elif name == "error_ratio":
        said = ", ".join(f"{kind} {count}x" for kind, count in _errors(result.starts).items())
    else:
        said = ""
    floor = result.noise_floor.get(name)
    differ = f"starts differ by {floor:.3g}x" if floor is not None and floor > 1.0 else ""
    return "; ".join(filter(None, (said, differ)))


def _errors(starts: tuple[Start, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for start in starts:
        for kind, count in start.window.errors.items():
            counts[kind] = counts.get(kind, 0) + count
    return counts


def _interval(unit: str, estimate: Estimate) -> str:
    from tuner.units import format_metric

    low, high = (None if end is None else format_metric(unit, end) for end in (estimate.low, estimate.high))
    if low == high:
        return ""
    if high is None:
        return f"{low} or more"
    return f"{high} or less" if low is None else f"{low} to {high}"


def _waterfall(found: Waterfall) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    latency = found.latency
    whole_s = latency.mean_s if latency is not None else 0.0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("where the latency goes", no_wrap=True)
    table.add_column("of a mean request", width=_BAR, no_wrap=True)
    for title in ("mean", "share", "p50", "p99"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("told by")
    for row in found.rows:
        table.add_row(*map(Text, _waterfall_row(row, whole_s)))
    if latency is not None:
        table.add_row(
            "latency",
            _bar(0.0, 1.0),
            _time(latency.mean_s),
            "100 %",
            _quantile(latency.p50),
            _quantile(latency.p99),
            "",
        )
    return table


def _waterfall_row(row: Row, whole_s: float) -> tuple[str, ...]:
    from tuner.units import format_ratio

    drawn = row.mean_s is not None and row.begin_s is not None and whole_s > 0.0
    bar = _bar((row.begin_s or 0.0) / whole_s, (row.mean_s or 0.0) / whole_s) if drawn else ""
    told = {"client": "the client", "header": "Server-Timing", "difference": "difference", "server": row.told_by}
    return (
        "  " * row.depth + row.name,
        bar,
        _time(row.mean_s),
        "" if row.share is None else format_ratio(row.share),
        _quantile(row.p50),
        _quantile(row.p99),
        told[row.source],
    )


def _bar(begin: float, share: float) -> str:
    """A bar of a share of the width, from `begin` (both 0 to 1) on; anything above 0 can be seen."""
    at = min(max(begin, 0.0), 1.0) * _BAR
    length = min(max(share, 0.0) * _BAR, _BAR - int(at))
    whole, rest = int(length), round((length % 1) * 8)
    drawn = "█" * whole + (_EIGHTHS[rest] if rest else "")
    if share > 0.0 and not drawn.strip():
        drawn = "▏"
    return " " * int(at) + drawn


def _time(seconds: float | None) -> str:
    from tuner.units import format_seconds

    return "-" if seconds is None else format_seconds(seconds)


def _quantile(found: Quantile | None) -> str:
    if found is None:
        return "-"
    if found.value is None:
        return f"> {_time(found.low)}"
    return _time(found.value)


def _slo(result: Benchmark) -> Iterator[str]:
    words = {"met": "met", "broken": "BROKEN", "unknown": "not known"}
    for bound in result.slo:
        yield f"SLO {words[bound.state]}: {bound.text}"
