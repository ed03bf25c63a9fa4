"""The ends of every parameter's domain."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.space.model import Choices, Domain, Parameter, Value
from tuner.units import quantity


def extremes(parameters: Iterable[Parameter]) -> tuple[dict[str, Value], dict[str, Value]]:
    """The smallest and the largest value of each, by name; choices that are no quantities keep their order."""
    ends = {parameter.name: _ends(parameter.domain) for parameter in parameters}
    return {name: low for name, (low, _) in ends.items()}, {name: high for name, (_, high) in ends.items()}


def _ends(domain: Domain) -> tuple[Value, Value]:
    if not isinstance(domain, Choices):
        return domain.low, domain.high
    try:
        ordered = sorted(domain.values, key=quantity)
    except ValueError:
        ordered = list(domain.values)
    return ordered[0], ordered[-1]
