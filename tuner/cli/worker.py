"""`tune worker`: run trials of a study that is decided elsewhere."""

from __future__ import annotations

import click

from tuner.cli.options import StudyName, studies


@click.command()
@click.argument("study", type=StudyName())
@studies
def worker(study: str, studies: object) -> None:  # noqa: ARG001
    """Join a study that is kept in PostgreSQL and run trials of it, one at a time, until it ends.

    STUDY is its name; it may still have to begin. Start as many workers as trials are to run at a time, wherever the
    cluster can be reached and --studies too. Ctrl-C, a node that dies or a kill costs the trial it was at, which another
    worker runs again.

    \b
    export TUNE_STUDIES=postgresql://tuner@db/tuner
    tune run search_spaces/iris --backend kubernetes --workers --parallel 4
    tune worker iris
    """
    from tuner.cli.options import database
    from tuner.cli.output import notice
    from tuner.commands.worker import join
    from tuner.errors import InputError

    there = database()
    if there is None:
        fix = "write --studies postgresql://USER@HOST/DATABASE, as `tune run` was given; or set TUNE_STUDIES"
        raise InputError.at("--studies", "a worker joins a study that is kept in PostgreSQL", fix)
    join(there, study, notice)
