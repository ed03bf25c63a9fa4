"""`tune export`: what a study chose, in the form in which it goes to where it will serve."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from tuner.errors import InputError, Mistake, StoreFailure, Where
from tuner.files import read_input, write
from tuner.manifests.documents import load_all
from tuner.manifests.export.changes import Change, changes, listed
from tuner.manifests.export.merge_patch import Inexpressible, kind_of_merge, merge_patch
from tuner.manifests.model import Manifest, Rendered
from tuner.manifests.secret_values import masked, secret_values
from tuner.space.model import Configuration, SearchSpace
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder
from tuner.yaml.block import block

Format = Literal["manifest", "patch", "kustomize", "helm-values", "json-patch"]
_TOLD = ("study", "study-id", "trial", "configuration", "measured-at", "measured-by", "manifest-digest", "load")
_ON_RESULT = ("chosen-by", "against-baseline", "service-ports", "not-enforced", "warnings")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartKeys:
    """What is known of the chart that the manifest was rendered from."""

    values: tuple[Path, ...] = ()
    """Its values as they are used, later files win; empty: not known."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Keys of its values by the address or the parameter that each sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One configuration, and the manifest that it was written into."""

    folder: StudyFolder
    summary: Summary
    trial: int
    base: Manifest
    measured: Rendered
    exported: str
    """The text of `measured` with its provenance in annotations."""
    notes: Mapping[str, str]

    @property
    def changes(self) -> tuple[Change, ...]:
        return changes(load_all(self.base.text), self.measured.objects)

    @property
    def configuration(self) -> Configuration:
        return next(one.configuration for one in self.summary.trials if one.number == self.trial)

    @property
    def masked(self) -> tuple[str, ...]:
        """Names of the secrets that are missing in it, of a copy that was made for others."""
        from tuner.trials.copied import masked_names

        return masked_names(self.folder)

    @property
    def head(self) -> str:
        """Where it comes from, as comment lines."""
        said = [name for name in (*_TOLD, *_ON_RESULT) if self.notes.get(f"tuner.dev/{name}")]
        return "".join(f"# {name}: {' '.join(self.notes[f'tuner.dev/{name}'].split())}\n" for name in said)

    def diff(self) -> str:
        """From the manifest as it stood to the one that was measured, literal secrets masked; empty: none."""
        from tuner.manifests.export.diff import unified

        names = self.summary.start.mask
        before, after = masked(self.base.text, names), masked(self.measured.text, names)
        return unified(before, after, self.base.file.name)

    def secrets(self, text: str) -> tuple[str, ...]:
        """Names of the literal secrets of the manifest that a text repeats."""
        found = () if self.masked else secret_values(self.measured.text, self.summary.start.mask)
        return tuple(dict.fromkeys(one.name for one in found if one.value in text))


def take(folder: StudyFolder, summary: Summary, number: int) -> Taken:
    """Trial `number` of a study, from its folder.

    Raises StoreFailure where a manifest is missing or is not what was measured.
    """
    from tuner.report.provenance import export, measured, noted
    from tuner.targets.kept import base_manifest

    rendered = measured(folder, summary, number)
    return Taken(
        folder=folder,
        summary=summary,
        trial=number,
        base=base_manifest(folder, summary.start),
        measured=rendered,
        exported=export(folder, summary, number),
        notes=noted(folder, summary, number, rendered),
    )


def formatted(taken: Taken, form: Format, chart: ChartKeys | None = None) -> dict[str, str]:
    """The files it makes, by name; of a form that is one file the name is empty.

    Raises InputError with the reason where this form cannot hold what was changed.
    """
    if form == "manifest":
        return {"": taken.exported}
    found = taken.changes
    if not found:
        message = f"trial {taken.trial} is the manifest as it stood: nothing was changed"
        raise InputError.at(
            f"--format {form}", message, "choose another with --trial or --pick, or use --format manifest"
        )
    if form == "kustomize":
        from tuner.manifests.export.kustomize import kustomization

        return kustomization(taken.base.text, found, taken.head)
    if form == "helm-values":
        return {"": _helm_values(taken, chart or ChartKeys())}
    return {"": _json_patch(found) if form == "json-patch" else _patch(found, taken.head)}


