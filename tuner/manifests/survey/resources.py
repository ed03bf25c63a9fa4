"""CPU and memory of the container, around what it has today."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tuner.manifests.survey.line import Line, plain
from tuner.units import quantity


def resources(present: Callable[[str], Any]) -> Iterator[Line]:
    """`present` gives the value at an address, None where there is none."""
    for resource, meaning in (("cpu", "cores of each pod"), ("memory", "memory of each pod")):
        limit, request = (present(f"{section}/{resource}") for section in ("limits", "requests"))
        now = limit if limit is not None else request
        if now is None:
            continue
        sections = [name for name, value in (("limits", limit), ("requests", request)) if value is not None]
        choices = _amounts(resource, str(now))
        if not choices:
            continue
        together = "; request and limit together" if len(sections) == 2 else ""
        yield Line(
            name=resource,
            domain=f"choices: [{', '.join(map(plain, choices))}]",
            targets=tuple(f"{section}/{resource}" for section in sections),
            comment=f"{meaning}, around today's {now}{together}",
        )


def _amounts(resource: str, present: str) -> tuple[str, ...]:
    """Half of a quantity, the quantity as it is spelled, and its double; empty for what is no quantity."""
    try:
        amount = quantity(present)
    except ValueError:
        return ()
    spell = _cores if resource == "cpu" else _bytes
    spelled = [spell(amount / 2), present, spell(amount * 2)] if amount > 0 else []
    return tuple(dict.fromkeys(text for text in spelled if text))


def _cores(amount: Any) -> str:
    millis = int(amount * 1000)
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def _bytes(amount: Any) -> str:
    for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if amount >= size and amount % size == 0:
            return f"{int(amount // size)}{unit}"
    return str(int(amount))
