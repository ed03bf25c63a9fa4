"""`tune show`: what a study found so far."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tuner.cli.options import as_json, pick_again, studies, study_argument, study_folder


@click.command()
@study_argument
@pick_again
@studies
@as_json
def show(study: str, pick: str | None, studies: Path, as_json: bool) -> None:
    """Show a study's trials, its Pareto front and the best against the baseline; also while it runs.

    STUDY is its name, or its folder.

    \b
    tune show iris
    tune show iris --json | jq .choice
    """
    from tuner.cli.output import print_json, print_renderable
    from tuner.cli.result import print_summary
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.run import summary_of
    from tuner.record.console import trials_table
    from tuner.report.data import data

    summary = summary_of(study_folder(study, studies), pick=pick)
    if as_json:
        print_json(data(summary))
    else:
        print_renderable(trials_table(summary))
        print_summary(summary)
    sys.exit(FINE if summary.choice is not None else NOTHING_FEASIBLE)
