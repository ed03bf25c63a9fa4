"""Quantities with units: what users write is parsed here, what they read is printed here.

Inside the program all values are plain numbers in SI units (seconds, bytes, cores, requests a second, ratios from
0 to 1); the unit stands in the field's name. Every parser raises Mistake with the value and what is allowed.
Every `format_...` keeps three significant digits, and `metric_value` reads back what `format_metric` prints.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tuner.errors import Mistake
from tuner.printable import cut

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"

# Kubernetes: apimachinery, pkg/api/resource/quantity.go. The exponent is held to two digits: no quantity may exceed
# 2^63, and a Decimal of a million digits must not be asked for.
_QUANTITY = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?\d{1,2}))?", re.ASCII
)
_LONGEST = 64
_DECIMAL_POWER = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = re.compile(rf"\s*({_NUMBER})\s*(ns|us|µs|ms|s|m|h|d)", re.ASCII)
_RATE = re.compile(rf"({_NUMBER})\s*([kM]?)\s*(?:/\s*(s|m|h))?", re.ASCII)
_RATIO = re.compile(rf"({_NUMBER})\s*(%?)", re.ASCII)
_SUM = re.compile(rf"({_NUMBER})\s*([A-Z]{{3}})?", re.ASCII)
_MONEY = re.compile(rf"({_NUMBER})\s*(?:[A-Za-z]{{3}}|[€$£¥])?\s*(?:/\s*h)?", re.ASCII)


def quantity(value: str | int | float) -> Decimal:
    """A Kubernetes quantity (``500m``, ``1``, ``256Mi``, ``1e3``, ``1.5Gi``) as a number.

    As strict as the API server: ``K`` and ``ki`` are refused, which some clients accept.
    """
    allowed = "write a number with an optional suffix: n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent such as e3"
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise Mistake(f"{value!r} is not a quantity", allowed)
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    match = _QUANTITY.fullmatch(value) if len(value) <= _LONGEST else None
    if match is None:
        raise Mistake(f"{value!r} is not a quantity", allowed)
    number, suffix = Decimal(match[1]), match["suffix"] or ""
    if match["exponent"]:
        return number.scaleb(int(match["exponent"]))
    if suffix in _BINARY:
        return number * (1 << 10 * (_BINARY.index(suffix) + 1))
    return number * Decimal(1000) ** _DECIMAL_POWER[suffix]


def seconds(text: str | int | float, likely: Sequence[str] = ("ms", "s", "m")) -> float:
    """A duration (``100ms``, ``10m``, ``1h30m``, ``250us``) in seconds. Only 0 may stand without a unit; `likely` are
    those that a number without one may have been meant in."""
    written = _written(text)
    parts = list(_DURATION_PART.finditer(written))
    if parts and "".join(part[0] for part in parts) == written:
        return _finite(sum(float(part[1]) * _SECONDS[part[2]] for part in parts), text)
    if re.fullmatch(_NUMBER, written, re.ASCII):
        if float(written) == 0:
            return 0.0
        *first, last = [f"{written}{unit}" for unit in likely]
        raise Mistake(f"{text!r} has no unit", f"write for example {', '.join(first)} or {last}")
    raise Mistake(f"{text!r} is not a duration", "write for example 250us, 100ms, 2s, 10m or 1h30m")


def latency(text: str | int | float) -> float:
    """As `seconds`, of what a request takes."""
    return seconds(text, ("ms", "s"))


def span(text: str | int | float) -> float:
    """As `seconds`, of what a study takes."""
    return seconds(text, ("s", "m", "h"))


def rate(text: str | int | float) -> float:
    """A rate (``100/s``, ``6000/m``, ``1.5k/s``) in events a second; a bare number is a second's."""
    match = _RATE.fullmatch(_written(text))
    if match is None:
        raise Mistake(f"{text!r} is not a rate", "write for example 100/s, 6000/m or 1.5k/s")
    number, scale, per = match.groups()
    return _finite(float(number) * {"": 1, "k": 1e3, "M": 1e6}[scale] / _SECONDS[per or "s"], text)


def ratio(text: str | int | float) -> float:
    """A share from 0 to 1, written as a number (``0.001``) or in percent (``0.1%``)."""
    match = _RATIO.fullmatch(_written(text))
    value = float(match[1]) / (100 if match[2] else 1) if match else math.inf
    if value > 1:
        raise Mistake(f"{text!r} is not a ratio", "write a number from 0 to 1 or a percentage such as 0.1%")
    return value


def money(text: str | int | float) -> tuple[float, str | None]:
    """A sum and its currency: ``5 USD`` or ``0.5``; None: none is written. Raises Mistake."""
    match = _SUM.fullmatch(_written(text))
    if match is None:
        raise Mistake(f"{text!r} is not a sum of money", "write for example 5 USD")
    return _finite(float(match[1]), text), match[2]


