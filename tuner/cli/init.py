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
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(manifest: Path, output: Path | None, force: bool) -> None:
    """Write a search space for MANIFEST, by looking at what its containers run.

    Writes space.yaml, its schema for editors and, where none is there, a request.json to be replaced by a request your
    model answers.

    \b
    tune init deployment.yaml
    """
    from tuner.errors import InputError
    from tuner.files import write
    from tuner.manifests.reader import read
    from tuner.manifests.survey import propose, sample_request
    from tuner.space.file.schema import text as schema_text

    base, problems = read(manifest)
    if base is None or problems:
        raise InputError(problems)
    output = output or manifest.parent / "space.yaml"
    request = output.parent / "request.json"
    if output.exists() and not force:
        raise InputError.at(output, "is there already", "name another with -o, or use --force")
    schema = output.with_suffix(".schema.json")
    editors = f"# yaml-language-server: $schema={schema.name}\n"
    write(output, (editors + propose(base, relative_to=output.parent)).encode())
    write(schema, schema_text().encode())
    click.echo(f"{output}: written; read it, then run `tune check {output}`")
    if not request.exists():
        write(request, sample_request(base).encode())
        click.echo(f"{request}: a guess; replace it by a request that your model answers")
