"""Which amounts of CPU and memory a first search space proposes, around what the manifest asks for today."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tuner.manifests.amounts import amount, not_meant

_SPELLED = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<suffix>[A-Za-z]*)")
_SMALLER = {
    "Ei": "Pi",
    "Pi": "Ti",
    "Ti": "Gi",
    "Gi": "Mi",
    "Mi": "Ki",
    "E": "P",
    "P": "T",
    "T": "G",
    "G": "M",
    "M": "k",
}
_FAR = 4
"""A request this many times below its limit is far below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedResource:
    """`choices` as they are spelled; `proposed` False: to be written as a comment."""

    name: str
    choices: tuple[str, ...]
    targets: tuple[str, ...]
    comment: str
    proposed: bool = True


def resource_knobs(resource: str, meaning: str, limit: str | None, request: str | None) -> Iterator[ProposedResource]:
    """One knob where limit and request are equal, else one each; none for amounts that cannot be meant.

    A limit reaches down to the request, which is what is reckoned to be used today. A request is only a comment: on a
    node with room to spare nothing that is measured changes with it.
    """
    if any(value is not None and (amount(value) is None or not_meant(resource, value)) for value in (limit, request)):
        return
    low, high = amount(request), amount(limit)
    if limit is not None and high is not None and high > 0:
        if low is not None and low == high:
            targets = (f"limits/{resource}", f"requests/{resource}")
            comment = f"{meaning}, around today's {limit}; request and limit together"
            yield ProposedResource(name=resource, choices=_around(limit), targets=targets, comment=comment)
            return
        choices = _down_to(limit, request) if request is not None and low else _around(limit)
        said = f"; at least the {request} it requests" if request is not None else ""
        comment = f"{meaning} at most, around today's {limit}{said}"
        yield ProposedResource(name=resource, choices=choices, targets=(f"limits/{resource}",), comment=comment)
    if request is not None and low is not None and low > 0:
        lowest = min(filter(None, map(amount, _down_to(limit, request))), default=low) if limit is not None else None
        doubled = _times(request, 2)
        choices = (request, doubled) if lowest is None else (request,)
        if limit is None or lowest == low:
            choices = tuple(dict.fromkeys((_times(request, Decimal("0.5")), *choices)))
        yield ProposedResource(
            name=f"{resource}_request",
            choices=choices,
            targets=(f"requests/{resource}",),
            comment=_of_request(resource, request, limit),
            proposed=False,
        )


def _of_request(resource: str, request: str, limit: str | None) -> str:
    what = f"what is reserved for each pod, {request} today"
    if limit is None:
        return (
            f"{what}; without a limit nothing that is measured changes with it on a quiet node: add limits/{resource}"
        )
    return f"{what}; it is what a pod costs, and changes nothing that is measured on a quiet node"


def _around(present: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((_times(present, Decimal("0.5")), present, _times(present, 2))))


def _down_to(limit: str, request: str) -> tuple[str, ...]:
    """The request, what lies between, the limit, and its double; the request in its own spelling."""
    low, high = amount(request), amount(limit)
    if low is None or high is None or low >= high:
        return _around(limit)
    between = [_times(limit, Decimal("0.5"))] if high / low > 2 else []
    between = [_times(limit, Decimal("0.25")), *between] if high / low > 2 * _FAR else between
    return tuple(dict.fromkeys((request, *between, limit, _times(limit, 2))))


def _times(present: str, factor: Decimal | int) -> str:
    """The amount in the unit that it is written in or, where that gives a fraction, in the next smaller one."""
    found = _SPELLED.fullmatch(present)
    if found is None:
        return _plain((amount(present) or Decimal(0)) * factor)
    number, suffix = Decimal(found["number"]) * factor, found["suffix"]
    while number % 1 and suffix in _SMALLER:
        number, suffix = number * (1024 if suffix.endswith("i") else 1000), _SMALLER[suffix]
    if number % 1 and suffix == "":
        return f"{_plain(number * 1000)}m" if "." not in found["number"] else _plain(number)
    return f"{_plain(number if number % 1 == 0 or suffix == '' else number.to_integral_value())}{suffix}"


def _plain(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"
