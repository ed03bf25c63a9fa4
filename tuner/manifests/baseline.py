"""The manifest as it stands, as a configuration: what a study measures first, to say how much better than today."""

from __future__ import annotations

import re
from typing import Any

from tuner.manifests import address, knobs
from tuner.manifests.documents import load_all
from tuner.manifests.model import Manifest
from tuner.manifests.workload import Workload, container_of, find
from tuner.space.active import active
from tuner.space.domain import extremes
from tuner.space.model import Choices, Configuration, Domain, IntRange, Parameter, SearchSpace
from tuner.space.values import Value


def baseline(space: SearchSpace, manifest: Manifest) -> Configuration:
    """The values at the parameters' addresses now; `render` of them gives the base's text back, byte for byte.

    A parameter has no value here where the manifest has none, where its addresses hold different values, and where its
    `when` does not hold. Values outside the parameter's domain are given as they stand, but for replicas that are
    scaled to zero: nothing could be measured, so the fewest that the domain has are taken.
    """
    objects: list[Any] = list(load_all(manifest.text))
    workload = find(space, objects)
    found = {parameter.name: _present(space, objects, workload, parameter) for parameter in space.parameters}
    values = {name: value for name, value in found.items() if value is not None}
    there = active(space.parameters, values)
    return Configuration(values={name: value for name, value in values.items() if name in there})


def _present(space: SearchSpace, objects: list[Any], workload: Workload, parameter: Parameter) -> Value | None:
    place = workload.place(container_of(space, parameter))
    addresses = [address.parse(target) for target in parameter.targets]
    try:
        present = [knobs.read(objects, workload, place, target) for target in addresses]
    except knobs.Unaddressable:
        return None
    if any(value is None or isinstance(value, dict | list) for value in present):
        return None
    value = value_of(parameter.domain, knobs.text(present[0]))
    if value == 0 and any(isinstance(target, address.Replicas) for target in addresses):
        return extremes(parameter.domain)[0]
    return value if all(knobs.stands(other, value) for other in present) else None


def value_of(domain: Domain, text: str) -> Value:
    """The text as a value of the parameter's type, where it is one exactly."""
    if isinstance(domain, Choices):
        return next((value for value in domain.values if knobs.stands(text, value)), text)
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text) if isinstance(domain, IntRange) else float(text)
    if not isinstance(domain, IntRange) and re.fullmatch(r"-?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text
