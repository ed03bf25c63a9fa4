"""One configuration written into the base manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tuner.errors import InputError, Problem, Where
from tuner.manifests import address, knobs
from tuner.manifests.documents import documents as documents_of
from tuner.manifests.model import Manifest, Rendered
from tuner.manifests.workload import NoWorkload, container_of, find
from tuner.space.model import Configuration, SearchSpace
from tuner.yaml import tree
from tuner.yaml.alike import respelled
from tuner.yaml.splice import Unwritable, splice


def render(space: SearchSpace, manifest: Manifest, configuration: Configuration) -> Rendered:
    """The base with the configuration's values at their addresses, and every other character as it was.

    But what readers of YAML 1.1 and 1.2 would take for different values (``0555``, ``yes``, ``<<``) is spelled so that
    they all read what kubectl does. A parameter without a value leaves the base as it stands. Values already there, in
    whatever spelling, stay.
    Raises InputError for what `check` would have reported.
    """
    documents = documents_of(manifest.text)
    objects = _written(space, manifest, configuration, documents)
    try:
        text = respelled(splice(manifest.text, list(zip(documents, objects, strict=True))))
    except Unwritable as error:
        raise InputError([error.at(Where(file=str(manifest.file), line=error.line))]) from error
    return Rendered(text=text, objects=tuple(objects), configuration=configuration)


def demanding(space: SearchSpace, manifest: Manifest) -> Callable[[Configuration], Rendered]:
    """As `render`, but without the text, which nothing is deployed from: a tenth of the time, to see what many
    configurations ask for. Raises InputError as `render`."""
    documents = documents_of(manifest.text)

    def written(configuration: Configuration) -> Rendered:
        objects = tuple(_written(space, manifest, configuration, documents))
        return Rendered(text="", objects=objects, configuration=configuration)

    return written


def _written(
    space: SearchSpace, manifest: Manifest, configuration: Configuration, documents: Sequence[tree.Document]
) -> list[Any]:
    objects: list[Any] = [tree.data(document.root) for document in documents]
    try:
        workload = find(space, objects)
    except NoWorkload as error:
        raise InputError([error.at(Where(file=str(manifest.file)))]) from error
    for parameter in space.parameters:
        if parameter.name not in configuration.values:
            continue
        place = workload.place(container_of(space, parameter))
        for target in parameter.targets:
            try:
                knobs.write(objects, workload, place, address.parse(target), configuration.values[parameter.name])
            except (knobs.Unaddressable, ValueError) as error:
                fix = getattr(error, "fix", None) or "correct the address"
                problem = Problem(where=parameter.where, message=f"{target}: {error}", fix=fix)
                raise InputError([problem]) from error
    return objects
