"""Seldon's gRPC protocol, version 1: `seldon.protos.Seldon/Predict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuner.load.grpc import wire_format
from tuner.load.model import Request
from tuner.load.protocols.grpc_method import call, refusal
from tuner.load.protocols.json_body import parse_object
from tuner.load.protocols.seldon import payload_problem

if TYPE_CHECKING:
    from tuner.load.protocols.messages import Method

_STATUS, _DATA, _PAYLOADS = 1, 3, range(3, 8)
_FLAG, _FAILURE = 4, 1
_ARRAYS = (2, 3, 4)


class GrpcSeldon:
    """Bodies are those of the REST protocol. The answer's `meta` (ids, tags, timings) may differ."""

    name = "seldon-grpc"

    def __init__(self, options: Mapping[str, str]) -> None:
        pass

    @property
    def _method(self) -> Method:
        from tuner.load.protocols.messages import shipped

        return shipped("seldon.proto", "seldon.protos.Seldon/Predict")

    def encode(self, body: bytes) -> Request:
        problem = payload_problem(parse_object(body))
        if problem:
            raise ValueError(problem)
        return call(self._method.path, self._method.encode(body))

    def check(self, status: int, body: bytes) -> str | None:
        """Reads the bytes by field numbers, for it runs where protobuf is not."""
        if status != 200:
            return refusal(status, body)
        try:
            message = dict(wire_format.fields(body))
            outcome = _inner(message.get(_STATUS))
            data = _inner(message.get(_DATA))
        except ValueError as error:
            return str(error)
        if outcome.get(_FLAG) == _FAILURE:
            said = next((text for text in (outcome.get(3), outcome.get(2)) if isinstance(text, bytes)), b"")
            return f"the server says FAILURE: {said.decode(errors='replace')}"
        if not any(payload in message for payload in _PAYLOADS):
            return "the SeldonMessage holds no data"
        if _DATA in message and not any(array in data for array in _ARRAYS):
            return "data holds none of tensor, ndarray, tftensor"
        return None

    def answer(self, body: bytes) -> object:
        message = self._method.as_json(self._method.decode(body))
        return {key: value for key, value in message.items() if key not in ("meta", "status")}


def _inner(message: int | bytes | None) -> dict[int, int | bytes]:
    return dict(wire_format.fields(message)) if isinstance(message, bytes) else {}
