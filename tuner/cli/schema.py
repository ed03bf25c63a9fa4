"""`tune schema`: the JSON Schema of the search-space file, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import file_or_stdout


@click.command()
@file_or_stdout
def schema(output: Path) -> None:
    """Write the JSON Schema of the search-space file, by which editors complete and check it.

    An editor with a YAML language server takes it where the file says so, with a path relative to itself, as in files
    that `tune init` writes: # yaml-language-server: $schema=space.schema.json

    \b
    tune schema -o space.schema.json
    """
    from tuner.files import write
    from tuner.space.file.schema import text

    if str(output) == "-":
        click.echo(text(), nl=False)
    else:
        write(output, text().encode())
