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
    from tuner.measure.paired import Assessment, Comparison, Terms
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
@click.option(
    "--until-told",
    is_flag=True,
    help="Go on until a difference of --smallest would be told, whatever the --pairs; --time bounds it.  "
    "[default bound: 1h]",
)
@html_page
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it as a JUnit report, too."
)
@click.option(
    "--markdown",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it as a table for a pull request's comment, too.",
)
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
    until_told: bool,
    html: Path | None,
    junit: Path | None,
    markdown: Path | None,
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
    tune compare main.yaml branch.yaml --until-told --junit compare.xml --markdown compare.md
    """
    from tuner.cli.output import command_line, deliver, writable
    from tuner.cli.status import CANNOT_TELL, FINE, WORSE
    from tuner.commands.compare import CompareSettings, document
    from tuner.commands.compare import compare as measure
    from tuner.errors import EnvironmentFailure
    from tuner.report import verdict
    from tuner.report.page import compare_page

    sides = _systems(a, b, replace(options, rate_rps=rate_rps))
    settings = CompareSettings(pairs=pairs, time_s=time_s, metric=metric, smallest=smallest, until_told=until_told)
    writable(html, junit, markdown)
    try:
        with _progress(quiet=as_json) as (on_stage, on_assessment):
            found = measure(*sides, settings, on_stage=on_stage, on_terms=_foretell, on_assessment=on_assessment)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("what was started is taken down; nothing was written") from stop
    except EnvironmentFailure as failure:
        reason = str(failure)
        _write(junit, lambda: verdict.junit_of_failure(a, b, reason))
        _write(markdown, lambda: verdict.markdown_of_failure(a, b, reason))
        raise
    _write(junit, lambda: verdict.junit(found))
    _write(markdown, lambda: verdict.markdown(found))
    result = {**document(found), "command": command_line()}
    about = [side.describe() for side in sides]
    deliver(result, lambda: compare_page(found, result["command"], about), html, lambda: _print(found), as_json=as_json)
    status = {"better": FINE, "no difference": FINE, "worse": WORSE, "undecided": CANNOT_TELL}
    sys.exit(status[found.assessment.verdict])


def _write(file: Path | None, text: Callable[[], str]) -> None:
    from tuner.files import write

    if file is not None:
        write(file, text().encode())


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

    until = "until it can be told: " if terms.until_told else ""
    most = f"up to {format_seconds(terms.load_s)} of load for each side, {terms.pairs} pairs at most"
    notice(f"this takes {until}{most}")


def _so_far(assessment: Assessment) -> str:
    from tuner.measure.comparison_text import ratio_text

    effect = assessment.effects[0] if assessment.effects else None
    ratio = "not measured" if effect is None else f"B / A in {effect.metric}: {ratio_text(effect)}"
    told: str = assessment.verdict
    if told == "undecided":
        wanted = assessment.would_tell
        told = "go on" if wanted is None or wanted <= assessment.pairs else f"go on, about {wanted} pairs would tell"
    return f"pair {assessment.pairs}: {ratio}; {told}"


def _print(found: Comparison) -> None:
    from tuner.measure.comparison_text import headline, rows, spread_text, terms_text
    from tuner.units import format_seconds

    click.echo(headline(found))
    click.echo()
    click.echo(f"A  {found.a}")
    click.echo(f"B  {found.b}")
    click.echo()
    starred = ((f"{name} *" if name == found.terms.metric else name, *rest) for name, *rest in rows(found))
    table = [("", "A", "B", "B / A"), *starred]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
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
