"""`tune doctor`: what this machine can and cannot do."""

from __future__ import annotations

import sys

import click

from tuner.cli.options import as_json, cluster


@click.command()
@cluster
@as_json
def doctor(namespace: str | None, context: str | None, as_json: bool) -> None:
    """Say what this machine can and cannot do: Python, CPUs, cgroups, ports, MLflow's store, a cluster.

    Exit status 3 when trials cannot run here at all.

    \b
    tune doctor
    tune doctor --namespace tuning
    """
    from tuner.cli.output import print_json
    from tuner.cli.status import ENVIRONMENT_FAILED, FINE
    from tuner.commands.doctor import examine

    findings = examine(namespace, context)
    if as_json:
        print_json([{"what": f.what, "state": f.state, "found": f.found, "advice": f.advice} for f in findings])
    else:
        width = max(len(f.what) for f in findings)
        for finding in findings:
            click.echo(f"{finding.state:<8} {finding.what:<{width}}  {finding.found}")
            if finding.advice:
                click.echo(f"{'':<8} {'':<{width}}  → {finding.advice}")
    sys.exit(ENVIRONMENT_FAILED if any(f.state == "missing" for f in findings) else FINE)
