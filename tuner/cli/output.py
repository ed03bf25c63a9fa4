"""Where results and progress are printed: results to stdout, progress and notices to stderr."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tuner.space.model import SearchSpace
    from tuner.study.model import Recorder


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def deliver(
    result: Mapping[str, Any], page: Callable[[], str], html: Path | None, text: Callable[[], None], *, as_json: bool
) -> None:
    """Write the page where one is asked for, and print the result: as JSON, or as `text` does."""
    from tuner.files import write

    if html is not None:
        write(html, page().encode())
    if as_json:
        print_json(result)
        return
    text()
    if html is not None:
        click.echo(f"written: {html}")


def writable(*paths: Path | None) -> None:
    """Raises InputError before the costly part for files that cannot be written after it."""
    from tuner.errors import InputError, Problem

    problems = [
        Problem.at(path, "its folder is not there, or not writable", "name another file")
        for path in paths
        if path is not None and not os.access(path.parent, os.W_OK | os.X_OK)
    ]
    if problems:
        raise InputError(problems)


def command_line() -> str:
    """The command line to repeat it, without the values of headers: they may hold secrets."""
    from tuner.uri import masked

    words, hidden = ["tune"], False
    for word in sys.argv[1:]:
        if hidden or word.startswith("--header="):
            name = word.removeprefix("--header=").partition(":")[0]
            word = f"{'' if hidden else '--header='}{name}: ***"
        hidden = word == "--header"
        words.append(masked(word))
    return shlex.join(words)


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
