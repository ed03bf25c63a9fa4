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
    from tuner.cli.output import print_json
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
        click.echo(f"report data: {folder.report}")
        if summary.start.tracking_uri:
            click.echo(f"compare the trials: tune ui {summary.start.name}{_ui_option(summary.start.tracking_uri)}")
    if summary.choice is None:
        return NOTHING_FEASIBLE if any(trial.measurement for trial in summary.trials) else ENVIRONMENT_FAILED
    return FINE


def print_summary(summary: Summary) -> None:
    """The front, the choice against the baseline, and what to mistrust."""
    from tuner.cli.output import print_renderable
    from tuner.record.console import pareto_table
    from tuner.record.knowledge import knowledge_lines
    from tuner.record.machine import machine_lines
    from tuner.record.wording import caveat_lines, comparison_lines, currency_of, ending_lines

    print_renderable(pareto_table(summary))
    learned = [] if summary.knowledge is None else knowledge_lines(summary.knowledge, currency_of(summary.trials))
    told = [*comparison_lines(summary), *learned, *machine_lines(summary), *caveat_lines(summary)]
    for line in [*told, *ending_lines(summary)]:
        click.echo(line)


def _ui_option(uri: str) -> str:
    from tuner.commands.run import DEFAULT_TRACKING_URI
    from tuner.record.uri import absolute
    from tuner.uri import masked

    return "" if uri == absolute(DEFAULT_TRACKING_URI) else f" --tracking-uri {masked(uri)}"
