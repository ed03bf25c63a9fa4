"""`tune ui`: MLflow's own page, on this machine."""

from __future__ import annotations

import os
import sys

import click


@click.command()
@click.option("--tracking-uri", metavar="URI", default="sqlite:///mlflow.db", show_default=True, help="MLflow's store.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback unless you say otherwise."
)
def ui(tracking_uri: str, port: int, host: str) -> None:
    """Open MLflow's page to compare trials: the same as `mlflow ui` in this folder.

    \b
    tune ui
    tune ui --port 5001
    """
    from pathlib import Path

    from tuner.errors import InputError, Problem, Where

    scheme = "sqlite:///"
    if tracking_uri.startswith(scheme) and not Path(tracking_uri.removeprefix(scheme)).is_file():
        raise InputError(
            [
                Problem(
                    where=Where(file=tracking_uri.removeprefix(scheme)),
                    message="no MLflow store is here",
                    fix="run a study first, or change to the folder you ran it in",
                )
            ]
        )
    click.echo(f"http://{host}:{port}   (Ctrl-C ends it)", err=True)
    sys.stderr.flush()
    arguments = ["ui", "--backend-store-uri", tracking_uri, "--host", host, "--port", str(port)]
    # one process instead of two: the page takes this one's place, and Ctrl-C reaches it directly
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *arguments])  # noqa: S606
