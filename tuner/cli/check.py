"""`tune check`: is the search space right, how large is it, how long will it take?"""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import as_json, space_argument, study_backend


@click.command()
@space_argument
@study_backend
@as_json
def check(
    space: Path, backend: str, table: Path | None, namespace: str | None, context: str | None, as_json: bool
) -> None:
    """Check a search space, its manifest and its requests; start nothing.

    SPACE is a search-space file, or a folder with a space.yaml in it. Every problem is printed at once, each with
    file:line, the value and what to do.

    \b
    tune check search_spaces/iris
    """
    from tuner.cli.output import print_json
    from tuner.manifests.check.warnings import warnings
    from tuner.measure.pace import SLOW_S
    from tuner.space.known import known
    from tuner.study.model import display
    from tuner.targets.inputs import estimate, read_inputs
    from tuner.units import format_seconds

    inputs = read_inputs(space, backend, namespace=namespace, context=context, table=table)
    for warning in warnings(inputs.space, inputs.manifest):
        click.echo(f"warning: {warning}", err=True)
    found = estimate(inputs)
    to_try = known(inputs.space, inputs.baseline)
    if as_json:
        print_json(
            {
                "name": inputs.space.name,
                "parameters": [parameter.name for parameter in inputs.space.parameters],
                "configurations": found.configurations,
                "configurations_exact": found.exact,
                "trials": found.trials,
                "estimated_s": found.seconds,
                "baseline": dict(inputs.baseline.values),
                "known": [dict(one.values) for one in to_try],
                "baseline_infeasible": found.baseline_infeasible,
                "foreseen": [*found.foreseen, *inputs.foreseen],
            }
        )
        return
    at_most = "" if found.exact else "at most "
    size = "without end" if found.configurations is None else f"{at_most}{found.configurations:,} configurations"
    trials = "as many trials as the time allows" if found.trials is None else f"{found.trials} trials"
    click.echo(f"{inputs.space.file}: nothing is wrong")
    click.echo(f"space      {size}, from {len(inputs.space.parameters)} parameters")
    click.echo(f"baseline   {display(inputs.baseline) or 'sets none of the parameters'}")
    for one in to_try:
        click.echo(f"known      {display(one)}")
    click.echo(
        f"time       about {format_seconds(found.seconds)}: {trials}, {format_seconds(found.seconds_a_trial)} each"
    )
    bounds_s = [bound.bound for bound in inputs.space.slo if bound.metric.startswith("latency_")]
    if bounds_s and min(bounds_s) >= 4.0 * SLOW_S:
        slow_s = min(bounds_s) / 2.0
        slower = estimate(inputs, slow_s)
        click.echo(
            f"           about {format_seconds(slower.seconds)} where an answer takes half of its bound, "
            f"{format_seconds(slow_s)}: {format_seconds(slower.seconds_a_trial)} a trial"
        )
    for sentence in (*found.foreseen, *inputs.foreseen):
        click.echo(f"foreseen   {sentence}")
    if found.baseline_infeasible:
        click.echo(f"the baseline cannot run here: {found.baseline_infeasible}", err=True)
