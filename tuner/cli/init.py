"""`tune init`: a first search space, from a look at a manifest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: space.yaml beside the manifest]",
)
@click.option("--workload", metavar="KIND/NAME", help="The workload to tune.  [default: the likeliest]")
@click.option("--container", metavar="NAME", help="The container to tune.  [default: the likeliest]")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(manifest: Path, output: Path | None, workload: str | None, container: str | None, force: bool) -> None:
    """Write a search space for MANIFEST, by looking at what its containers run.

    Writes space.yaml, its schema for editors and, where none is there, a request.json to be replaced by a request your
    model answers. Of several workloads and containers the likeliest is taken; the others are named in the file. Ends
    with status 0 where `tune check` has nothing to say of it but that a program of the image is not on this machine.

    \b
    tune init deployment.yaml
    tune init all.yaml --workload Deployment/iris --container server
    """
    from tuner.commands.init import init as write
    from tuner.errors import InputError

    written = write(
        manifest, output or manifest.parent / "space.yaml", force=force, workload=workload, container=container
    )
    for sentence in written.said:
        click.echo(f"{manifest}: {sentence}")
    click.echo(f"{written.space}: written; read it, then run `tune check {written.space}`")
    if written.request is not None:
        click.echo(f"{written.request}: a guess; replace it by a request that your model answers")
    if written.wrong:
        raise InputError(written.wrong)
    for problem in written.lacking:
        click.echo(f"{problem.where}: {problem.message}")
    if written.lacking:
        fix = "write under `local:` how to start it here, or use `--backend kubernetes` with check and run"
        click.echo(f"{written.space}: {fix}")
