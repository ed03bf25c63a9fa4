"""`tune show`: what a study found so far."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from tuner.cli.list import print_studies
from tuner.cli.options import StudyName, as_json, pick_again, studies, study_folder

if TYPE_CHECKING:
    from tuner.study.model import Summary
    from tuner.trials.folder import StudyFolder


@click.command()
@click.argument("study", type=StudyName(), required=False)
@pick_again
@click.option(
    "--predict",
    metavar="NAME=VALUE,...",
    help="What is believed of a configuration, tried or not, such as workers=3,cpu=1; the rest is as in the choice.",
)
@click.option(
    "--diff", is_flag=True, help="Show what the choice changes in the manifest as it stood, and nothing else."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "seldon-benchmark"]),
    default="table",
    show_default=True,
    help="seldon-benchmark: all trials as CSV, in the columns of Seldon's benchmarking chart, and nothing else.",
)
@studies
@as_json
def show(
    study: str | None,
    pick: str | None,
    predict: str | None,
    diff: bool,
    format_: str,
    studies: Path,
    as_json: bool,
) -> None:
    """Show what a study found, and why the rest was refused; also while it runs.

    Its trials, the Pareto front, the best against the baseline, what was learned, and what to type next.

    STUDY is its name, or its folder; without one the studies are listed.

    \b
    tune show iris
    tune show iris --json | jq .choice
    tune show iris --predict workers=3,cpu=1
    tune show iris --diff
    tune show iris --format seldon-benchmark --json
    """
    from tuner.cli.output import print_json, print_lines, print_renderable
    from tuner.cli.result import next_lines, print_summary
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.knowledge import predicted, with_knowledge
    from tuner.commands.run import summary_of
    from tuner.record.knowledge import prediction_lines
    from tuner.record.refused import refusal_lines
    from tuner.record.tables import trials_table
    from tuner.report.data import data

    if study is None:
        print_studies(studies, as_json=as_json)
        return
    folder = study_folder(study, studies)
    summary = summary_of(folder, pick=pick)
    if predict is not None:
        prediction = predicted(folder, summary, predict)
        if as_json:
            print_json(prediction)
        else:
            click.echo("\n".join(prediction_lines(prediction)))
        return
    if diff:
        _show_diff(folder, summary, as_json=as_json)
    if format_ != "table":
        _show_seldon_benchmark(folder, summary, as_json=as_json)
    summary = with_knowledge(folder, summary)
    if as_json:
        print_json(data(summary))
    else:
        print_renderable(trials_table(summary))
        print_lines(refusal_lines(summary))
        print_summary(summary)
        print_lines(next_lines(folder, summary))
    sys.exit(FINE if summary.choice is not None else NOTHING_FEASIBLE)


def _show_diff(folder: StudyFolder, summary: Summary, *, as_json: bool) -> NoReturn:
    from tuner.cli.output import notice, print_diff, print_json
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.export import take

    if summary.choice is None:
        notice(f"no configuration of study {summary.start.name} is chosen: none meets the SLO")
        sys.exit(NOTHING_FEASIBLE)
    number = summary.choice.candidate.trial
    text = take(folder, summary, number).diff()
    if as_json:
        print_json({"trial": number, "diff": text})
    elif text:
        print_diff(text)
    else:
        notice(f"trial {number} is the manifest as it stood: nothing is changed")
    sys.exit(FINE)


def _show_seldon_benchmark(folder: StudyFolder, summary: Summary, *, as_json: bool) -> NoReturn:
    from tuner.cli.output import notice, print_json
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.show import seldon_benchmark

    table = seldon_benchmark(folder, summary)
    for sentence in table.said:
        notice(sentence)
    if as_json:
        print_json(table.rows)
    else:
        click.echo(table.csv(), nl=False)
    sys.exit(FINE if summary.choice is not None else NOTHING_FEASIBLE)
