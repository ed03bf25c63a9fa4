"""Plain HTTP: any method, path and body; any 2xx status is a correct answer, unless others are asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Container, Mapping

from tuner.load.model import Request
from tuner.load.recording.checks import SUCCESS


class Http:
    """A body that is a JSON document is sent as such, any other as bytes without a type of their own."""

    name = "http"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._method = options.get("method") or "POST"
        self._path = options.get("path") or "/"
        self.statuses = statuses(options)

    def encode(self, body: bytes) -> Request:
        if self._method == "CONNECT":
            raise ValueError("CONNECT asks for a tunnel, not for an answer; use another method")
        headers = {"Content-Type": "application/json"} if _is_json(body) else {}
        return Request(method=self._method, path=self._path, headers=headers, body=body)

    def check(self, status: int, body: bytes) -> str | None:  # noqa: ARG002 - any body will do
        return None if status in self.statuses else f"status {status}"

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


def statuses(options: Mapping[str, str]) -> Container[int]:
    """The statuses of correct answers: those in the option `status` (``200,404``), else any from 200 to 299."""
    text = options.get("status")
    return frozenset(int(part) for part in text.split(",")) if text else SUCCESS


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
