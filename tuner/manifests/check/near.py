"""Knobs that are set where the manifest has nothing, a slip of the keyboard from where it has something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import Problem
from tuner.manifests import address, knobs
from tuner.manifests.address import Env, Flag
from tuner.manifests.documents import load_all
from tuner.manifests.model import Manifest
from tuner.manifests.servers.known import LIBRARIES
from tuner.manifests.servers.recognition import recognise
from tuner.manifests.workload import container_of, find
from tuner.nearest import slip
from tuner.space.model import SearchSpace


def near_misses(space: SearchSpace, manifest: Manifest) -> Iterator[Problem]:
    """A problem each, of variables and flags; what the container's server is known to read counts as there."""
    objects: list[Any] = list(load_all(manifest.text))
    workload = find(space, objects)
    for parameter in space.parameters:
        place = workload.place(container_of(space, parameter))
        if place is None:
            continue
        found = recognise(workload.kind.container(workload.obj, place))
        known = {
            target for knob in (*LIBRARIES, *(found.server.knobs if found.server else ())) for target in knob.targets
        }
        variables = {f"env/{name}" for name in found.launch.env}
        flags = {
            f"args/{word.partition('=')[0]}" for line in found.launch.lines for word in line if word.startswith("-")
        }
        for target in parameter.targets:
            at = address.parse(target)
            if not isinstance(at, Env | Flag) or target in known | variables | flags:
                continue
            if knobs.read(objects, workload, place, at) is not None:
                continue
            form = target.partition("/")[0]
            close = slip(target, sorted(one for one in known | variables | flags if one.startswith(f"{form}/")))
            if close is not None:
                where = "the manifest has" if close in variables | flags else "its server reads"
                message = f"{parameter.name} sets {target}, which is not in the manifest; {where} {close}"
                yield Problem(where=parameter.where, message=message, fix=f"write {close}, if that is meant")
