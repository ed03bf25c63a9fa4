"""`tune report`: a study as one page, to look at and to send around."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import studies, study_argument, study_folder


@click.command()
@study_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write; - is stdout.  [default: report.html in the study's folder]",
)
@click.option("--follow", is_flag=True, help="Serve the page on this machine, up to date while the study runs.")
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    default=0,
    help="With --follow: on this port.  [default: a free one]",
)
@click.option(
    "--outputs",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write what was found, a file each (verdict, trial, gain, numbers, manifest), for what goes on from it.",
)
@studies
def report(study: str, output: Path | None, follow: bool, port: int, outputs: Path | None, studies: Path) -> None:
    """Write a study's report: one page that opens in any browser and loads nothing; also while the study runs.

    STUDY is its name, or its folder. The page says what was found, shows why, how it was measured and how to repeat it.
    Literal secrets of the manifest are masked in it. With --outputs the status is 0 whatever the verdict is, and 3 where
    the study has not ended or nothing was measured.

    \b
    tune report iris -o iris.html
    tune report iris --follow        # look at it while it runs
    tune report iris --outputs found
    """
    from tuner.cli.output import notice
    from tuner.commands.report import follow as serve
    from tuner.commands.report import page
    from tuner.errors import InputError
    from tuner.files import write

    folder = study_folder(study, studies)
    if follow:
        if output is not None:
            raise InputError.at("--follow", "a page that is followed is served, not written", "leave out --output")
        serve(folder, port, notice)
        return
    if outputs is not None:
        from tuner.commands.report import write_outputs

        write_outputs(folder, outputs)
        notice(f"written: {outputs}")
        return
    if port:
        raise InputError.at("--port", "nothing is served", "add --follow")
    text = page(folder)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    write(output or folder.page, text.encode(), private=True)
    notice(f"written: {output or folder.page}")
