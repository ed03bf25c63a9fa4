"""`tune show`: what a study found so far."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tuner.cli.options import as_json, pick_again, studies, study_argument, study_folder


@click.command()
@study_argument
@pick_again
@click.option(
    "--predict",
    metavar="NAME=VALUE,...",
    help="What is believed of a configuration, tried or not, such as workers=3,cpu=1; the rest is as in the choice.",
)
@studies
@as_json
def show(study: str, pick: str | None, predict: str | None, studies: Path, as_json: bool) -> None:
    """Show a study's trials, its Pareto front, the best against the baseline and what was learned; also while it runs.

    STUDY is its name, or its folder.

    \b
    tune show iris
    tune show iris --json | jq .choice
    tune show iris --predict workers=3,cpu=1
    """
    from tuner.cli.output import print_json, print_renderable
    from tuner.cli.result import print_summary
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.knowledge import predicted, with_knowledge
    from tuner.commands.run import summary_of
    from tuner.record.console import trials_table
    from tuner.record.knowledge import prediction_lines
    from tuner.report.data import data

    folder = study_folder(study, studies)
    summary = summary_of(folder, pick=pick)
    if predict is not None:
        prediction = predicted(folder, summary, predict)
        if as_json:
            print_json(prediction)
        else:
            click.echo("\n".join(prediction_lines(prediction)))
        return
    summary = with_knowledge(folder, summary)
    if as_json:
        print_json(data(summary))
    else:
        print_renderable(trials_table(summary))
        print_summary(summary)
    sys.exit(FINE if summary.choice is not None else NOTHING_FEASIBLE)
