"""`tune apply`: put what was found where it serves, and take it back where it does not keep its promise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.options import as_json, bounds, choice, studies, study_argument, study_folder

if TYPE_CHECKING:
    from tuner.commands.apply import Promotion, Result
    from tuner.trials.load_source import Place


@click.command()
@study_argument
@choice
@click.option("--namespace", help="Where on the cluster.  [default: the manifest's, the kubeconfig's, or default]")
@click.option("--context", help="Which cluster of the kubeconfig.  [default: the current one]")
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option("--no-measure", is_flag=True, help="Do not measure it once more: only the rollout decides.")
@click.option(
    "--load",
    type=click.Choice(["cluster", "here"]),
    help="Send the load from a pod inside the cluster, or from this machine.  [default: as the study did]",
)
@click.option("--force-conflicts", is_flag=True, help="Take over fields that another manager has set.")
@click.option(
    "--accept-ports",
    is_flag=True,
    help="Agree that its Service gets other ports (a SeldonDeployment's orchestrator goes).",
)
@studies
@as_json
def apply(
    study: str,
    pick: str | None,
    trial: int | None,
    where: tuple[str, ...],
    namespace: str | None,
    context: str | None,
    yes: bool,
    no_measure: bool,
    load: Place | None,
    force_conflicts: bool,
    accept_ports: bool,
    studies: Path,
    as_json: bool,
) -> None:
    """Apply the exported manifest to a cluster, and measure it once more; roll back if it falls short.

    First a server-side dry run and the difference from what is live are shown. What is there is saved in the study's
    folder. The rollout is followed; then the pods are put under the study's common rate. If the SLO or a promised
    number is missed beyond the noise floor, or the rollout fails, all is made what it was before.

    \b
    Exit status: 0 applied and kept; 1 rolled back; 2 nothing was changed; 3 the cluster failed;
    130 interrupted: rolled back, or the message says what was not.

    \b
    tune apply iris --namespace serving
    tune apply iris --pick cost --where "latency_p99 <= 50ms" --context staging --yes
    """
    from tuner.cli.output import notice, print_json
    from tuner.cli.status import FINE, ROLLED_BACK
    from tuner.commands.apply import prepare
    from tuner.commands.run import summary_of

    folder = study_folder(study, studies)
    summary = summary_of(folder, pick=pick, where=bounds(where), trial=trial)
    promotion = prepare(
        folder,
        summary,
        namespace=namespace,
        context=context,
        measure=not no_measure,
        load=load,
        force_conflicts=force_conflicts,
        accept_ports=accept_ports,
    )
    for name in promotion.left_out:
        notice(f"{name} is the whole cluster's: it is left as it is")
    click.echo(promotion.diff, nl=False, err=as_json)
    _confirm(promotion, yes=yes)
    result = promotion.carry_out(notice)
    if as_json:
        print_json(_data(promotion, result))
    else:
        _print(promotion, result)
    sys.exit(FINE if result.kept else ROLLED_BACK)


def _confirm(promotion: Promotion, *, yes: bool) -> None:
    """Raises InputError where nobody can be asked, Abort where the answer is no."""
    from tuner.errors import InputError

    if yes:
        return
    if not sys.stdin.isatty():
        fix = "answer beforehand with --yes, or run it in a terminal"
        raise InputError.at("--yes", "there is no terminal to ask in", fix)
    do = "Apply this" if promotion.diff else "Nothing changes. Go on"
    load = f" and put it under {promotion.promise.rate_rps:.4g}/s" if promotion.promise is not None else ""
    click.confirm(f"{do} in {promotion.place}{load}?", abort=True, err=True)


def _print(promotion: Promotion, result: Result) -> None:
    for finding in result.findings:
        click.echo(f"{finding.state:<9} {finding.text}")
    for warning in result.warnings:
        click.echo(f"{'warning':<9} {warning}")
    if result.kept:
        done = "applied to" if promotion.diff else "nothing had to be changed in"
        click.echo(f"{done} {promotion.place}: {result.reason}")
    else:
        done = "rolled back" if result.undone else "nothing was changed by this call, so nothing is rolled back"
        click.echo(f"{done}: {result.reason}")
        for sentence in result.undone:
            click.echo(f"  {sentence}")
    if result.saved is not None:
        click.echo(f"what was there before: {result.saved}")


def _data(promotion: Promotion, result: Result) -> dict[str, Any]:
    return {
        "place": promotion.place,
        "changed": [
            {"object": str(change), "diff": change.diff, "new": change.live is None}
            for change in promotion.changes
            if change.diff
        ],
        "kept": result.kept,
        "reason": result.reason,
        "findings": [{"metric": f.metric, "state": f.state, "text": f.text} for f in result.findings],
        "undone": list(result.undone),
        "warnings": list(result.warnings),
        "before": None if result.saved is None else str(result.saved),
    }
