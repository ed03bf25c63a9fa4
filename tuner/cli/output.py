"""Where results and progress are printed: results to stdout, progress and notices to stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def stages(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Where to say what is being done: on one line of a terminal, else a line each, on stderr; `quiet`: nowhere."""
    to = console(stderr=True)
    if quiet:
        yield lambda _: None
    elif not to.is_terminal:
        yield notice
    else:
        with to.status("") as status:
            yield lambda stage: status.update(f"{stage} ...")


@contextmanager
def progress(space: SearchSpace, *, quiet: bool) -> Iterator[tuple[Recorder, Callable[[str], None]]]:
    """A live table in a terminal, a plain log elsewhere, both on stderr; and where to say a sentence meanwhile.

    The terminal is given back when the context is left, before anything else is printed.
    """
    from tuner.record.console import LiveConsole, PlainConsole

    to = console(stderr=True)
    if not to.is_terminal or quiet:
        yield PlainConsole(space, to), notice
        return
    live = LiveConsole(space, to)
    try:
        yield live, lambda text: to.print(text, markup=False)
    finally:
        live.stop()
