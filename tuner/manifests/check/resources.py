"""Resource quantities, of the base and of the knobs: are they quantities, and is no request above its limit?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tuner.errors import Problem
from tuner.manifests.address import Address, ContainerResource, OfContainer
from tuner.manifests.amounts import amount, not_meant
from tuner.manifests.kinds import Place
from tuner.manifests.kinds.model import at, mapping
from tuner.manifests.workload import Workload
from tuner.space.model import Choices, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.yaml.tree import Path

AtManifest = Callable[[Path, str, str], Problem]
"""Makes a problem of the tuned object: where in it, what is wrong, what to do."""


class Knob:
    """One address of one parameter, and the container it belongs to."""

    def __init__(self, parameter: Parameter, target: str, found: Address, place: Place | None) -> None:
        self.parameter, self.target, self.address, self.place = parameter, target, found, place

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for two knobs that set the very same value."""
        return (self.address, self.place.path if self.place and isinstance(self.address, OfContainer) else None)

    def problem(self, message: str, fix: str) -> Problem:
        return Problem(where=self.parameter.where, message=f"{self.parameter.name}: {message}", fix=fix)


def values(parameter: Parameter) -> tuple[Value, ...]:
    """All choices, or the ends of a range."""
    domain = parameter.domain
    return domain.values if isinstance(domain, Choices) else (domain.low, domain.high)


def amount_problems(knob: Knob) -> Iterator[Problem]:
    """What a knob on a resource would set that is no amount of it."""
    if not isinstance(knob.address, ContainerResource):
        return
    for value in values(knob.parameter):
        if amount(value) is None:
            message = f"{knob.target}: {value!r} is not a quantity"
            yield knob.problem(message, "write a quantity such as 500m, 2 or 512Mi")
        elif (wrong := not_meant(knob.address.name, value)) is not None:
            yield knob.problem(f"{knob.target}: {wrong.message}", wrong.fix)


def resource_problems(
    space: SearchSpace, workload: Workload, found: list[Knob], at_manifest: AtManifest
) -> Iterator[Problem]:
    """Requests that are or may come to be above their limits. Amounts of the base that are none are the reader's."""
    for place in workload.places():
        if _is_sound(workload, place):
            here = [knob for knob in found if isinstance(knob.address, ContainerResource) and knob.place == place]
            resources = {knob.address.name for knob in here if isinstance(knob.address, ContainerResource)}
            resources |= set(mapping(workload.obj, (*place.path, "resources", "requests")))
            for resource in sorted(resources):
                yield from _Pair(workload, place, resource, here).problems(space, at_manifest)


def _is_sound(workload: Workload, place: Place) -> bool:
    sections = (mapping(workload.obj, (*place.path, "resources", section)) for section in ("limits", "requests"))
    return all(amount(value) is not None for section in sections for value in section.values())


class _Pair:
    """The limit and the request of one resource of a container, and the knobs that set them."""

    def __init__(self, workload: Workload, place: Place, resource: str, found: list[Knob]) -> None:
        setting = {
            k.address.section: k
            for k in found
            if isinstance(k.address, ContainerResource) and k.address.name == resource
        }
        self.resource, self.limit, self.request = resource, setting.get("limits"), setting.get("requests")
        self.paths: dict[str, Path] = {
            section: (*place.path, "resources", section, resource) for section in ("limits", "requests")
        }
        base = {section: at(workload.obj, path) for section, path in self.paths.items()}
        self.lowest = _extreme(self.limit, base["limits"], min)
        self.highest = _extreme(self.request, base["requests"], max)
        self.base = base["limits"], base["requests"]

    def problems(self, space: SearchSpace, at_manifest: AtManifest) -> Iterator[Problem]:
        low, high = amount(self.lowest), amount(self.highest)
        if low is None or high is None or high <= low:
            return
        limit_now, request_now = map(amount, self.base)
        if limit_now is not None and request_now is not None and limit_now < request_now:
            message = f"requests.{self.resource} of {self.base[1]} is above limits.{self.resource} of {self.base[0]}"
            yield at_manifest(self.paths["requests"], message, "raise the limit or lower the request")
            return
        what = f"requests/{self.resource} of {self.highest} would be above limits/{self.resource} of {self.lowest}"
        limit, request = self.limit, self.request
        if limit is not None and request is not None:
            if limit.parameter is not request.parameter and not _ruled(space, limit.parameter, request.parameter):
                rule = f"{request.parameter.name} <= {limit.parameter.name}"
                yield request.problem(what, f"add the rule `{rule}`, or set both by one parameter")
        elif (knob := limit or request) is not None:
            other = "requests" if knob is limit else "limits"
            fixed = at_manifest(self.paths[other], "", "").where
            yield knob.problem(
                what, f"add {other}/{self.resource} to the addresses of this parameter, or change {fixed}"
            )


def _extreme(knob: Knob | None, base: Any, pick: Callable[..., Any]) -> Any:
    """The least or greatest amount that a resource is given; None: none."""
    if knob is None:
        return base
    amounts = [value for value in values(knob.parameter) if amount(value) is not None]
    return pick(amounts, key=amount) if amounts else None


def _ruled(space: SearchSpace, one: Parameter, other: Parameter) -> bool:
    """Whether a rule speaks of both, and so may keep them apart."""
    return any({one.name, other.name} <= set(re.findall(r"\w+", rule.text)) for rule in space.rules)
