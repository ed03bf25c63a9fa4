"""`tune run`: the main job, from a search space to a measured, exported manifest."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.in_cluster import Asked, Repeatable, run_in_cluster
from tuner.cli.options import (
    SamplerName,
    StudyName,
    as_json,
    best_manifest,
    database,
    load_from,
    log_format,
    money_budget,
    parallel,
    pick,
    share,
    space_argument,
    studies,
    study_backend,
    study_folder,
    time_budget,
)
from tuner.study.names import AUTO

if TYPE_CHECKING:
    from tuner.trials.load_source import Place


@click.command(cls=Repeatable)
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
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the study of this name where it has begun, as `tune resume`: for what is started again by itself.",
)
@study_backend
@load_from
@parallel
@click.option(
    "--workers",
    is_flag=True,
    help="The trials are run by workers that join the study (`tune worker`), --parallel at a time; its --studies is a "
    "database.",
)
@click.option(
    "--sampler",
    type=SamplerName(),
    default=AUTO,
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
    "--register",
    metavar="NAME",
    help="Make the choice a version of this registered model in MLflow, with its manifest.",
)
@click.option(
    "--mask",
    multiple=True,
    metavar="NAME",
    help="A variable, flag or key of the manifest whose value is secret, besides those that look so: MLflow gets ***. "
    "May be repeated.",
)
@click.option(
    "--in-cluster",
    is_flag=True,
    help="Run all of it as a Job of the cluster, and follow that from here; the study is kept in the database that "
    "--secret names.",
)
@click.option("--image", help="With --in-cluster: the tuner's image.  [default: tuner:VERSION]")
@click.option(
    "--secret",
    metavar="NAME",
    help="With --in-cluster: a Secret whose keys are variables of the pods, TUNE_STUDIES among them.",
)
@click.option(
    "--service-account",
    default="tuner",
    show_default=True,
    metavar="NAME",
    help="With --in-cluster: the account of the pods, with the rights of `tune rbac`.",
)
@best_manifest
@studies
@log_format
@as_json
def run(
    space: Path,
    trials: int | None,
    time_s: float | None,
    cost: tuple[float, str | None] | None,
    gain: float | None,
    confirm: int | None,
    name: str | None,
    resume: bool,
    backend: str,
    table: Path | None,
    namespace: str | None,
    context: str | None,
    load: Place | None,
    load_image: str | None,
    load_cpus: int,
    parallel: int | None,
    workers: bool,
    sampler: str,
    seed: int,
    warm_start: tuple[str, ...],
    pick: str,
    storage_url: str | None,
    tracking_uri: str,
    register: str | None,
    mask: tuple[str, ...],
    in_cluster: bool,
    image: str | None,
    secret: str | None,
    service_account: str,
    output: Path | None,
    studies: Path,
    log_format: str,
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
    tune run search_spaces/iris --name nightly --resume
    tune run search_spaces/iris --in-cluster --namespace tuning --secret studies
    """
    from tuner.backends.model import Part
    from tuner.cli.output import progress
    from tuner.cli.result import finish
    from tuner.commands.run import StudySettings, begun
    from tuner.commands.run import resume as resume_study
    from tuner.commands.run import run as run_study
    from tuner.errors import InputError
    from tuner.targets.inputs import estimate, inputs_of, read_inputs

    kept = database()
    if in_cluster:
        asked = Asked(
            space=space,
            name=name,
            resume=resume,
            namespace=namespace,
            context=context,
            image=image,
            secret=secret,
            account=service_account,
            workers=(parallel or 1) if workers else 0,
            output=output,
            log_format=log_format,
            as_json=as_json,
            studies=studies,
            database=kept,
        )
        sys.exit(run_in_cluster(asked))
    if image is not None or secret is not None:
        named = "--image" if image is not None else "--secret"
        raise InputError.at(named, "it is of the Job's pods, and there is no Job", "add --in-cluster, or leave it out")
    if workers and (kept is None or backend != "kubernetes"):
        message = "workers join a study on a cluster that is kept in a database"
        raise InputError.at("--workers", message, "add --backend kubernetes --studies postgresql://USER@HOST/DATABASE")
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
        register=register,
        load=load,
        load_image=load_image,
        load_cpus=load_cpus,
        mask=mask,
        table=table,
        parallel=parallel,
        workers=workers,
        by_itself=resume,
        database=kept,
    )
    if resume and kept is not None:
        from tuner.trials.database.copies import pull_journals

        pull_journals(kept, studies)
    there = begun(space, name, studies) if resume else None
    if there is not None:
        there = study_folder(there.name, studies)
        inputs = inputs_of(there, parallel=parallel)
    else:
        part = Part(number=parallel or 1)
        inputs = read_inputs(space, backend, namespace=namespace, context=context, table=table, seed=seed, part=part)
    with progress(inputs.space, quiet=as_json, log_format=log_format, trial_s=estimate(inputs).seconds_a_trial) as (
        console,
        notice,
    ):
        if there is not None:
            folder, summary = there, resume_study(there, inputs, replace(settings, tracking_uri=None), console, notice)
        else:
            folder, summary = run_study(inputs, settings, console, notice)
    sys.exit(finish(folder, summary, output=output, as_json=as_json))
