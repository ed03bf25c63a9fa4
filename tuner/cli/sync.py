"""`tune sync`: write into MLflow what it missed."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import as_json, studies, study_argument, study_folder


@click.command()
@study_argument
@click.option("--tracking-uri", metavar="URI", help="MLflow's store.  [default: the study's own]")
@click.option(
    "--register",
    metavar="NAME",
    help="Make the choice a version of this registered model in MLflow, with its manifest.",
)
@studies
@as_json
def sync(study: str, tracking_uri: str | None, register: str | None, studies: Path, as_json: bool) -> None:
    """Bring MLflow up to date with a study's journal: runs it missed, and tags that changed.

    STUDY is its name, or its folder. Safe to repeat: nothing is written twice.

    \b
    tune sync iris
    tune sync iris --tracking-uri http://127.0.0.1:5000
    tune sync iris --register iris-serving
    """
    from tuner.cli.output import print_json
    from tuner.commands.run import sync_study
    from tuner.uri import masked

    uri, written, version = sync_study(study_folder(study, studies), tracking_uri, register)
    if as_json:
        told = {"tracking_uri": masked(uri), "trials_written": written}
        print_json(told if register is None else {**told, "registered": {"name": register, "version": version}})
        return
    click.echo(f"{masked(uri)}: {written} trial{'s' if written != 1 else ''} written, the rest was there")
    if register is not None:
        click.echo(f"the choice is version {version} of the registered model {register}")
