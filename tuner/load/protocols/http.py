"""Plain HTTP: any method, path and body; any 2xx status is a correct answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from tuner.load.model import Request

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Http:
    """A body that is a JSON document is sent as such, any other as bytes without a type of their own."""

    name = "http"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._method = options.get("method") or "POST"
        self._path = options.get("path") or "/"

    def encode(self, body: bytes) -> Request:
        if self._method not in _METHODS:
            raise ValueError(f"{self._method!r} is not a method this sends; use one of {', '.join(_METHODS)}")
        headers = {"Content-Type": "application/json"} if _is_json(body) else {}
        return Request(method=self._method, path=self._path, headers=headers, body=body)

    def check(self, status: int, body: bytes) -> str | None:  # noqa: ARG002 - any body will do
        return None if 200 <= status < 300 else f"status {status}"

    def answer(self, body: bytes) -> object:
        """The JSON value, else the text, else the bytes in base64: always fit to be written as JSON."""
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass
        try:
            return body.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(body).decode()}


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
