"""Knobs, and what is fixed for a study, as MLflow's params. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tuner.errors import Mistake
from tuner.record.wording import constraint_text, objective_text
from tuner.space.model import Configuration, Parameter, SearchSpace
from tuner.space.values import Value
from tuner.study.model import StudyStart
from tuner.units import quantity
from tuner.workload.arrivals import described

_UNSAFE = re.compile(r"[^\w.\-]")
_MIB = 1 << 20
_BINARY = re.compile(r"[\d.]+[KMGTPE]i?", re.ASCII)


def safe(name: str) -> str:
    """`name` with what MLflow does not take in a name replaced by ``_``."""
    return _UNSAFE.sub("_", name)


def knob_params(configuration: Configuration, parameters: Iterable[Parameter]) -> dict[str, str]:
    """The knobs as they are, and beside each quantity its number: ``cpu`` 500m and ``cpu_cores`` 0.5, ``memory`` 256Mi
    and ``memory_mib`` 256. A chart over a param drops every run whose value is no number."""
    params = {safe(name): str(value) for name, value in configuration.values.items()}
    targets = {one.name: one.targets for one in parameters}
    for name, value in configuration.values.items():
        if (beside := _number(value, targets.get(name, ()))) is not None:
            unit, number = beside
            params.setdefault(f"{safe(name)}_{unit}", f"{number:.6g}")
    return params


def varying(space: SearchSpace) -> list[Parameter]:
    """The knobs that have more than one value."""
    return [one for one in space.parameters if not _one_value(one)]


def longest(parameter: Parameter) -> int:
    """Characters of a knob's longest value."""
    domain = parameter.domain
    values = getattr(domain, "values", None) or (getattr(domain, "low", ""), getattr(domain, "high", ""))
    return max(len(f"{value:.6g}" if isinstance(value, float) else str(value)) for value in values)


def numbers(space: SearchSpace) -> list[str]:
    """The same, of quantities their number: what a chart can have an axis of."""
    return [_numeric(one) for one in varying(space)]


def study_params(start: StudyStart, space: SearchSpace) -> dict[str, str]:
    """What is fixed for the whole study."""
    params = {
        "objectives": ", ".join(objective_text(objective) for objective in start.objectives),
        "slo": ", ".join(constraint_text(constraint) for constraint in start.slo),
        "sampler": start.sampler,
        "seed": str(start.seed),
        "backend": start.backend,
        "protocol": space.workload.protocol,
        "arrival": described(space.workload),
        "input_digest": start.input_digest,
        "tuner_version": start.tuner_version,
    }
    params |= {f"machine.{safe(name)}": value for name, value in start.machine.items()}
    return {name: value for name, value in params.items() if value}


def _numeric(parameter: Parameter) -> str:
    values = getattr(parameter.domain, "values", ())
    known = {beside[0] for value in values if (beside := _number(value, parameter.targets)) is not None}
    return f"{safe(parameter.name)}_{known.pop()}" if len(known) == 1 else safe(parameter.name)


def _one_value(parameter: Parameter) -> bool:
    domain = parameter.domain
    values = getattr(domain, "values", None)
    return len(values) == 1 if values is not None else getattr(domain, "low", 0) == getattr(domain, "high", 1)


def _number(value: Value, targets: tuple[str, ...]) -> tuple[str, float] | None:
    """The unit and the number of a quantity; None: it is a text, or is a number as it stands.

    A CPU's is told by where it is written to; of memory by that or by its suffix.
    """
    if isinstance(value, bool) or (isinstance(value, int | float) and not _resource(targets)):
        return None
    try:
        number = quantity(value)
    except Mistake:
        return None
    resource = _resource(targets)
    if resource == "cpu":
        return "cores", float(number)
    if resource == "memory" or (isinstance(value, str) and _BINARY.fullmatch(value)):
        return "mib", float(number) / _MIB
    return None


def _resource(targets: tuple[str, ...]) -> str:
    return next((last for target in targets if (last := target.rpartition("/")[2]) in ("cpu", "memory")), "")
