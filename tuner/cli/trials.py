"""``python -m tuner.cli.trials``: what `tune run --parallel` starts; not for people."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--number", type=click.IntRange(min=0), required=True, help="Which of the study's workers it is.")
@click.option("--cpus", default="", help="Those that all of them share, with commas.  [default: those it has]")
def trials(folder: Path, number: int, cpus: str) -> None:
    """Run the trials of the study in FOLDER that standard input names; what becomes of them goes to standard output."""
    from tuner.commands.worker import work
    from tuner.trials.folder import StudyFolder

    if cpus:  # whoever started it keeps to some of them
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    # what anything else prints must not get between the lines
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(message: dict[str, Any]) -> None:
        told.write(f"{json.dumps(message, allow_nan=False)}\n")
        told.flush()

    work(StudyFolder(folder), number, sys.stdin.buffer, say)


if __name__ == "__main__":
    from tuner.cli import main

    main(trials)
