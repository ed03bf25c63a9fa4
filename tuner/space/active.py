"""Which parameters exist, given the values of others (`when`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tuner.space.model import Parameter
from tuner.space.values import Value


def in_order(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Each after the one its condition names, otherwise as written. Raises ValueError when conditions form a cycle."""
    waiting = {parameter.name: parameter for parameter in parameters}
    ordered: list[Parameter] = []
    while waiting:
        free = [p for p in waiting.values() if p.when is None or p.when.parameter not in waiting]
        if not free:
            raise ValueError(f"the conditions of {', '.join(map(repr, waiting))} wait for each other")
        ordered.extend(waiting.pop(parameter.name) for parameter in free)
    return tuple(ordered)


def exists(parameter: Parameter, values: Mapping[str, Value]) -> bool:
    """Whether it exists where `values` holds the values of just those that do."""
    when = parameter.when
    return when is None or (when.parameter in values and values[when.parameter] in when.values)


def active(parameters: Iterable[Parameter], values: Mapping[str, Value]) -> dict[str, Value]:
    """`values` without those of parameters that do not exist there, or are none of `parameters`."""
    kept: dict[str, Value] = {}
    for parameter in in_order(parameters):
        if parameter.name in values and exists(parameter, kept):
            kept[parameter.name] = values[parameter.name]
    return kept
