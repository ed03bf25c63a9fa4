"""A first search space: written beside a manifest, or from the values of Seldon's chart; checked as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import InputError, Problem
from tuner.files import read_input, write
from tuner.manifests.reader import read
from tuner.manifests.seldon_benchmark import Proposal
from tuner.manifests.seldon_benchmark import propose as from_values
from tuner.manifests.survey import propose
from tuner.space.file.read import read as read_space
from tuner.space.file.schema import text as schema_text
from tuner.targets.inputs import checked, lacking_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    space: Path
    request: Path | None
    """None: there was one, which was left as it is."""
    said: tuple[str, ...]
    """What was chosen from several, a sentence each."""
    wrong: tuple[Problem, ...]
    """What `check` says of it, wherever it is to run."""
    lacking: tuple[Problem, ...]
    """What else `check` says, of this machine: programs of the images that are not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What took the place of Seldon's chart."""

    proposal: Proposal
    files: tuple[Path, ...]
    """All that was written."""
    wrong: tuple[Problem, ...]
    """What `check` says of the search spaces."""


def init(
    manifest: Path, output: Path, *, force: bool = False, workload: str | None = None, container: str | None = None
) -> Written:
    """Write a search space, its schema for editors and, where none is there, a request. `workload` (``KIND/NAME``) and
    `container`: None for the likeliest. Raises InputError where nothing could be written.
    """
    base, problems = read(manifest)
    if base is None or problems:
        raise InputError(problems)
    if output.exists() and not force:
        raise InputError.at(output, "is there already", "name another with -o, or use --force")
    proposal = propose(base, relative_to=output.parent, workload=workload, container=container)
    schema, request = output.with_suffix(".schema.json"), output.parent / "request.json"
    write(output, (_editors(schema) + proposal.space).encode())
    write(schema, schema_text().encode())
    new_request = not request.exists()
    if new_request:
        write(request, proposal.request.encode())
    space, found = read_space(output)
    checked_base, wrong = checked(space, found)
    sound = space is not None and checked_base is not None and not wrong
    return Written(
        space=output,
        request=request if new_request else None,
        said=proposal.said,
        wrong=tuple(wrong),
        lacking=lacking_here(space, checked_base) if sound and space and checked_base else (),
    )


def adopt(values: Path, output: Path, *, force: bool = False) -> Adopted:
    """Write what a file of values for Seldon's benchmarking chart asks for: manifest, request and search spaces, with
    their schema. Of several spaces `output` is the stem. Raises InputError before anything is written.
    """
    proposal = from_values(values, output.name)
    schema = output.with_suffix(".schema.json")
    spaces = {space.file for space in proposal.spaces}
    texts = {
        output.parent / name: (_editors(schema) + text if name in spaces else text).encode()
        for name, text in proposal.files.items()
    }
    if not force:
        _must_be_new(texts)
    for path, text in {**texts, schema: schema_text().encode()}.items():
        write(path, text)
    wrong = [problem for name in sorted(spaces) for problem in checked(*read_space(output.parent / name))[1]]
    return Adopted(proposal=proposal, files=tuple(texts), wrong=tuple(dict.fromkeys(wrong)))


def _editors(schema: Path) -> str:
    return f"# yaml-language-server: $schema={schema.name}\n"


def _must_be_new(texts: Mapping[Path, bytes]) -> None:
    """One that says the same already is in nobody's way."""
    there = [path for path, text in texts.items() if path.exists() and read_input(path) != text]
    if there:
        fix = "write into another folder with -o, or use --force"
        raise InputError([Problem.at(path, "is there already, and says something else", fix) for path in there])
