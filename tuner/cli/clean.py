"""`tune clean`: remove what an earlier crash left behind."""

from __future__ import annotations

import click

from tuner.cli.options import as_json, backend


@click.command()
@backend
@as_json
def clean(backend: str, namespace: str | None, context: str | None, as_json: bool) -> None:
    """Remove servers, cgroups and folders that a killed tuner left; those of a living one are not touched.

    Each `tune run` and `tune resume` does the same first.

    \b
    tune clean
    tune clean --backend kubernetes --namespace tuning
    """
    from tuner.cli.output import print_json
    from tuner.targets.inputs import backend_of

    removed = backend_of(backend, None, namespace=namespace, context=context).clean()
    if as_json:
        print_json({"removed": list(removed)})
        return
    for sentence in removed:
        click.echo(sentence)
    if not removed:
        click.echo("nothing was left behind")
