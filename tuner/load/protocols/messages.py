"""Protobuf messages whose definitions are known only at run time, and the unary methods that take and give them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import Mistake
from tuner.load.protocols.descriptors import compiled

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor  # type: ignore[import-untyped]
    from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
    from google.protobuf.message import Message  # type: ignore[import-untyped]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A unary method. Its JSON is protobuf's ("ProtoJSON Format"), with the fields named as in the .proto file."""

    path: str
    request: type[Message]
    answer: type[Message]
    pool: DescriptorPool

    def encode(self, body: bytes) -> bytes:
        """The message that a JSON body says. Raises ValueError."""
        from google.protobuf import json_format  # type: ignore[import-untyped]

        try:
            message = json_format.Parse(body, self.request(), descriptor_pool=self.pool)
        except (json_format.ParseError, UnicodeDecodeError) as error:
            name = self.request.DESCRIPTOR.full_name
            raise ValueError(f"the body is no {name} as JSON: {' '.join(str(error).split())}") from None
        return bytes(message.SerializeToString(deterministic=True))

    def decode(self, body: bytes) -> Message:
        """Raises ValueError for bytes that are no answer of this method."""
        from google.protobuf.message import DecodeError

        try:
            return self.answer.FromString(body)
        except DecodeError:
            raise ValueError(f"the answer is no {self.answer.DESCRIPTOR.full_name}") from None

    def as_json(self, message: Message) -> dict[str, Any]:
        from google.protobuf import json_format

        made: dict[str, Any] = json_format.MessageToDict(
            message, preserving_proto_field_name=True, descriptor_pool=self.pool
        )
        return made


@cache
def shipped(name: str, method: str) -> Method:
    """A method of a .proto file beside this one."""
    return method_of(compiled(Path(__file__).with_name(name)), method)


def method_of(descriptors: bytes, method: str) -> Method:
    """`descriptors`: a serialized `FileDescriptorSet`; `method`: ``package.Service/Method``.

    Raises Mistake for descriptors that are none, and for a method that is not in them or is not unary.
    """
    from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

    pool = _pool(descriptors)
    service, _, name = method.strip("/").partition("/")
    try:
        found = pool.FindServiceByName(service)
    except KeyError:
        raise Mistake(f"there is no service {service!r}", _listed(_services(descriptors))) from None
    if name not in found.methods_by_name:
        raise Mistake(f"the service {service} has no method {name!r}", _listed(list(found.methods_by_name)))
    descriptor: MethodDescriptor = found.methods_by_name[name]
    if descriptor.client_streaming or descriptor.server_streaming:
        raise Mistake(f"{service}/{name} is a streaming method", "use a unary one, of one message and one answer")
    return Method(
        path=f"/{service}/{name}",
        request=GetMessageClass(descriptor.input_type),
        answer=GetMessageClass(descriptor.output_type),
        pool=pool,
    )


def _pool(descriptors: bytes) -> DescriptorPool:
    from google.protobuf import descriptor_pool
    from google.protobuf.descriptor_pb2 import FileDescriptorSet  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError

    pool = descriptor_pool.DescriptorPool()
    try:
        files = FileDescriptorSet.FromString(descriptors).file
        for file in files:
            pool.Add(file)
    except (DecodeError, TypeError, ValueError) as error:
        fix = "make one with protoc --include_imports --descriptor_set_out"
        raise Mistake(f"it holds no complete descriptor set ({error})", fix) from None
    return pool


def _services(descriptors: bytes) -> list[str]:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    files = FileDescriptorSet.FromString(descriptors).file
    return [f"{file.package}.{service.name}".lstrip(".") for file in files for service in file.service]


def _listed(names: list[str]) -> str:
    if not names:
        return "there is none at all"
    return f"use one of {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"
