"""`tune ui`: MLflow's own page, on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from tuner.cli.options import StudyName, studies, study_folder


@click.command()
@click.argument("study", type=StudyName(), required=False)
@click.option(
    "--tracking-uri", metavar="URI", help="MLflow's store.  [default: the study's own, or sqlite:///mlflow.db]"
)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback unless you say otherwise."
)
@click.option(
    "--open/--no-open", "opens", default=None, help="Open it in a browser.  [default: in a terminal on a desktop]"
)
@studies
def ui(study: str | None, tracking_uri: str | None, port: int, host: str, opens: bool | None, studies: Path) -> None:
    """Show the trials of a study in MLflow: best first, with their knobs, metrics and artifacts.

    Serves MLflow's page from this folder, prints its address when it answers, and opens it. STUDY is its name, or its
    folder; without one it is the study that was written to last. Of a store that is a server already, that is shown.

    \b
    tune ui
    tune ui iris --port 5001
    tune ui iris --tracking-uri https://mlflow.example.com
    """
    from tuner.cli.output import notice
    from tuner.commands.ui import page_of, show, store_of

    folder = None if study is None else study_folder(study, studies)
    uri = store_of(folder, tracking_uri)
    page = page_of(folder, uri)
    sys.exit(show(uri, host, port, page, notice, opens=_on_a_desktop() if opens is None else opens))


def _on_a_desktop() -> bool:
    """Else a browser would open in the terminal itself, or nowhere."""
    shown = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return bool(shown) and sys.stderr.isatty()
