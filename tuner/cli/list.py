"""`tune list`: which studies there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.options import as_json, studies

if TYPE_CHECKING:
    from tuner.commands.list import Listed


@click.command("list")
@studies
@as_json
def list_(studies: Path, as_json: bool) -> None:
    """List the studies: how each stands, its best against the baseline, and when it began.

    \b
    tune list
    tune list --json | jq -r '.[].name'
    """
    print_studies(studies, as_json=as_json)


def print_studies(studies: Path, *, as_json: bool) -> None:
    """The studies of a folder, the newest first."""
    from tuner.cli.options import database
    from tuner.cli.output import print_json, print_table
    from tuner.commands.list import studies_in

    running: frozenset[str] = frozenset()
    if (kept := database()) is not None:
        from tuner.trials.database.copies import pull_journals
        from tuner.trials.database.study import held

        pull_journals(kept, studies)
        running = held(kept)
    found = studies_in(studies, running)
    if as_json:
        print_json([_plain(one) for one in found])
    elif not found:
        click.echo(f"{studies}/ holds no study; `tune run SPACE` makes one")
    else:
        print_table(("study", "state", "trials", "best", "began"), map(_row, found))
        for one in found:
            if one.problem:
                click.echo(f"{one.name}: {one.problem}", err=True)


def _row(one: Listed) -> tuple[str, ...]:
    from datetime import datetime

    if one.summary is None:
        return one.name, one.state, "", "", ""
    began = datetime.fromisoformat(one.summary.start.started_at).astimezone()
    state = f"{one.state} ({one.process})" if one.state == "running" else one.state
    return one.name, state, str(len(one.summary.trials)), _best(one), f"{began:%Y-%m-%d %H:%M}"


def _best(one: Listed) -> str:
    """``throughput 330/s, 1.16x``: of the first objective, and against the baseline."""
    from tuner.record.wording import currency_of, estimate_text
    from tuner.statistics.model import Estimate

    summary = one.summary
    if summary is None:
        return ""
    if summary.choice is None:
        return "" if one.state == "running" else "nothing chosen"
    metric, candidate = summary.start.objectives[0].metric, summary.choice.candidate
    if metric not in candidate.metrics:
        return f"trial {candidate.trial}"
    estimate = Estimate(value=candidate.metrics[metric], is_least=metric in candidate.least)
    text = f"{metric} {estimate_text(metric, estimate, currency_of(summary.trials))}"
    if candidate.trial == summary.baseline:
        return f"{text}, the baseline"
    return text if one.best is None else f"{text}, {one.best.ratio_text}"


def _plain(one: Listed) -> dict[str, Any]:
    summary, best = one.summary, one.best
    if summary is None:
        return {"name": one.name, "state": one.state, "problem": one.problem}
    choice = summary.choice
    return {
        "name": one.name,
        "state": one.state,
        "process": one.process if one.state == "running" else None,
        "ended_because": summary.ended_because if summary.state != "open" else None,
        "trials": len(summary.trials),
        "chosen": None if choice is None else choice.candidate.trial,
        "metrics": None if choice is None else dict(choice.candidate.metrics),
        "lower_bounds": [] if choice is None else list(choice.candidate.least),
        "over_baseline": None
        if best is None
        else {"metric": best.metric, "ratio": best.ratio, "verdict": best.verdict},
        "started_at": summary.start.started_at,
        "space_file": summary.start.space_file,
    }
