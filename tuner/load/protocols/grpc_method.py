"""Any unary gRPC method, of a .proto file or of what a server tells of itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from tuner.load.grpc import wire_format
from tuner.load.model import Request
from tuner.measure.status import word

if TYPE_CHECKING:
    from tuner.load.protocols.messages import Method


class GrpcMethod:
    """A body is the JSON of the method's request. All of the answer counts.

    `check` knows nothing of the messages, for it runs where protobuf is not: an answer is correct whose status is OK
    and whose bytes are a message.
    """

    name = "grpc"

    def __init__(self, options: Mapping[str, str]) -> None:
        """`options`: `method` and `descriptors`, a `FileDescriptorSet` in base64. For `encode` and `answer`."""
        self._name = options.get("method", "")
        self._descriptors = options.get("descriptors", "")

    @cached_property
    def _method(self) -> Method:
        from tuner.load.protocols.messages import method_of

        if "/" not in self._name:
            raise ValueError("the grpc protocol needs its method, as package.Service/Method")
        if not self._descriptors:
            raise ValueError(
                "the grpc protocol needs a .proto file, a descriptor set or a server that offers reflection"
            )
        return method_of(base64.b64decode(self._descriptors), self._name)

    def encode(self, body: bytes) -> Request:
        return call(self._method.path, self._method.encode(body))

    def check(self, status: int, body: bytes) -> str | None:
        return refusal(status, body) or wire_format.problem(body)

    def answer(self, body: bytes) -> object:
        return self._method.as_json(self._method.decode(body))


def call(path: str, message: bytes) -> Request:
    return Request(method="POST", path=path, headers={}, body=message, grpc=True)


def refusal(status: int, body: bytes) -> str | None:
    """What an answer without a message says."""
    if status == 200:
        return None
    said = body.decode(errors="replace").strip()
    return f"{word(status)}: {said}" if said else word(status)
