"""`tune ui`: MLflow's own page, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tuner.cli.options import StudyName, studies, study_folder


@click.command()
@click.argument("study", type=StudyName(), required=False)
@click.option("--tracking-uri", metavar="URI", default="sqlite:///mlflow.db", show_default=True, help="MLflow's store.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback unless you say otherwise."
)
@studies
def ui(study: str | None, tracking_uri: str, port: int, host: str, studies: Path) -> None:
    """Serve MLflow's page to compare trials: the same as `mlflow ui` in this folder.

    The address is printed when it answers: with STUDY (its name, or its folder) that of the page which compares the
    study's trials.

    \b
    tune ui
    tune ui iris --port 5001
    """
    from tuner.cli.output import notice
    from tuner.errors import InputError
    from tuner.record.uri import absolute, sqlite_file

    uri = absolute(tracking_uri)
    store = sqlite_file(uri)
    if store is not None and not store.is_file():
        fix = "run a study first, or change to the folder you ran it in"
        raise InputError.at(store, "no MLflow store is here", fix)
    page = ""
    if study is not None:
        from tuner.commands.run import page_of

        page = page_of(study_folder(study, studies), uri)
    from tuner.commands.ui import serve

    sys.exit(serve(uri, host, port, page, notice))
