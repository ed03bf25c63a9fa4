"""`tune check`: is the search space right, how large is it, how long will it take?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli.options import as_json, space_argument, study_backend

if TYPE_CHECKING:
    from tuner.commands.check import Attempt
    from tuner.space.model import Configuration
    from tuner.targets.inputs import Inputs, StudyEstimate
    from tuner.targets.runnable import Runnable

_REASONS = 3
"""So many are told, the commonest."""
_SHOWN = 2000
"""Characters of an answer."""
_LOG_LINES = 20
_INDENT = 11
"""Of what goes on, in a terminal: the titles stand before it."""


@click.command()
@space_argument
@study_backend
@click.option(
    "--try", "try_it", is_flag=True, help="Deploy the baseline once, send it each request and print the answer."
)
@as_json
def check(
    space: Path,
    backend: str,
    table: Path | None,
    namespace: str | None,
    context: str | None,
    try_it: bool,
    as_json: bool,
) -> None:
    """Check a search space, its manifest and its requests; start nothing.

    SPACE is a search-space file, or a folder with a space.yaml in it. Every problem is printed at once, each with
    file:line, the value and what to do. With --try the manifest as it stands is started, asked and taken down; where it
    does not start or answers wrongly, that and what to change is said, with status 3.

    \b
    tune check search_spaces/iris
    tune check search_spaces/iris --try
    """
    from tuner.cli.output import notice, print_json, print_lines, stages
    from tuner.cli.status import ENVIRONMENT_FAILED, FINE
    from tuner.commands.check import attempt, document
    from tuner.manifests.check.warnings import warnings
    from tuner.space.known import known
    from tuner.targets.guessed import answered, guessed
    from tuner.targets.inputs import estimate, read_inputs
    from tuner.targets.runnable import runnable

    inputs = read_inputs(space, backend, namespace=namespace, context=context, table=table)
    for warning in warnings(inputs.space, inputs.manifest):
        notice(f"warning: {warning}")
    found, can = estimate(inputs), runnable(inputs)
    to_try = known(inputs.space, inputs.baseline)
    if not as_json:
        print_lines(_lines(inputs, found, can, to_try), indent=_INDENT)
        if found.baseline_infeasible:
            notice(f"the baseline cannot run here: {found.baseline_infeasible}")
    tried = None
    if try_it:
        with stages(quiet=as_json) as say:
            tried = attempt(inputs, backend, say, notice)
        if tried.works:
            answered(inputs.space)
        if not as_json:
            print_lines(_attempt_lines(tried), indent=_INDENT)
    guesses = guessed(inputs.space)
    if as_json:
        print_json(
            {
                "name": inputs.space.name,
                "parameters": [parameter.name for parameter in inputs.space.parameters],
                "configurations": found.configurations,
                "configurations_exact": found.exact,
                "runnable": {"looked_at": can.looked_at, "can": can.can, "whole": can.whole, "why_not": dict(can.why)},
                "trials": found.trials,
                "estimated_s": found.seconds,
                "baseline": dict(inputs.baseline.values),
                "known": [dict(one.values) for one in to_try],
                "baseline_infeasible": found.baseline_infeasible,
                "guessed_requests": [str(path) for path in guesses],
                "foreseen": [*found.foreseen, *inputs.foreseen],
                **({"tried": document(tried)} if tried is not None else {}),
            }
        )
    for path in () if as_json else guesses:
        fix = f"replace it by one that your model answers, or see whether it does: tune check {space} --try"
        print_lines([f"{path}: still the guess of `tune init`; {fix}"])
    sys.exit(FINE if tried is None or tried.works else ENVIRONMENT_FAILED)


def _lines(inputs: Inputs, found: StudyEstimate, can: Runnable, to_try: Sequence[Configuration]) -> Iterator[str]:
    from tuner.measure.pace import SLOW_S
    from tuner.study.model import display
    from tuner.targets.inputs import estimate
    from tuner.units import format_seconds

    at_most = "" if found.exact else "at most "
    size = "without end" if found.configurations is None else f"{at_most}{found.configurations:,} configurations"
    yield f"{inputs.space.file}: nothing is wrong"
    yield f"space      {size}, from {len(inputs.space.parameters)} parameters"
    for line in _runnable(can):
        yield f"           {line}"
    yield f"baseline   {display(inputs.baseline) or 'sets none of the parameters'}"
    for one in to_try:
        yield f"known      {display(one)}"
    yield (
        f"time       about {format_seconds(found.seconds)}: {_trials(inputs, found)}, "
        f"{format_seconds(found.seconds_a_trial)} each"
    )
    bounds_s = [bound.bound for bound in inputs.space.slo if bound.metric.startswith("latency_")]
    if bounds_s and min(bounds_s) >= 4.0 * SLOW_S:
        slow_s = min(bounds_s) / 2.0
        slower = estimate(inputs, slow_s)
        yield (
            f"           about {format_seconds(slower.seconds)} where an answer takes half of its bound, "
            f"{format_seconds(slow_s)}: {format_seconds(slower.seconds_a_trial)} a trial"
        )
    for sentence in (*found.foreseen, *inputs.foreseen):
        yield f"foreseen   {sentence}"


def _runnable(can: Runnable) -> Iterator[str]:
    if not can.why:
        return
    among = (
        f"{can.can:,} of them"
        if can.whole
        else f"{can.can / max(can.looked_at, 1):.0%} of a sample of {can.looked_at:,}"
    )
    yield f"{among} can run here; not:"
    for reason, count in list(can.why.items())[:_REASONS]:
        yield f"  {count:,}: {reason}"
    rest = list(can.why.values())[_REASONS:]
    if rest:
        yield f"  {sum(rest):,} for {len(rest)} other reasons"


def _trials(inputs: Inputs, found: StudyEstimate) -> str:
    from tuner.units import format_money

    budget = inputs.space.budget
    if found.trials is None:
        return "as many trials as the time allows"
    if budget.cost is not None and found.paid == found.trials:
        money = format_money(budget.cost, inputs.space.prices.currency)
        return f"about {found.trials} trials, for {money} where each requests what the baseline does"
    return f"{found.trials} trials"


def _attempt_lines(tried: Attempt) -> Iterator[str]:
    from tuner.printable import printable, shortened
    from tuner.units import format_seconds

    for one in tried.answers:
        yield f"tried      {one.request} with {one.file}: status {one.status} after {format_seconds(one.took_s)}"
        for line in shortened(printable(one.body.decode(errors="replace")), _SHOWN).splitlines():
            yield f"           {line}"
        if one.wrong is not None:
            yield f"           wrong: {one.wrong}"
    for note in tried.notes:
        yield f"           {note}"
    failure = tried.failure
    if failure is None:
        started = "" if tried.startup_s is None else f", {format_seconds(tried.startup_s)} after its start"
        yield f"the baseline {'answers' if tried.works else 'answers wrongly'}{started}"
        return
    yield f"the baseline failed at {failure.stage}: {failure.kind}, {failure.reason}"
    if failure.logs:
        yield "the server said last:"
        for line in failure.logs.splitlines()[-_LOG_LINES:]:
            yield f"  {printable(line)}"
    yield f"to change: {tried.advice}"