def bundled(folder: StudyFolder, summary: Summary) -> tuple[bytes, tuple[str, ...]]:
    """The study as one zip file to send, and the names of the secrets that are masked in it.

    Raises StoreFailure where a file of it cannot be read.
    """
    from tuner.report.bundle import copied, zipped

    try:
        copy = copied(folder, summary.start.mask)
    except OSError as error:
        raise StoreFailure(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error
    within = {f"{folder.name}/{name}": content for name, content in copy.files.items()}
    with TemporaryDirectory() as place:
        there = StudyFolder(Path(place, folder.name))
        for name, content in within.items():
            write(Path(place, name), content, private=True)
        read_first = {"README.md": _readme(there), "report.html": _page(there)}
    return zipped({name: text.encode() for name, text in read_first.items()} | within), copy.masked


def _page(copy: StudyFolder) -> str:
    """Made of the copy, so that what is secret cannot be on it."""
    from tuner.commands.knowledge import with_knowledge
    from tuner.report.study.page import study_page
    from tuner.targets.kept import read_space

    summary = _summary(copy)
    space, _ = read_space(copy, summary.start)
    page = study_page(copy, with_knowledge(copy, summary), space)
    return page.replace(str(copy.root), f"./{copy.name}")  # in its commands


def _summary(folder: StudyFolder) -> Summary:
    from tuner.study.summary import summarize
    from tuner.trials.journal import read as read_journal

    return summarize(read_journal(folder.journal))


def _readme(folder: StudyFolder) -> str:
    from tuner.record.wording import comparison_lines, ending_lines

    summary = _summary(folder)
    start, name = summary.start, shlex.quote(f"./{folder.name}")
    told = "".join(f"- {line}\n" for line in [*comparison_lines(summary), *ending_lines(summary)])
    commands = (f"tune show {name}", f"tune export {name} --diff", f"tune export {name} -o manifest.yaml")
    return (
        f"# Study {start.name}\n\nMade by tuner {start.tuner_version} on {start.started_at} "
        f"({start.backend} backend). Unpack it, and look at report.html, and with that version of the tuner:\n\n```sh\n"
        + "".join(f"{command}\n" for command in commands)
        + f"```\n\n## What it found\n\n{told}"
    )


def unlike(taken: Taken, built: Path) -> tuple[str, ...]:
    """How a manifest that was built with what was exported differs from the one that was measured, in sentences.

    Raises InputError for a file that is no manifest.
    """
    from tuner.manifests.export.alike import differences
    from tuner.yaml.tree import Malformed

    try:
        objects = load_all(_read(built).decode("utf-8-sig"))
    except (Malformed, UnicodeDecodeError) as error:
        raise InputError.at(built, f"cannot be read as YAML ({error})", "give what the build printed") from None
    return differences([one for one in objects if isinstance(one, Mapping)], taken.measured.objects)


def _read(file: Path) -> bytes:
    try:
        return read_input(file)
    except OSError as error:
        raise InputError.at(file, f"cannot be read ({error.strerror})", "name a file that can be") from None


def _patch(found: Sequence[Change], head: str) -> str:
    """A document an object, each with the command that applies it."""
    documents, problems = [], []
    for change in found:
        place = "" if change.namespace is None else f" -n {change.namespace}"
        kind = change.kind.lower() if change.is_built_in else f"{change.kind.lower()}.{change.group}"
        use = f"kubectl patch{place} {kind} {change.name} --type {kind_of_merge(change)} --patch-file FILE"
        whole = (
            "" if change.is_built_in else "# Lists of a custom resource are replaced whole, so they stand here whole.\n"
        )
        try:
            documents.append(f"# {use}\n{whole}{block(merge_patch(change))}")
        except Inexpressible as error:
            problems.append(error.at(Where(file="--format patch")))
    if problems:
        raise InputError(problems)
    return head + "---\n".join(documents)


def _json_patch(found: Sequence[Change]) -> str:
    from tuner.manifests.export.json_patch import operations

    if len(found) > 1:
        message = f"{listed(found)} changed, and a JSON patch is of one object"
        raise InputError.at("--format json-patch", message, "use --format kustomize, which holds one an object")
    return json.dumps(operations(found[0].before, found[0].after), indent=2) + "\n"


def _helm_values(taken: Taken, chart: ChartKeys) -> str:
    from tuner.manifests.export.helm_values import coalesced, fragment
    from tuner.manifests.export.settings import settings
    from tuner.manifests.export.values_path import parse

    paths, problems = {}, []
    for name, text in chart.paths.items():
        try:
            paths[name] = parse(text)
        except Mistake as mistake:
            problems.append(mistake.at(Where(file="--values-path")))
    if problems:
        raise InputError(problems)
    values = coalesced([_values(file) for file in chart.values]) if chart.values else None
    space = _space(taken)
    made = fragment(tuple(settings(space, load_all(taken.base.text), taken.configuration)), values, paths)
    keys = "".join(f"# {address} is {key}\n" for address, key in made.keys)
    return f"{taken.head}# helm upgrade RELEASE CHART, with this after every other --values\n{keys}{block(made.values)}"


def _values(file: Path) -> Mapping[str, Any]:
    from tuner.yaml.tree import Malformed, load_all

    try:
        found = load_all(_read(file).decode("utf-8-sig"))
    except (Malformed, UnicodeDecodeError) as error:
        raise InputError.at(file, f"cannot be read as YAML ({error})", "give the chart's values.yaml") from None
    if len(found) > 1 or not all(isinstance(one, Mapping) for one in found):
        raise InputError.at(file, "these are no values of a chart", "give the chart's values.yaml")
    return found[0] if found else {}


def _space(taken: Taken) -> SearchSpace:
    from tuner.targets.inputs import space_of

    return space_of(taken.folder, taken.summary.start)
