"""`tune run`: the main job, from a search space to a measured, exported manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.options import (
    StudyName,
    as_json,
    best_manifest,
    load_from,
    money_budget,
    pick,
    share,
    space_argument,
    studies,
    study_backend,
    study_folder,
    time_budget,
)

if TYPE_CHECKING:
    from tuner.trials.load_source import Place


@click.command()
@space_argument
@click.option(
    "--trials", type=click.IntRange(min=1), help="Trials at most, the baseline among them.  [default: budget.trials]"
)
@click.option(
    "--time",
    "time_s",
    metavar="DURATION",
    callback=time_budget,
    help="Time at most, such as 10m.  [default: budget.time]",
)
@click.option(
    "--cost",
    metavar="MONEY",
    callback=money_budget,
    help="Money at most, such as '5 USD': what trials request, by the space's prices.  [default: budget.cost]",
)
@click.option(
    "--gain",
    metavar="SHARE",
    callback=share,
    help="End the search where ten more trials would bring less, such as 1%.  [default: budget.gain]",
)
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    help="Fresh starts of what is chosen, in the race of the leaders at the end; 0: no race.  "
    "[default: budget.confirm, or 3]",
)
@click.option("--name", help="Name of the study.  [default: the search space's, with a number where it is taken]")
@study_backend
@load_from
@click.option(
    "--sampler",
    default="auto",
    show_default=True,
    help="What proposes: auto (a model of all valid configurations), tpe, random, nsga2, qmc, gp or grid.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Makes the proposals repeatable.")
@click.option(
    "--warm-start",
    multiple=True,
    metavar="STUDY",
    type=StudyName(),
    help="An earlier study of the same or an overlapping search space to learn from, by its name or folder. May be "
    "repeated.",
)
@pick
@click.option(
    "--storage", "storage_url", metavar="URL", help="Optuna's storage.  [default: SQLite in the study's folder]"
)
@click.option(
    "--tracking-uri",
    metavar="URI",
    default="sqlite:///mlflow.db",
    show_default=True,
    help="MLflow's store; `none` records nothing there.",
)
@click.option(
    "--mask",
    multiple=True,
    metavar="NAME",
    help="A variable, flag or key of the manifest whose value is secret, besides those that look so: MLflow gets ***. "
    "May be repeated.",
)
@best_manifest
@studies
@as_json
def run(
    space: Path,
    trials: int | None,
    time_s: float | None,
    cost: tuple[float, str | None] | None,
    gain: float | None,
    confirm: int | None,
    name: str | None,
    backend: str,
    table: Path | None,
    namespace: str | None,
    context: str | None,
    load: Place | None,
    load_image: str | None,
    load_cpus: int,
    sampler: str,
    seed: int,
    warm_start: tuple[str, ...],
    pick: str,
    storage_url: str | None,
    tracking_uri: str,
    mask: tuple[str, ...],
    output: Path | None,
    studies: Path,
    as_json: bool,
) -> None:
    """Try configurations, measure each, and export the best one's manifest.

    SPACE is a search-space file, or a folder with a space.yaml in it. Trial 0 is the manifest as it stands, so that
    every result says how much better than today it is. Progress goes to stderr, the result to stdout.

    \b
    tune run search_spaces/iris
    tune run search_spaces/iris --trials 40 --time 15m --pick cost
    tune run search_spaces/iris --warm-start iris
    tune run search_spaces/iris --backend replay --table iris.csv
    """
    from tuner.cli.output import progress
    from tuner.cli.result import finish
    from tuner.commands.run import StudySettings
    from tuner.commands.run import run as run_study
    from tuner.targets.inputs import read_inputs

    settings = StudySettings(
        backend=backend,
        name=name,
        studies=studies,
        trials=trials,
        time_s=time_s,
        cost=cost,
        gain=gain,
        confirm=confirm,
        seed=seed,
        sampler=sampler,
        warm_start=tuple(study_folder(study, studies) for study in warm_start),
        pick=pick,
        storage_url=storage_url,
        tracking_uri=None if tracking_uri == "none" else tracking_uri,
        load=load,
        load_image=load_image,
        load_cpus=load_cpus,
        mask=mask,
        table=table,
    )
    inputs = read_inputs(space, backend, namespace=namespace, context=context, table=table, seed=seed)
    with progress(inputs.space, quiet=as_json) as (console, notice):
        folder, summary = run_study(inputs, settings, console, notice)
    sys.exit(finish(folder, summary, output=output, as_json=as_json))
