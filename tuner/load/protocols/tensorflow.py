"""TensorFlow Serving's REST API, the predict call."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.load.model import Request
from tuner.load.protocols.json_body import HEADERS, parse_answer, parse_object, shown


class TensorFlow:
    """POST /v1/models/{model}:predict, row format (`instances`, `predictions`) or columns (`inputs`, `outputs`)."""

    name = "tensorflow"

    def __init__(self, options: Mapping[str, str]) -> None:
        model = options.get("model")
        self._path = options.get("path") or (f"/v1/models/{model}:predict" if model else None)

    def encode(self, body: bytes) -> Request:
        if self._path is None:
            raise ValueError("the tensorflow protocol needs the model's name (or a path)")
        message = parse_object(body)
        if ("instances" in message) == ("inputs" in message):
            raise ValueError(f"the body must have either instances or inputs, it has {shown(list(message))}")
        return Request(method="POST", path=self._path, headers=HEADERS, body=body)

    def check(self, status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}"
        try:
            message = parse_answer(body)
        except ValueError as error:
            return str(error)
        if "predictions" not in message and "outputs" not in message:
            return f"the answer has neither predictions nor outputs, only {shown(list(message))}"
        return None

    def answer(self, body: bytes) -> object:
        message = parse_object(body)
        return {key: message[key] for key in ("predictions", "outputs") if key in message}
