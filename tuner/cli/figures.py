"""Tables of what was measured, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.commands.bench import Benchmark


def print_benchmark(result: Benchmark) -> None:
    """The whole result, as text."""
    from tuner.cli.output import console, print_renderable
    from tuner.record.waterfall import waterfall_lines

    if result.starts:
        click.echo(_heading(result))
        print_renderable(_figures(result))
        last = result.starts[-1]
        for line in waterfall_lines(last.waterfall, console().width):
            click.echo(line)
        throughput = result.starts[0].throughput
        if throughput.note:
            click.echo(f"throughput: {throughput.note}")
        words = {"met": "met", "broken": "BROKEN", "undecided": "undecided"}
        for bound in result.slo:
            click.echo(f"SLO {words[bound.state]}: {bound.text}")
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
    from tuner.units import format_interval, format_metric, least

    if "throughput" not in result.figures:
        yield "throughput", "-", "", result.starts[0].throughput.what
    for name, estimate in result.figures.items():
        unit, says = METRICS[name].unit, _says(result, name)
        yield (
            name.replace("_", " "),
            least(format_metric(unit, estimate.value), is_least=estimate.is_least),
            format_interval(unit, estimate.low, estimate.high),
            says,
        )
    for name, least_s in result.starts[0].window.beyond_s.items():
        yield name.replace("_", " "), f"> {format_metric('seconds', least_s)}", "", "not answered in time"


def _says(result: Benchmark, name: str) -> str:
    """What a row needs beside its figures."""
    from tuner.measure.status import failures

    parts = []
    if name == "throughput":
        parts.append(result.starts[0].throughput.what)
    elif name == "error_ratio":
        parts.append(failures(*(start.window for start in result.starts)))
    if (floor := result.noise_floor.get(name, 1.0)) > 1.0:
        parts.append(f"starts differ by {floor:.3g}x")
    return "; ".join(filter(None, parts))
