"""Where results and progress are printed: results to stdout, progress and notices to stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tuner.record.model import Recorder
    from tuner.space.model import SearchSpace


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def print_renderable(renderable: RenderableType) -> None:
    console().print(renderable)


def console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        # a file or a pipe: as wide as its longest row needs, so that no column is cut
        made = Console(stderr=stderr, highlight=False, width=160)
    return made


def notice(text: str) -> None:
    """A sentence for the user that is not a result."""
    click.echo(text, err=True)


def progress(space: SearchSpace, *, quiet: bool) -> Recorder:
    """A live table in a terminal, a plain log elsewhere; both on stderr."""
    from tuner.record.console import LiveConsole, PlainConsole

    to = console(stderr=True)
    if to.is_terminal and not quiet:
        return LiveConsole(space, to)
    return PlainConsole(space, to)