def metric_value(unit: str, text: str | int | float) -> float:
    """A metric's value as a user writes it; `unit` is one of `tuner.space.metrics.Unit`."""
    return _PARSERS[unit](text)


def format_seconds(value: float) -> str:
    """``1.23 ms``, ``2.5 s``; from two minutes on to the second or minute: ``10m``, ``2m5s``, ``1h30m``."""
    if abs(value) < 120 or not math.isfinite(value):
        for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
            if abs(_rounded(value)) >= size or value == 0:
                return f"{_digits(value / size)} {unit}"
        return f"{_digits(value * 1e9)} ns"
    sign, whole = ("-" if value < 0 else ""), round(abs(value))
    if whole >= 7200:
        whole = round(whole / 60) * 60
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return sign + "".join(f"{count}{unit}" for count, unit in parts if count)


def format_rate(value: float) -> str:
    """``120/s``, ``1.23k/s``."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(_rounded(value)) >= size:
            return f"{_digits(value / size)}{unit}/s"
    return f"{_digits(value)}/s"


def format_bytes(value: float) -> str:
    """``250 Mi``, ``1.5 Gi``, below 1024 ``12 B``."""
    for power in range(len(_BINARY), 0, -1):
        if abs(value) >= 1024**power:
            return f"{_digits(value / 1024**power)} {_BINARY[power - 1]}"
    return f"{_digits(value)} B"


def format_cores(value: float) -> str:
    """``0.5 cores``, ``1 core``."""
    digits = _digits(value)
    return f"{digits} core" if digits == "1" else f"{digits} cores"


def format_ratio(value: float) -> str:
    """``0.1 %``."""
    return f"{_digits(value * 100)} %"


def format_gain(gain: float) -> str:
    """What is gained of something, relative to it, as far as an estimate may say it: ``5.2 %``, ``120 %``."""
    return f"{float(f'{gain * 100:.2g}'):,.12g} %"


def format_money(value: float, currency: str) -> str:
    """``0.0312 USD``."""
    return f"{_digits(value)} {currency}"


def format_metric(unit: str, value: float, currency: str = "USD") -> str:
    """A metric's value for people; `unit` is one of `tuner.space.metrics.Unit`."""
    if unit == "money_per_hour":
        return f"{format_money(value, currency)}/h"
    return _FORMATS[unit](value)


def least(text: str, *, is_least: bool = True) -> str:
    """``>= 120/s`` of what is known to be at least so much."""
    return f">= {text}" if is_least else text


def format_interval(unit: str, low: float | None, high: float | None) -> str:
    """``9.9 ms to 13.2 ms``, ``9.9 ms or more``; empty where neither end is known, or both read the same."""
    least, most = (None if end is None else format_metric(unit, end) for end in (low, high))
    if least == most:
        return ""
    if most is None:
        return f"{least} or more"
    return f"{most} or less" if least is None else f"{least} to {most}"


def _rounded(value: float) -> float:
    """To three significant digits; rounding comes before the unit is chosen, so that 999.9 becomes 1k."""
    return float(f"{value:.3g}")


def _digits(value: float) -> str:
    return f"{_rounded(value):.6g}"


def _written(text: str | int | float) -> str:
    """As it is written, cut where it is far too long: matching takes time by the cube of it."""
    return cut(str(text).strip(), _LONGEST)


def _finite(value: float, text: Any) -> float:
    if not math.isfinite(value):
        raise Mistake(f"{text!r} is too large", "write a smaller one")
    return value


def _cores(text: str | int | float) -> float:
    return _amount(re.sub(r"\s*cores?$", "", text) if isinstance(text, str) else text)


def _bytes(text: str | int | float) -> float:
    """Also as printed: ``250 Mi``, ``12 B``; a quantity itself holds neither a space nor a B."""
    return _amount(re.sub(r"(?<=\d)\s*(?:B|\s([KMGTPE]i))$", r"\1", text) if isinstance(text, str) else text)


def _amount(text: str | int | float) -> float:
    value = quantity(text)
    if value < 0:
        raise Mistake(f"{text!r} is negative", "write a quantity of at least 0")
    return float(value)


def _money(text: str | int | float) -> float:
    match = _MONEY.fullmatch(_written(text))
    if match is None:
        raise Mistake(f"{text!r} is not a price", "write for example 0.12 (an hour)")
    return _finite(float(match[1]), text)


_PARSERS: dict[str, Callable[[str | int | float], float]] = {
    "rate": rate,
    "seconds": latency,
    "ratio": ratio,
    "money_per_hour": _money,
    "cores": _cores,
    "bytes": _bytes,
}
_FORMATS: dict[str, Callable[[float], str]] = {
    "rate": format_rate,
    "seconds": format_seconds,
    "ratio": format_ratio,
    "cores": format_cores,
    "bytes": format_bytes,
}
