"""What is said to `python -m tuner.load --serve`, a line of JSON each: first the target, then order by order."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from tuner.load.model import LoadWindow, Reference, Request, Target, Tls

_CONTENTS = ("body", "template")
"""Of a request, what is written in base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Send one request outside of any window, and tell its whole answer."""

    url: str
    request: Request
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Tell the part of the last window's samples that starts here."""

    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Lay out this window, and wait for `Begin`."""

    window: LoadWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Start the window that was prepared at this instant of its machine's monotonic clock, and send it."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Hold all answers against these from now on."""

    reference: Reference


Order = LoadWindow | Prepare | Begin | Hold | Ask | Read


def target_line(target: Target) -> str:
    requests = [_written(request) for request in target.requests]
    plain = {**_fields(target), "requests": requests, "options": dict(target.options), "tls": asdict(target.tls)}
    return json.dumps(plain)


def read_target(line: str | bytes) -> Target:
    """Raises ValueError for a line that is not a target."""
    value = _object(line)
    try:
        return Target(
            urls=tuple(value["urls"]),
            protocol=value["protocol"],
            requests=tuple(_request(request) for request in value["requests"]),
            cpus=tuple(value["cpus"]),
            options=value["options"],
            tls=Tls(**value["tls"]),
            token=value["token"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a target: {error!r}") from None


def order_line(order: Order) -> str:
    match order:
        case LoadWindow():
            return json.dumps({"stage": asdict(order)})
        case Prepare():
            return json.dumps({"prepare": asdict(order.window)})
        case Begin():
            return json.dumps({"begin": asdict(order)})
        case Hold():
            return json.dumps({"hold": asdict(order.reference)})
        case Ask():
            return json.dumps({"ask": {**_fields(order), "request": _written(order.request)}})
        case Read():
            return json.dumps({"read": asdict(order)})


def read_order(line: str | bytes) -> Order:
    """Raises ValueError for a line that is not an order."""
    try:
        ((verb, value),) = _object(line).items()
        match verb:
            case "stage":
                return _window(value)
            case "prepare":
                return Prepare(window=_window(value))
            case "begin":
                return Begin(**value)
            case "hold":
                return Hold(reference=reference(value))
            case "ask":
                return Ask(**{**value, "request": _request(value["request"])})
            case "read":
                return Read(**value)
        raise ValueError(f"not an order: {verb!r}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an order: {error!r}") from None


def reference(value: dict[str, Any]) -> Reference:
    """Of plain JSON. Raises KeyError, TypeError for what is none."""
    return Reference(
        answers=tuple(value["answers"]),
        left_out=tuple(tuple(map(tuple, places)) for places in value["left_out"]),
        ignore=tuple(value["ignore"]),
    )


def _window(value: dict[str, Any]) -> LoadWindow:
    corners = tuple((float(at_s), float(rate_rps)) for at_s, rate_rps in value["profile"])
    rows = {name: tuple(value[name]) for name in ("due_s", "picks", "share")}
    return LoadWindow(**{**value, "profile": corners, **rows})


def _written(request: Request) -> dict[str, Any]:
    contents = {name: base64.b64encode(getattr(request, name)).decode() for name in _CONTENTS}
    return {**_fields(request), "headers": dict(request.headers), **contents}


def _fields(noun: Target | Request | Ask) -> dict[str, Any]:
    return {field.name: getattr(noun, field.name) for field in fields(noun)}


def _request(value: dict[str, Any]) -> Request:
    contents = {name: base64.b64decode(value[name], validate=True) for name in _CONTENTS}
    return Request(**{**value, **contents})


def _object(line: str | bytes) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object: {line[:80]!r}")
    return value
