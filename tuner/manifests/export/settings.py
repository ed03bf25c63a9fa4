"""What a configuration changed, address by address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.manifests import address, knobs
from tuner.manifests.export.helm_values import Setting
from tuner.manifests.kinds.model import mapping
from tuner.manifests.workload import container_of, find
from tuner.space.model import Configuration, SearchSpace


def settings(
    space: SearchSpace, before: Sequence[Mapping[str, Any]], configuration: Configuration
) -> Iterator[Setting]:
    """Those whose value the manifest as it stood does not have. Raises NoWorkload."""
    objects = list(before)
    workload = find(space, objects)
    for parameter in space.parameters:
        if parameter.name not in configuration.values:
            continue
        value = configuration.values[parameter.name]
        place = workload.place(container_of(space, parameter))
        for target in parameter.targets:
            parsed = address.parse(target)
            present = knobs.read(objects, workload, place, parsed)
            if present is None or not knobs.stands(present, value):
                yield Setting(
                    parameter=parameter.name,
                    spelled=target,
                    address=parsed,
                    before=present,
                    value=value,
                    resources={} if place is None else mapping(workload.obj, (*place.path, "resources")),
                )
