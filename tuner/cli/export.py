"""`tune export`: choose again from what was measured, and write what takes it to where it serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.options import as_json, bounds, choice, studies, study_argument, study_folder
from tuner.errors import InputError

if TYPE_CHECKING:
    from tuner.commands.export import Format, Taken
    from tuner.front.model import Choice
    from tuner.study.model import Summary
    from tuner.trials.folder import StudyFolder


@click.command()
@study_argument
@choice
@click.option(
    "--format",
    "form",
    type=click.Choice(["manifest", "patch", "kustomize", "helm-values", "json-patch"]),
    default="manifest",
    show_default=True,
    help="The whole manifest; or what makes it of the one that was tuned: a merge patch, a folder for kustomize, "
    "values of its chart, or a JSON patch.",
)
@click.option("--diff", is_flag=True, help="Write the difference from the manifest as it stood, for git apply.")
@click.option(
    "--values",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="For helm-values: the chart's values.yaml, and those you give beside it. May be repeated; later ones win.",
)
@click.option(
    "--values-path",
    "values_paths",
    multiple=True,
    metavar="ADDRESS=KEY",
    help="For helm-values: which of the chart's keys sets an address, such as env/WORKERS=server.workers. May be "
    "repeated.",
)
@click.option(
    "--verify",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Write nothing: say how a manifest that was built with it differs from what was measured; exit 1 if it does.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.zip",
    help="Write the whole study into one file to send instead: shown, reported and exported as here. Secrets are masked.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default=True,
    help="File to write, of kustomize the folder; - is stdout.",
)
@studies
@as_json
def export(
    study: str,
    pick: str | None,
    trial: int | None,
    where: tuple[str, ...],
    form: Format,
    diff: bool,
    values: tuple[Path, ...],
    values_paths: tuple[str, ...],
    verify: Path | None,
    bundle: Path | None,
    output: Path,
    studies: Path,
    as_json: bool,
) -> None:
    """Write the manifest of the best configuration: the very one that was measured, with its provenance.

    STUDY is its name, or its folder.

    \b
    tune export iris --pick cost --where "latency_p99 <= 50ms" -o iris.yaml
    tune export iris --trial 7 | kubectl apply -f -
    tune export iris --format kustomize -o tuned
    tune export iris --format helm-values --values values.yaml --values-path env/WORKERS=server.workers
    tune export iris --bundle iris.zip
    """
    from tuner.cli.output import notice
    from tuner.cli.status import FINE, NOTHING_FEASIBLE
    from tuner.commands.export import ChartKeys, formatted, take, unlike
    from tuner.commands.run import summary_of
    from tuner.report.provenance import ports_changed

    asked = {
        "--format": form != "manifest",
        "--diff": diff,
        "--verify": verify is not None,
        "--bundle": bundle is not None,
    }
    if len(several := [option for option, is_asked in asked.items() if is_asked]) > 1:
        raise InputError.at(several[1], f"it is another thing than {several[0]}", "ask for one of them")
    if (values or values_paths) and form != "helm-values":
        raise InputError.at("--values", f"it says nothing to --format {form}", "write --format helm-values")
    folder = study_folder(study, studies)
    summary = summary_of(folder, pick=pick, where=bounds(where), trial=trial)
    if bundle is not None:
        sys.exit(_bundled(folder, summary, bundle, as_json=as_json))
    if summary.choice is None:
        wanted = " and ".join(["the SLO", *where])
        notice(f"nothing to export: no configuration of study {summary.start.name} meets {wanted}")
        sys.exit(NOTHING_FEASIBLE)
    taken = take(folder, summary, summary.choice.candidate.trial)
    if verify is not None:
        sys.exit(_verified(unlike(taken, verify), verify, as_json=as_json))
    for sentence in ports_changed(folder, taken.measured.objects):
        notice(sentence)
    chart = ChartKeys(values=values, paths=dict(map(_named, values_paths)))
    files = {"": taken.diff()} if diff else formatted(taken, form, chart)
    _deliver(taken, summary.choice, files, output, "diff" if diff else form, as_json=as_json)
    sys.exit(FINE)


def _bundled(folder: StudyFolder, summary: Summary, file: Path, *, as_json: bool) -> int:
    from tuner.cli.output import notice, print_json
    from tuner.cli.status import FINE
    from tuner.commands.export import bundled
    from tuner.files import write

    content, masked = bundled(folder, summary)
    write(file, content, private=True)
    if masked:
        notice(f"masked in it: {', '.join(masked)}; so a copy can be read and exported, not resumed or applied")
    if as_json:
        print_json({"output": str(file), "masked": list(masked)})
    else:
        click.echo(f"written: {file}")
    return FINE


def _deliver(taken: Taken, choice: Choice, files: dict[str, str], output: Path, form: str, *, as_json: bool) -> None:
    from tuner.cli.output import notice, print_diff, print_json
    from tuner.files import write

    to_stdout = str(output) == "-"
    whole = files.get("")
    if whole is None and to_stdout and not as_json:
        raise InputError.at("--format kustomize", "it is a folder of several files", "say where with -o FOLDER")
    if whole is not None and output.is_dir():
        raise InputError.at("-o", f"{output} is a folder", "name a file")
    if taken.masked:
        notice(f"{', '.join(taken.masked)} is *** in this copy of the study: put it back before you apply it")
    if form not in ("manifest", "diff") and (names := taken.secrets("".join(files.values()))):
        notice(f"literal values that look secret stand in it: {', '.join(names)}; keep it as you keep the manifest")
    if not to_stdout:
        if whole is None:
            _must_be_ours(output)
        for name, text in files.items():
            write(output / name if name else output, text.encode(), private=True)
        notice(f"{output}: trial {choice.candidate.trial}, {choice.reason}")
    if as_json:
        found: dict[str, Any] = {
            "trial": choice.candidate.trial,
            "pick": choice.pick,
            "reason": choice.reason,
            "metrics": dict(choice.candidate.metrics),
            "output": None if to_stdout else str(output),
            "format": form,
        }
        print_json(found | ({"files": files} if whole is None else {_KEYS.get(form, "text"): whole}))
    elif to_stdout and form == "diff":
        print_diff(whole or "")
    elif to_stdout and whole is not None:
        click.echo(whole, nl=False)


_KEYS = {"manifest": "manifest", "diff": "diff"}
"""Under which what was written stands in the JSON."""


def _must_be_ours(folder: Path) -> None:
    """Raises InputError rather than write over a kustomization of the user's."""
    from tuner.manifests.export.kustomize import KUSTOMIZATION, MARK

    file = folder / KUSTOMIZATION
    if file.is_file() and not file.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        fix = f"name a new folder, and list it under `resources` of {file}"
        raise InputError.at("-o", f"{file} is there, and not written by tune export", fix)


def _named(text: str) -> tuple[str, str]:
    name, equals, key = text.partition("=")
    if not (name and equals and key):
        raise InputError.at("--values-path", f"{text!r} has no ADDRESS=KEY", "write it like replicas=replicaCount")
    return name, key


def _verified(found: tuple[str, ...], file: Path, *, as_json: bool) -> int:
    from tuner.cli.output import print_json
    from tuner.cli.status import FINE

    if as_json:
        print_json({"same": not found, "differences": list(found)})
    else:
        for sentence in found:
            click.echo(sentence)
        if not found:
            click.echo(f"{file} is what was measured")
    return 1 if found else FINE
