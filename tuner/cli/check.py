"""`tune check`: is the search space right, how large is it, how long will it take?"""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import as_json, space_argument


@click.command()
@space_argument
@as_json
def check(space: Path, as_json: bool) -> None:
    """Check a search space, its manifest and its requests; start nothing.

    SPACE is a search-space file, or a folder with a space.yaml in it. Every problem is printed at once, each with
    file:line, the value and what to do.

    \b
    tune check search_spaces/iris
    """
    from tuner.cli.output import print_json
    from tuner.session import estimate, read_inputs
    from tuner.units import format_seconds

    inputs = read_inputs(space)
    found = estimate(inputs)
    if as_json:
        print_json(
            {
                "name": inputs.space.name,
                "parameters": [parameter.name for parameter in inputs.space.parameters],
                "configurations": found.configurations,
                "configurations_is_bound": found.is_bound,
                "trials": inputs.space.budget.trials,
                "estimated_s": found.seconds,
                "baseline": dict(inputs.baseline.values),
                "baseline_infeasible": found.baseline_infeasible,
            }
        )
        return
    click.echo(f"{inputs.space.file} is right: {len(inputs.space.parameters)} parameters, {found.size_in_words}")
    click.echo(f"baseline: {found.baseline_in_words}")
    click.echo(f"about {format_seconds(found.seconds_a_trial)} a trial; {found.time_in_words}")
    if found.baseline_infeasible:
        click.echo(f"the baseline cannot run here: {found.baseline_infeasible}", err=True)
