"""`tune record`: a study's journal as a table that can be replayed."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import StudyName, as_json, file_or_stdout, studies, study_folder


@click.command()
@click.argument("study", type=StudyName(), nargs=-1, required=True)
@file_or_stdout
@studies
@as_json
def record(study: tuple[str, ...], output: Path, studies: Path, as_json: bool) -> None:
    """Write what studies measured as a table, a row a start: restarts and failures too.

    STUDY is a study's name, or its folder; several of one search space go into one table. `tune run --backend replay
    --table TABLE` then tells again what was measured.

    \b
    tune record iris -o iris.csv
    tune record iris iris-2 iris-3 -o iris.csv
    """
    from tuner.cli.output import notice, print_json
    from tuner.commands.record import record as record_studies
    from tuner.files import write

    found = record_studies([study_folder(name, studies) for name in study])
    for sentence in found.said:
        notice(sentence)
    if str(output) != "-":
        write(output, found.text.encode())
        notice(f"{output}: {found.rows} rows of {found.configurations} configurations")
    if as_json:
        print_json(
            {
                "rows": found.rows,
                "configurations": found.configurations,
                "said": list(found.said),
                "output": None if str(output) == "-" else str(output),
                "table": found.text,
            }
        )
    elif str(output) == "-":
        click.echo(found.text, nl=False)
