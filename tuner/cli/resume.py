"""`tune resume`: go on with a study that was interrupted."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tuner.cli.options import (
    as_json,
    best_manifest,
    database,
    log_format,
    money_budget,
    parallel,
    share,
    studies,
    study_argument,
    study_folder,
    time_budget,
)


@click.command()
@study_argument
@click.option("--trials", type=click.IntRange(min=1), help="A new bound on the trials, those already done among them.")
@click.option(
    "--time",
    "time_s",
    metavar="DURATION",
    callback=time_budget,
    help="A new bound on the time, that of the trials already done in it, such as 30m.",
)
@click.option(
    "--cost",
    metavar="MONEY",
    callback=money_budget,
    help="A new bound on the money, what was spent already in it, such as '5 USD'.",
)
@click.option(
    "--gain", metavar="SHARE", callback=share, help="End the search where ten more trials would bring less, such as 1%."
)
@parallel
@click.option("--storage", "storage_url", metavar="URL", help="Optuna's storage, where its address holds credentials.")
@click.option("--tracking-uri", metavar="URI", help="MLflow's store, where its address holds credentials.")
@best_manifest
@studies
@log_format
@as_json
def resume(
    study: str,
    trials: int | None,
    time_s: float | None,
    cost: tuple[float, str | None] | None,
    gain: float | None,
    parallel: int | None,
    storage_url: str | None,
    tracking_uri: str | None,
    output: Path | None,
    studies: Path,
    log_format: str,
    as_json: bool,
) -> None:
    """Go on with a study after Ctrl-C, a crash or a kill; or give a finished one more trials.

    STUDY is its name, or its folder. Nothing that was finished runs again; only the interrupted trial does.

    \b
    tune resume iris
    tune resume iris --trials 60
    """
    from tuner.cli.output import progress
    from tuner.cli.result import finish
    from tuner.commands.run import StudySettings
    from tuner.commands.run import resume as resume_study
    from tuner.targets.inputs import estimate, inputs_of

    folder = study_folder(study, studies)
    inputs = inputs_of(folder, parallel=parallel)
    settings = StudySettings(
        trials=trials,
        time_s=time_s,
        cost=cost,
        gain=gain,
        parallel=parallel,
        database=database(),
        storage_url=storage_url,
        tracking_uri=tracking_uri,
    )
    with progress(inputs.space, quiet=as_json, log_format=log_format, trial_s=estimate(inputs).seconds_a_trial) as (
        console,
        notice,
    ):
        summary = resume_study(folder, inputs, settings, console, notice)
    sys.exit(finish(folder, summary, output=output, as_json=as_json))
