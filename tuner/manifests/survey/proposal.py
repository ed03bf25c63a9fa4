"""The text of a first search space."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import InputError, Where
from tuner.manifests.documents import documents, load_all
from tuner.manifests.model import Manifest
from tuner.manifests.survey.choice import Choice, choose, listed
from tuner.manifests.survey.line import Line, plain
from tuner.manifests.survey.parameters import parameters
from tuner.manifests.survey.traffic import Traffic
from tuner.manifests.workload import NoWorkload

_WIDEST = 100
"""Columns up to which comments are put one below the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    space: str
    """The text of a search-space file."""
    request: str
    """A request body for its protocol, to be replaced by one that the model answers."""
    said: tuple[str, ...]
    """What was chosen from several, a sentence each."""


def propose(
    manifest: Manifest, *, relative_to: Path | None = None, workload: str | None = None, container: str | None = None
) -> Proposal:
    """A search space with the manifest's path as seen from `relative_to` (its own folder by default), for the likeliest
    workload and container or for those that are named: ``KIND/NAME``, a container's name.

    It passes the reader once `request.json` is there. Raises InputError for a manifest without a workload that can be
    tuned, or none of that name.
    """
    objects: list[Any] = list(load_all(manifest.text))
    try:
        choice = choose(objects, workload=workload, container=container)
    except NoWorkload as error:
        line = 0 if error.index is None else documents(manifest.text)[error.index].root.line
        raise InputError([error.at(Where(file=str(manifest.file), line=line))]) from None
    traffic = Traffic(choice)
    lines = parameters(choice, objects, traffic.protocol)
    if not any(line.proposed for line in lines):
        message = "nothing in it that could be tuned"
        raise InputError.at(manifest.file, message, "give its container resources or env")
    path = manifest.file.name if relative_to is None else os.path.relpath(manifest.file, relative_to)
    return Proposal(
        space="\n".join(_text(choice, lines, traffic, path)), request=traffic.request(), said=tuple(_said(choice))
    )


def _text(choice: Choice, lines: tuple[Line, ...], traffic: Traffic, path: str) -> Iterator[str]:
    workload, server = choice.workload, choice.found.server
    width = min(max(len(str(line)) for line in lines), _WIDEST) + 2
    recognised = server.name if server else "no server whose knobs are known"
    where = f" in container {choice.place.name}" if choice.place and len(choice.containers) > 1 else ""
    yield f"# A first search space for {workload.kind.kind} {workload.name}, by a look at its manifest."
    yield f"# Recognized: {recognised}{where}. Read each line, correct it, then run `tune check` on this file."
    yield f"name: {_study_name(workload.name)}"
    yield f"manifest: {plain(path)}"
    if len(choice.workloads) > 1:
        yield f"object: {plain(workload.spelled)}"
        yield from _alternatives("or", [one.spelled for one in choice.workloads if one.spelled != workload.spelled])
    if choice.place and choice.place.name:
        yield f"container: {plain(choice.place.name)}"
        yield from _alternatives("beside it:", [str(other) for other in choice.containers[1:]])
    for sentence in workload.kind.remarks(workload.obj):
        yield f"# {sentence}"
    yield ""
    yield "parameters:  # what may vary, and where it is written in the manifest"
    for line in lines:
        yield f"{str(line).ljust(width - 2)}  # {line.comment}"
    yield ""
    yield from traffic.section()
    yield ""
    yield "slo:  # a configuration that breaks it at the common rate is not chosen"
    yield f"  latency_p99: {server.latency_p99 if server else '100ms'}"
    yield "  error_ratio: 0.1%"
    yield ""
    yield "objectives: {throughput: maximize, cost: minimize}  # or latency_p50 ... p99.9, error_ratio, cpu, memory, startup"
    yield "budget: {trials: 20, time: 30m}  # whichever comes first"
    yield ""
    yield "# local:  # how to run the image's server as a process of this machine, where there is no cluster"
    yield "#   command: [...]  # what the image starts; left out: the container's own command"
    yield "#   requirements: requirements.txt  # for a virtual environment of its own"
    yield ""


def _alternatives(word: str, names: list[str]) -> Iterator[str]:
    if names:
        yield f"# {word} {listed(names)}"


def _said(choice: Choice) -> Iterator[str]:
    yield from choice.workload.kind.remarks(choice.workload.obj)
    if len(choice.workloads) > 1:
        others = listed(one.spelled for one in choice.workloads if one.spelled != choice.workload.spelled)
        yield f"{choice.workload.spelled} was chosen; --workload chooses another: {others}"
    if len(choice.containers) > 1 and choice.place is not None:
        others = listed(map(str, choice.containers[1:]))
        yield f"container {choice.place.name} was chosen; --container chooses another: {others}"


def _study_name(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower())[:40].strip("-") or "study"
