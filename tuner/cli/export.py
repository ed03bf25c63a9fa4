"""`tune export`: choose again from what was measured, and write the manifest."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tuner.cli.options import as_json, bounds, choice, file_or_stdout, studies, study_argument, study_folder


@click.command()
@study_argument
@choice
@file_or_stdout
@studies
@as_json
def export(
    study: str, pick: str | None, trial: int | None, where: tuple[str, ...], output: Path, studies: Path, as_json: bool
) -> None:
    """Write the manifest of the best configuration: the very one that was measured, with its provenance.

    STUDY is its name, or its folder.

    \b
    tune export iris --pick cost --where "latency_p99 <= 50ms" -o iris.yaml
    tune export iris --trial 7 | kubectl apply -f -
    """
    from tuner.cli.output import notice, print_json
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.run import summary_of
    from tuner.files import write
    from tuner.report.provenance import export as export_text
    from tuner.report.provenance import ports_changed
    from tuner.yaml.tree import load_all

    folder = study_folder(study, studies)
    summary = summary_of(folder, pick=pick, where=bounds(where), trial=trial)
    if summary.choice is None:
        wanted = " and ".join(["the SLO", *where])
        notice(f"nothing to export: no configuration of study {summary.start.name} meets {wanted}")
        sys.exit(NOTHING_FEASIBLE)
    text = export_text(folder, summary, summary.choice.candidate.trial)
    for sentence in ports_changed(folder, load_all(text)):
        notice(sentence)
    if str(output) != "-":
        write(output, text.encode(), private=True)
        notice(f"{output}: trial {summary.choice.candidate.trial}, {summary.choice.reason}")
    if as_json:
        print_json(
            {
                "trial": summary.choice.candidate.trial,
                "pick": summary.choice.pick,
                "reason": summary.choice.reason,
                "metrics": dict(summary.choice.candidate.metrics),
                "output": None if str(output) == "-" else str(output),
                "manifest": text,
            }
        )
    elif str(output) == "-":
        click.echo(text, nl=False)
    sys.exit(FINE)
