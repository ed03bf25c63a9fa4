"""`tune stress`: where does one server break, and does it come back?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.options import as_json, duration, html_page, load_rate, system

if TYPE_CHECKING:
    from tuner.commands.stress import Stress
    from tuner.measure.runs import Run
    from tuner.targets.model import SystemUnderTest, TargetOptions
    from tuner.workload.shapes import Rated, Trace

_WORDS = {"fine": "ok", "bad": "BAD", "undecided": "undecided"}


@click.command()
@click.argument("target")
@load_rate
@click.option("--arrival", help="How the gaps are drawn: poisson, constant or gamma:cv=2.  [default: the space's]")
@click.option(
    "--shape",
    help="Instead of the ramp: ramp:10/s..500/s,over=30s, steps, spike, on_off or trace:FILE. 2x is twice --rate.",
)
@click.option("--spike", is_flag=True, help="Then a spike to twice what a closed loop gets through, and the recovery.")
@click.option(
    "--soak",
    "soak_s",
    metavar="DURATION",
    callback=duration,
    help="Then a steady load for so long: do latency and memory grow?",
)
@html_page
@system
@as_json
def stress(
    target: str,
    rate_rps: float | None,
    arrival: str | None,
    shape: str | None,
    spike: bool,
    soak_s: float | None,
    html: Path | None,
    options: TargetOptions,
    as_json: bool,
) -> None:
    """Load one server until it breaks, and see whether it recovers.

    TARGET is a URL, a manifest, a search space (its baseline), or study:NAME (what it chose, or its --trial).

    A ramp climbs from a quarter to one and a half times what a closed loop gets through, higher where the server holds.
    It tells at which rate the SLO broke (--slo, or the search space's; without one, where the median is ten times
    slower or one request in a hundred fails), and how long latency took to be back. --rate is the usual load: a server
    that breaks below it is bad; spike and soak start from it, or from half of the closed loop.

    \b
    Exit status: 0 every verdict is fine; 1 one is bad (broke below --rate, did not recover, grows, breaks the SLO,
    died); 2 bad input, nothing was started; 3 something could not be told, or the machine failed; 130 interrupted,
    with everything taken down.

    \b
    tune stress http://127.0.0.1:9000/predict --body request.json --slo "latency_p99 <= 50ms"
    tune stress search_spaces/iris --spike --soak 10m --html stress.html
    tune stress deployment.yaml --shape on_off:200/s..20/s,on_for=2s,off_for=3s --json
    """
    from tuner.cli.output import command_line, deliver, notice, stages, writable
    from tuner.cli.status import CANNOT_TELL, FINE, SLO_MISSED
    from tuner.commands.stress import Plan, check, document
    from tuner.commands.stress import stress as run
    from tuner.report.page import stress_page

    asked = replace(options, rate_rps=rate_rps, arrival=arrival)
    server, load = _subject_and_shape(target, asked, shape, notice)
    plan = Plan(shape=load, spike=spike, soak_s=soak_s)
    check(plan)
    writable(html)
    try:
        with stages(quiet=as_json) as on_stage:
            result = run(server, plan, on_stage=on_stage)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("what was started is taken down; nothing was written") from stop
    found = {**document(result), "command": command_line()}
    deliver(found, lambda: stress_page(found), html, lambda: _print(result), as_json=as_json)
    sys.exit({"fine": FINE, "bad": SLO_MISSED, "undecided": CANNOT_TELL}[result.state])


def _subject_and_shape(
    target: str, options: TargetOptions, shape: str | None, notice: Callable[[str], None]
) -> tuple[SystemUnderTest, Rated | Trace | None]:
    """Raises InputError with the problems of both."""
    from tuner.errors import InputError, Problem
    from tuner.targets.named import system
    from tuner.workload.shapes import ShapeError, parse_shape
    from tuner.workload.trace import read_trace

    problems: list[Problem] = []
    found: SystemUnderTest | None = None
    load: Rated | Trace | None = None
    try:
        found = system(target, options=options, notice=notice)
    except InputError as error:
        problems += error.problems
    sources = () if found is None else found.workload.requests
    try:
        if shape is not None:
            load = parse_shape(shape, lambda file: read_trace(Path(file), [source.path.name for source in sources]))
    except ShapeError as error:
        problems += [Problem.at("--shape", mistake.message, mistake.fix) for mistake in error.mistakes]
    except InputError as error:
        problems += error.problems if found is not None else ()
    if problems or found is None:
        raise InputError(problems)
    return found, load


def _print(result: Stress) -> None:
    from tuner.units import format_rate

    through = "" if result.closed_rps is None else f"; a closed loop gets {format_rate(result.closed_rps)} through"
    click.echo(f"{result.target}{through}")
    for run in result.runs:
        click.echo(f"\n{run.load}")
        for verdict in run.verdicts:
            click.echo(_line(_WORDS[verdict.state], verdict.what.replace("_", " "), verdict.text))
        click.echo(_line("", "figures", _figures(run)))
    if result.died is not None:
        click.echo(f"\n{_line('BAD', 'survival', result.died)}")
    for warning in result.warnings:
        click.echo(f"warning: {warning}")


def _line(word: str, what: str, text: str) -> str:
    return f"  {word:<4} {what:<15} {text}"


def _figures(run: Run) -> str:
    """What the window was, in a line."""
    from tuner.units import format_bytes, format_cores, format_ratio, format_seconds

    window, usage = run.window, run.usage
    parts = [f"{window.requests} requests"]
    parts += [
        f"{name.removeprefix('latency_')} {format_seconds(window.latency_s[name].value)}"
        for name in ("latency_p50", "latency_p99")
        if name in window.latency_s
    ]
    parts.append(f"errors {format_ratio(window.error_ratio.value)}")
    if usage.cpu_cores is not None:
        parts.append(format_cores(usage.cpu_cores))
    if usage.memory_peak_bytes is not None:
        parts.append(format_bytes(usage.memory_peak_bytes))
    return ", ".join(parts)
