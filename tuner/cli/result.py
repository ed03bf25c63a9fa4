"""What is printed when a study ends, and when it is shown again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tuner.study.model import Summary
    from tuner.trials.folder import StudyFolder


def finish(folder: StudyFolder, summary: Summary, *, output: Path | None, as_json: bool) -> int:
    """Print the result and where everything is; returns the exit status."""
    from tuner.cli.output import print_json, print_lines
    from tuner.cli.status import ENVIRONMENT_FAILED, FINE, NOTHING_FEASIBLE
    from tuner.files import write
    from tuner.report.data import data

    if output is not None and summary.choice is not None:
        write(output, folder.best_manifest.read_bytes(), private=True)
    if as_json:
        print_json(data(summary))
    else:
        print_summary(summary)
        if summary.choice is not None:
            click.echo(f"manifest: {output or folder.best_manifest}   (kubectl apply -f it)")
        click.echo(f"report: {folder.page}   (its data: {folder.report.name})")
        if summary.start.tracking_uri:
            click.echo(f"compare the trials: tune ui {folder.called}{_ui_option(summary.start.tracking_uri)}")
        if summary.choice is None:
            print_lines(next_lines(folder, summary))
    if summary.choice is None:
        return NOTHING_FEASIBLE if any(trial.measurement for trial in summary.trials) else ENVIRONMENT_FAILED
    return FINE


def print_summary(summary: Summary) -> None:
    """The front, the choice against the baseline, and what to mistrust."""
    from tuner.cli.output import print_lines, print_renderable
    from tuner.record.knowledge import knowledge_lines
    from tuner.record.machine import machine_lines
    from tuner.record.tables import pareto_table
    from tuner.record.wording import caveat_lines, comparison_lines, currency_of, ending_lines

    print_renderable(pareto_table(summary))
    learned = [] if summary.knowledge is None else knowledge_lines(summary.knowledge, currency_of(summary.trials))
    told = [*comparison_lines(summary), *learned, *machine_lines(summary), *caveat_lines(summary)]
    print_lines([*told, *ending_lines(summary)])


def next_lines(folder: StudyFolder, summary: Summary) -> list[str]:
    """The commands that one would type next."""
    from shlex import quote

    from tuner.study.hopeless import baseline_failed
    from tuner.trials.journal import holder

    name = quote(folder.called)
    if summary.state == "open" and (process := holder(folder.journal)) is not None:
        return [f"next: tune report {name} --follow (process {process} is running it)"]
    if summary.state != "ended":
        return [f"next: tune resume {name}"]
    more = 2 * (summary.start.budget.trials or len(summary.trials))
    if summary.choice is not None and summary.choice.candidate.trial == summary.baseline:
        return [f"next: tune resume {name} --trials {more}, or wider ranges in a new study"]
    if summary.choice is not None:
        return [
            f"next: tune export {name} -o best.yaml",
            f"      tune show {name} --diff (what it changes), tune report {name} (a page to send)",
        ]
    if not any(trial.measurement for trial in summary.trials):
        on = "" if summary.start.backend == "process" else f" --backend {summary.start.backend}"
        tried = " --try" if baseline_failed(summary.trials) and summary.start.table is None else ""
        return [f"next: tune check {quote(_from_here(summary.start.space_file))}{on}{tried}"]
    return [f"next: tune resume {name} --trials {more}, or a looser SLO in a new study"]


def _from_here(path: str) -> str:
    """As one would type it."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def _ui_option(uri: str) -> str:
    from tuner.commands.run import DEFAULT_TRACKING_URI
    from tuner.record.uri import absolute
    from tuner.uri import masked

    return "" if uri == absolute(DEFAULT_TRACKING_URI) else f" --tracking-uri {masked(uri)}"
