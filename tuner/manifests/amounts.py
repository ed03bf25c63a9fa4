"""Amounts of a resource: as numbers, and those that are valid quantities and yet cannot be meant."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from tuner.errors import Mistake
from tuner.units import quantity

_MOST_CORES, _LEAST_CORES = 999, Decimal("0.001")
"""From here on the thousandths of a core are likelier meant than one of the few machines that have as many."""
_MOST_BYTES, _LEAST_BYTES = 64 << 40, 1 << 20
"""No machine has more; no process runs in less, but for a request of nothing."""
_MOST_DEVICES = 1024
_SUFFIX = re.compile(r"(?P<number>[-+]?[0-9.]+)(?P<suffix>[A-Za-z]*)")
_MIB = 1 << 20


def amount(value: Any) -> Decimal | None:
    """None: no quantity."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    try:
        return quantity(value if isinstance(value, int | float) else str(value))
    except ValueError:
        return None


def not_meant(resource: str, value: Any) -> Mistake | None:
    """Why this can not be meant, with what is likely meant; None: it can, or it is no quantity at all."""
    number = amount(value)
    if number is None or number == 0:
        return None
    if number < 0:
        return Mistake(f"{value} is negative", "write a quantity above 0")
    found = _SUFFIX.fullmatch(str(value))
    digits, suffix = (found["number"], found["suffix"]) if found else (str(value), "")
    if resource == "cpu":
        return _cpu(value, number, digits, suffix)
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        return _bytes(resource, value, number, digits, suffix)
    if "/" in resource and (number % 1 or number > _MOST_DEVICES):
        what = f"{value} is not whole" if number % 1 else f"{value} is more than any machine has"
        return Mistake(what, f"{resource} is counted: write 1, 2, ...")
    return None


def _cpu(value: Any, number: Decimal, digits: str, suffix: str) -> Mistake | None:
    if number > _MOST_CORES or suffix in ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"):
        what = f"{value} of cpu is {_spoken(number)} cores"
        if suffix in ("M", "Mi"):
            return Mistake(what, f"write {digits}m for thousandths of a core")
        if suffix:
            return Mistake(what, f"write {digits} for cores, or {digits}m for thousandths of one")
        return Mistake(
            what, f"write {digits}m for thousandths of a core" if digits.isdigit() else "write cores, such as 2"
        )
    if number < _LEAST_CORES:
        return Mistake(f"{value} of cpu is less than a thousandth of a core", "write 1m or more")
    return None


def _bytes(resource: str, value: Any, number: Decimal, digits: str, suffix: str) -> Mistake | None:
    if number > _MOST_BYTES:
        return Mistake(f"{value} of {resource} is {_spoken(number / (1 << 40))} TiB", "write for example 512Mi or 16Gi")
    if suffix in ("m", "u", "n"):
        return Mistake(f"{value} of {resource} is {_spoken(number)} bytes: m is a thousandth", f"write {digits}Mi")
    if number < _LEAST_BYTES and resource == "memory":
        meant = f"{digits}Mi" if not suffix else f"{digits}{ {'k': 'M', 'Ki': 'Mi'}.get(suffix, suffix) }"
        return Mistake(f"{value} of memory is {_spoken(number)} bytes, too few for any program", f"write {meant}")
    return None


def _spoken(number: Decimal) -> str:
    return f"{number:,.0f}" if number >= 1 and number == number.to_integral_value() else f"{float(number):,g}"
