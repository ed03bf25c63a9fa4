"""What stands in the way of running a container here, found before anything is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tuner.backends.process.container.launch import command_of, find_program, image_of, runs_here, search_path
from tuner.backends.process.container.venvs import cache_folder, venv_folder
from tuner.errors import Mistake, Problem, Where
from tuner.manifests.model import Container, PodSet
from tuner.space.model import LocalImage, SearchSpace


def problems(pods: PodSet, space: SearchSpace) -> Iterator[Problem]:
    """Each mistake with its place, as far as a line that holds it can be found."""
    for container in pods.containers:
        if runs_here(container, space.local, serving=pods.serving):
            yield from _of(container, image_of(container, space.local, serving=pods.serving), space)


def _of(container: Container, image: LocalImage, space: SearchSpace) -> Iterator[Problem]:
    local = _line(space.file, "local:")
    folder = image.folder or space.folder
    if not folder.is_dir():
        yield Mistake(
            f"the folder {folder} of image {container.image!r} does not exist",
            "set local.folder to an existing folder, relative to the search space's own",
        ).at(local)
    if image.requirements is not None and not image.requirements.is_file():
        yield Mistake(
            f"the requirements file {image.requirements} of image {container.image!r} does not exist",
            "set local.requirements to an existing file, relative to the search space's own folder",
        ).at(local)
        return
    command = command_of(container, image)
    if not command:
        what = f"image {container.image!r} of container" if container.image else "the server that an operator makes of"
        yield Mistake(
            f"nothing says how {what} {container.name!r} runs on this machine",
            f"give its program in {space.file.name}, for example `local: {{command: [python, server.py]}}`",
        ).at(_line(space.manifest, f"image: {container.image}" if container.image else f"name: {container.name}"))
        return
    venv = venv_folder(image.requirements, cache_folder()) if image.requirements is not None else None
    if venv is not None and not venv.is_dir():
        return  # its programs are not installed yet
    path = container.env.get("PATH") or image.env.get("PATH") or search_path(venv)
    if find_program(command[0], folder, path) is None:
        place = f"in {folder}" if "/" in command[0] else f"on PATH ({path})"
        yield Mistake(
            f"the program {command[0]!r} of container {container.name!r} is not found {place}",
            "install it, or give another in local.command, which goes before the container's command",
        ).at(local if image.command else _line(space.manifest, f"name: {container.name}"))


def _line(file: Path, text: str) -> Where:
    """The first line that holds the text; the file as a whole where none does."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        lines = []
    number = next((number for number, line in enumerate(lines, 1) if text in line), 0)
    return Where(file=str(file), line=number)
