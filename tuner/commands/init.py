"""A first search space: written beside a manifest, and checked as it was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuner.errors import InputError, Problem
from tuner.files import write
from tuner.manifests.reader import read
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
    editors = f"# yaml-language-server: $schema={schema.name}\n"
    write(output, (editors + proposal.space).encode())
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
