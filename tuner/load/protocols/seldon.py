"""Seldon's REST protocol, version 1 (prediction.proto, message SeldonMessage)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.load.model import Request
from tuner.load.protocols.json_body import HEADERS, parse_object, shown

_PAYLOADS = ("data", "jsonData", "strData", "binData", "customData")
_DATA = ("ndarray", "tensor", "tftensor")


class Seldon:
    """POST /api/v1.0/predictions with a SeldonMessage. The answer's `meta` (ids, tags, timings) may differ."""

    name = "seldon"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._path = options.get("path") or "/api/v1.0/predictions"

    def encode(self, body: bytes) -> Request:
        problem = payload_problem(parse_object(body))
        if problem:
            raise ValueError(problem)
        return Request(method="POST", path=self._path, headers=HEADERS, body=body)

    def check(self, status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}"
        try:
            message = parse_object(body)
        except ValueError as error:
            return str(error)
        outcome = message.get("status")
        if isinstance(outcome, dict) and outcome.get("status") == "FAILURE":
            return f"the server says FAILURE: {shown(outcome)}"
        return payload_problem(message)

    def answer(self, body: bytes) -> object:
        return {key: value for key, value in parse_object(body).items() if key not in ("meta", "status")}


def payload_problem(message: Mapping[str, Any]) -> str | None:
    payloads = [name for name in _PAYLOADS if name in message]
    if len(payloads) != 1:
        found = " and ".join(payloads) or f"only {shown(list(message))}"
        return f"a SeldonMessage has exactly one of {', '.join(_PAYLOADS)}, this one has {found}"
    if payloads == ["data"]:
        data = message["data"]
        if not isinstance(data, dict) or not any(name in data for name in _DATA):
            return f"data holds none of {', '.join(_DATA)}: {shown(data)}"
    return None
