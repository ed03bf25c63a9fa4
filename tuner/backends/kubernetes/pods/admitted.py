"""What admission made of a pod: is a knob another than was asked for, or was only something added that counts, too?

A mesh puts a side-car into every pod, an identity provider a variable, a LimitRange its defaults: the workload itself
would run with them, so a trial does, and they are recorded, paid for and measured with it. What makes a trial worthless
is a knob that does not have the value that was asked for. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tuner.backends.kubernetes.pods.readback import Change
from tuner.manifests import address
from tuner.manifests.kinds.model import mapping, mappings
from tuner.manifests.model import Container, PodSet
from tuner.manifests.workload import container_of
from tuner.space.model import SearchSpace

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """Where one stands in a pod."""

    container: str | None
    """None: whichever of the manifest's containers; empty: the pod itself."""
    section: str
    name: str = ""
    """Empty: all of the section."""


def knobs(space: SearchSpace | None, template: Object | None) -> tuple[Knob, ...]:
    """Those of a search space that stand in a pod. `template`: the pod template, for addresses that count containers."""
    found = []
    for parameter in space.parameters if space else ():
        container = container_of(space, parameter) if space else None
        for target in parameter.targets:
            try:
                found += _knob(address.parse(target), container, template)
            except ValueError:
                continue  # the check of the manifest tells it
    return tuple(found)


def changes_a_knob(change: Change, knobs: Iterable[Knob]) -> bool:
    """Whether a knob was asked to be one thing and is another. One that has no value has not been asked for."""
    return not change.added and any(_is_of(change, knob) for knob in knobs)


def sentence(change: Change) -> str:
    """What was done, for the record, without values of variables: they may be secret."""
    if change.added:
        value = "" if change.section in ("", "env") else f" of {change.found}"
        return f"{change.what}{value} was added"
    if change.section == "env":
        return f"{change.what} was changed"
    return f"{change.what} is {change.found}, asked for {change.asked}"


def as_admitted(pods: PodSet, pod: Object) -> PodSet:
    """The pods with all that one of them really has: side-cars among `added`, resources with their defaults."""
    live = {str(one["name"]): _resources(one) for one in running_containers(pod)}
    own = {container.name: container for container in (*pods.containers, *pods.added)}
    known = [replace(one, **live[one.name]) if one.name in live else one for one in own.values()]
    more = [Container(name=name, image="", **found) for name, found in live.items() if name not in own]
    count = len(pods.containers)
    return replace(pods, containers=tuple(known[:count]), added=(*known[count:], *more))


def running_containers(pod: Object) -> Sequence[Object]:
    """Those that run beside each other: side-cars among the init containers, too (``restartPolicy: Always``)."""
    containers = [one for _, one in mappings(pod, ("spec", "containers"))]
    side_cars = [one for _, one in mappings(pod, ("spec", "initContainers")) if one.get("restartPolicy") == "Always"]
    return [*containers, *side_cars]


def _resources(container: Object) -> dict[str, Any]:
    limits, requests = (
        {name: str(amount) for name, amount in mapping(container, ("resources", section)).items()}
        for section in ("limits", "requests")
    )
    return {"limits": MappingProxyType(limits), "requests": MappingProxyType({**limits, **requests})}


def _knob(found: address.Address, container: str | None, template: Object | None) -> list[Knob]:
    match found:
        case address.Env(name=name):
            return [Knob(container=container, section="env", name=name)]
        case address.Flag(name=name):
            return [Knob(container=container, section=part, name=name) for part in ("args", "command")]
        case address.ContainerResource(section=section, name=name):
            return [Knob(container=container, section=section, name=name)]
        case address.Annotation(key=key, of_pod=True):
            return [Knob(container="", section="annotations", name=key)]
        case address.Pointer(tokens=tokens, document=None):
            return _pointed_at(tokens, template)
        case _:
            return []


def _pointed_at(tokens: tuple[str, ...], template: Object | None) -> list[Knob]:
    if tokens[:2] != ("spec", "template") or len(tokens) < 4:
        return []
    match tokens[2:]:
        case ("metadata", "annotations", key):
            return [Knob(container="", section="annotations", name=key)]
        case ("spec", "containers", index, "resources", section, name):
            return [Knob(container=_name(template, index), section=section, name=name)]
        case ("spec", "containers", index, section, *_):
            return [Knob(container=_name(template, index), section=section)]
        case ("spec", section, *rest):
            return [Knob(container="", section=section, name="/".join(rest))]
        case _:
            return []


def _name(template: Object | None, index: str) -> str | None:
    found = dict(mappings(template, ("spec", "containers"))).get(int(index) if index.isdecimal() else -1)
    return str(found["name"]) if found else None


def _is_of(change: Change, knob: Knob) -> bool:
    if knob.container is not None and knob.container != change.container:
        return False
    if not change.section:
        return bool(change.container)  # the container itself is not there
    if knob.section != change.section:
        return False
    if change.section in ("args", "command") and knob.name:
        asked, found = change.words
        return _flag(knob.name, asked) != _flag(knob.name, found)
    return not knob.name or change.name == knob.name or change.name.startswith(f"{knob.name}/")


def _flag(name: str, words: Sequence[str]) -> list[tuple[str, ...]]:
    """A flag wherever it stands, each with what follows it."""
    return [
        (word,) if word != name else tuple(words[index : index + 2])
        for index, word in enumerate(words)
        if word == name or word.startswith(f"{name}=")
    ]
