"""`tune init`: a first search space, from a look at a manifest, or from the values of Seldon's benchmarking chart."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: space.yaml beside the manifest]",
)
@click.option("--workload", metavar="KIND/NAME", help="The workload to tune.  [default: the likeliest]")
@click.option("--container", metavar="NAME", help="The container to tune.  [default: the likeliest]")
@click.option(
    "--from-seldon-benchmark",
    "values",
    metavar="VALUES",
    type=click.Path(path_type=Path),
    help="In place of MANIFEST: a file of values for Seldon's chart seldon-benchmark-workflow. The manifest is written, too.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(
    manifest: Path | None,
    output: Path | None,
    workload: str | None,
    container: str | None,
    values: Path | None,
    force: bool,
) -> None:
    """Write a search space for MANIFEST, by looking at what its containers run.

    Writes space.yaml, its schema for editors and, where none is there, a request.json to be replaced by a request your
    model answers. Of several workloads and containers the likeliest is taken; the others are named in the file. Ends
    with status 0 where `tune check` has nothing to say of it but that a program of the image is not on this machine.

    \b
    tune init deployment.yaml
    tune init all.yaml --workload Deployment/iris --container server
    tune init --from-seldon-benchmark values.yaml -o iris/space.yaml
    """
    from tuner.errors import InputError

    if values is not None:
        if manifest is not None or workload is not None or container is not None:
            message = "the values say what is deployed"
            raise InputError.at("--from-seldon-benchmark", message, "leave out MANIFEST, --workload and --container")
        _adopt(values, output or values.parent / "space.yaml", force=force)
        return
    if manifest is None:
        raise InputError.at("MANIFEST", "is missing", "name a Kubernetes manifest, or use --from-seldon-benchmark")
    _init(manifest, output or manifest.parent / "space.yaml", workload, container, force=force)


def _init(manifest: Path, output: Path, workload: str | None, container: str | None, *, force: bool) -> None:
    from tuner.commands.init import init as write
    from tuner.errors import InputError

    written = write(manifest, output, force=force, workload=workload, container=container)
    for sentence in written.said:
        click.echo(f"{manifest}: {sentence}")
    click.echo(f"{written.space}: written; read it, then run `tune check {written.space}`")
    if written.request is not None:
        click.echo(f"{written.request}: a guess; replace it by a request that your model answers")
        click.echo(f"then `tune check {written.space} --try` starts the server once and shows what it answers")
    if written.wrong:
        raise InputError(written.wrong)
    for problem in written.lacking:
        click.echo(f"{problem.where}: {problem.message}")
    if written.lacking:
        fix = "write under `local:` how to start it here, or use `--backend kubernetes` with check and run"
        click.echo(f"{written.space}: {fix}")


def _adopt(values: Path, output: Path, *, force: bool) -> None:
    from shlex import quote

    from tuner.commands.init import adopt
    from tuner.errors import InputError

    adopted = adopt(values, output, force=force)
    for sentence in adopted.proposal.said:
        click.echo(f"{values}: {sentence}")
    for path in adopted.files:
        click.echo(f"{path}: written")
    if adopted.wrong:
        raise InputError(adopted.wrong)
    proposal = adopted.proposal
    cpus = f" --load-cpus {proposal.load_cpus}" if proposal.load_cpus > 1 else ""
    on = f"--backend kubernetes --namespace {quote(proposal.namespace)}{cpus}"
    first, *others = proposal.spaces
    named = quote(str(output.parent / first.file))
    if first.varies:
        click.echo(f"all {first.cells} cells: tune run {named} {on} --sampler grid --trials {first.cells}")
    click.echo(f"the best of them: tune run {named} {on}" if first.varies else f"next: tune run {named} {on}")
    if others:
        click.echo(f"and likewise: {', '.join(str(output.parent / space.file) for space in others)}")
