"""`tune sync`: write into MLflow what it missed."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import as_json, studies, study_argument, study_folder


@click.command()
@study_argument
@click.option("--tracking-uri", metavar="URI", help="MLflow's store.  [default: the study's own]")
@studies
@as_json
def sync(study: str, tracking_uri: str | None, studies: Path, as_json: bool) -> None:
    """Bring MLflow up to date with a study's journal: runs it missed, and tags that changed.

    STUDY is its name, or its folder. Safe to repeat: nothing is written twice.

    \b
    tune sync iris
    tune sync iris --tracking-uri http://127.0.0.1:5000
    """
    from tuner.cli.output import print_json
    from tuner.commands.run import sync_study
    from tuner.uri import masked

    uri, written = sync_study(study_folder(study, studies), tracking_uri)
    if as_json:
        print_json({"tracking_uri": masked(uri), "trials_written": written})
    else:
        click.echo(f"{masked(uri)}: {written} trial{'s' if written != 1 else ''} written, the rest was there")
