"""`tune compare`: is B better or worse than A?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.options import amount, as_json, duration, html_page, in_unit, load_rate, system

if TYPE_CHECKING:
    from tuner.measure.paired import Assessment, Comparison, Effect, Terms
    from tuner.targets.model import SystemUnderTest, TargetOptions


@click.command()
@click.argument("a")
@click.argument("b")
@load_rate
@click.option(
    "--metric",
    help="What decides: latency_p50 to latency_p99.9, throughput (closed loop), cpu, memory or startup.  "
    "[default: the latency that the SLO bounds, else latency_p50]",
)
@click.option(
    "--smallest",
    metavar="SHARE",
    default="5%",
    show_default=True,
    callback=amount(in_unit("ratio")),
    help="Smallest difference that matters to you: smaller ones are `no difference`.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=3),
    default=12,
    show_default=True,
    help="Pairs of restarts at most; fewer where it can be told earlier.",
)
@click.option(
    "--time",
    "time_s",
    metavar="DURATION",
    callback=duration,
    help="Load at most, for each side.  [default: 60s, or what slow answers take]",
)
@html_page
@system
@as_json
def compare(
    a: str,
    b: str,
    rate_rps: float | None,
    metric: str | None,
    smallest: float,
    pairs: int,
    time_s: float | None,
    html: Path | None,
    options: TargetOptions,
    as_json: bool,
) -> None:
    """Compare two servers on equal terms: is B better or worse than A?

    A and B are URLs, manifests, search spaces (their baseline; SPACE@workers=4: but for these knobs) or studies
    (study:NAME, what it chose). Both are served in turn, ABBA, each start under the same arrivals at the same rate: the
    one asked for, or half of what the slower side serves in a closed loop. The pairs are looked at a few times, and it
    ends as soon as it can be told.

    \b
    Exit status: 0 no difference, or B is better; 1 B is worse; 2 bad input; 3 it cannot be told, or a side does not
    serve; 130 interrupted. What `undecided` takes to be told is said.

    \b
    tune compare deployment.yaml best.yaml --space search_spaces/iris
    tune compare search_spaces/iris search_spaces/iris@workers=2
    tune compare http://127.0.0.1:9000/predict http://127.0.0.1:9001/predict --rate 200/s --metric latency_p99
    tune compare search_spaces/iris study:iris --smallest 10% --time 2m --json
    """
    from tuner.cli.output import command_line, deliver, writable
    from tuner.cli.status import CANNOT_TELL, FINE, WORSE
    from tuner.commands.compare import CompareSettings, document
    from tuner.commands.compare import compare as measure
    from tuner.report.page import compare_page

    sides = _systems(a, b, replace(options, rate_rps=rate_rps))
    settings = CompareSettings(pairs=pairs, time_s=time_s, metric=metric, smallest=smallest)
    writable(html)
    try:
        with _progress(quiet=as_json) as (on_stage, on_assessment):
            found = measure(*sides, settings, on_stage=on_stage, on_terms=_foretell, on_assessment=on_assessment)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("what was started is taken down; nothing was written") from stop
    result = {**document(found), "command": command_line()}
    deliver(result, lambda: compare_page(found), html, lambda: _print(found), as_json=as_json)
    status = {"better": FINE, "no difference": FINE, "worse": WORSE, "undecided": CANNOT_TELL}
    sys.exit(status[found.assessment.verdict])


def _systems(a: str, b: str, options: TargetOptions) -> tuple[SystemUnderTest, SystemUnderTest]:
    """Both sides. Raises InputError with the problems of both."""
    from tuner.cli.output import notice
    from tuner.errors import InputError, Problem
    from tuner.targets.named import system

    heard: set[str] = set()

    def once(text: str) -> None:
        """Every start would say it again."""
        if text not in heard:
            heard.add(text)
            notice(text)

    studies = [text for text in (a, b) if text.startswith("study:")]
    sides: list[SystemUnderTest] = []
    problems: list[Problem] = []
    for text in (a, b):
        own = options if text in studies or not studies else replace(options, trial=None)
        try:
            sides.append(system(text, options=own, notice=once))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(dict.fromkeys(problems))
    return sides[0], sides[1]


@contextmanager
def _progress(*, quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[Assessment], None]]]:
    """What is being done, on one line of a terminal; what the pairs so far tell, a line each, on stderr."""
    from tuner.cli.output import console, notice

    to = console(stderr=True)

    def tell(assessment: Assessment) -> None:
        text = _so_far(assessment)
        notice(text) if quiet or not to.is_terminal else to.print(text, markup=False)

    if quiet or not to.is_terminal:
        yield lambda _: None, tell
        return
    with to.status("") as status:
        yield status.update, tell


def _foretell(terms: Terms) -> None:
    from tuner.cli.output import notice
    from tuner.units import format_seconds

    notice(f"this takes up to {format_seconds(terms.load_s)} of load for each side, {terms.pairs} pairs at most")


def _so_far(assessment: Assessment) -> str:
    effect = assessment.effects[0] if assessment.effects else None
    ratio = "not measured" if effect is None else f"B / A in {effect.metric}: {_ratio_text(effect)}"
    return f"pair {assessment.pairs}: {ratio}; {assessment.verdict if assessment.verdict != 'undecided' else 'go on'}"


def _print(found: Comparison) -> None:
    from tuner.measure.comparison_text import headline, spread_text, terms_text
    from tuner.units import format_seconds

    click.echo(headline(found))
    click.echo()
    click.echo(f"A  {found.a}")
    click.echo(f"B  {found.b}")
    click.echo()
    rows = [("", "A", "B", "B / A"), *_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo()
    click.echo(f"terms: {terms_text(found.terms)}")
    primary = found.assessment.effect(found.terms.metric)
    if primary is not None and (noise := spread_text(primary, found.terms)):
        click.echo(f"noise: {noise}")
    loads = " and ".join(format_seconds(load) for load in found.load_s)
    click.echo(f"ended: {found.ended_because}; load: {loads}")
    for sentence in (*(f"measured in vain: {reason}" for reason in found.refused), *found.warnings):
        click.echo(f"note: {sentence}")


def _rows(found: Comparison) -> Iterator[tuple[str, str, str, str]]:
    """A metric a row, the one that decides first, with its star."""
    from tuner.space.metrics import METRICS
    from tuner.units import format_metric, format_ratio

    for effect in found.assessment.effects:
        star = " *" if effect.metric == found.terms.metric else ""
        unit = METRICS[effect.metric].unit
        a, b = format_metric(unit, effect.a), format_metric(unit, effect.b)
        yield effect.metric + star, a, b, _ratio_text(effect)
    errors = found.assessment.errors
    if errors is not None:
        yield "error_ratio", format_ratio(errors.a), format_ratio(errors.b), ""


def _ratio_text(effect: Effect) -> str:
    ratio = effect.ratio
    between = "" if ratio.low is None or ratio.high is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.value:.3f}{between}"
