"""Where results and progress are printed: results to stdout, progress and notices to stderr."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tuner.space.model import SearchSpace
    from tuner.study.model import Recorder


_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms|us|s|Mi|Gi|cores?|[A-Z]{3}/h)(?!\w))")
_KEEPS_TOGETHER = "\u00a0"


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


def print_diff(text: str) -> None:
    """A unified diff, in colours on a terminal."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in text.splitlines(keepends=True):
        is_head = line.startswith(("--- ", "+++ "))
        click.secho(line, nl=False, fg=None if is_head else colours.get(line[:1]), bold=is_head)


def print_renderable(renderable: RenderableType) -> None:
    console().print(renderable)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Of plain text; brackets in it are no markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, justify="right" if title == "trials" else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    print_renderable(table)


def print_lines(lines: Iterable[str], *, indent: int = 2) -> None:
    """Sentences, a line each; in a terminal no word is cut at its edge, and what goes on is indented."""
    from textwrap import wrap

    to = console()
    for line in lines:
        if not to.is_terminal:
            click.echo(line)
            continue
        start = len(line) - len(line.lstrip())
        further = " " * (indent if start < indent else start + 2)
        kept = _NUMBER_AND_UNIT.sub(_KEEPS_TOGETHER, line)
        parts = wrap(kept, to.width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)
        for part in parts or [""]:
            click.echo(part.replace(_KEEPS_TOGETHER, " "))


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
def progress(
    space: SearchSpace, *, quiet: bool, log_format: str = "auto", trial_s: float | None = None
) -> Iterator[tuple[Recorder, Callable[[str], None]]]:
    """A live table in a terminal, a plain log elsewhere, or what `log_format` asks for, all on stderr; and where to say
    a sentence meanwhile. `trial_s`: what a trial is expected to take.

    The terminal is given back when the context is left, before anything else is printed.
    """
    from tuner.record.console import LiveConsole, PlainConsole
    from tuner.record.log import JsonLog

    to = console(stderr=True)
    if log_format == "json":
        log = JsonLog(space, sys.stderr, trial_s=trial_s)
        yield log, log.notice
        return
    if not to.is_terminal or quiet or log_format == "plain":
        yield PlainConsole(space, to, trial_s=trial_s), notice
        return
    live = LiveConsole(space, to, trial_s=trial_s)
    try:
        yield live, lambda text: to.print(text, markup=False)
    finally:
        live.stop()
