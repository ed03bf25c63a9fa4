"""A real gRPC server, grpcio's, in threads of this process: it echoes, fails, waits and tells of itself on request."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_reflection.v1alpha import reflection

from tuner.load.protocols.descriptors import compiled

PROTO = Path(__file__).with_name("echo.proto")
SAY = "/test.Echo/Say"


class GrpcServer:
    """Methods of ``test.Echo``, all of bytes to bytes:

    Say       the request itself
    Number    a message that differs each time
    Fail      UNAVAILABLE, with a text that has to be percent-encoded
    Refuse    the status whose number is the text of the request
    Slow      the request itself after `delay_s`
    Tell      the metadata, as a message of text
    """

    def __init__(
        self,
        *,
        delay_s: float = 30.0,
        credentials: grpc.ServerCredentials | None = None,
        reflects: bool = False,
        options: tuple[tuple[str, Any], ...] = (),
        port: int = 0,
        method: str = "/test.Echo/",
    ) -> None:
        """`method` of another service is what Say answers to."""
        self.calls: list[tuple[str, dict[str, Any], float | None]] = []
        """(method, metadata, seconds until the deadline) of each."""
        self.method = method
        self._delay_s = delay_s
        self._numbers = itertools.count()
        self._leave = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(16), options=(("grpc.so_reuseport", 0), *options))
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        if reflects:
            pool = descriptor_pool.DescriptorPool()
            for file in FileDescriptorSet.FromString(compiled(PROTO)).file:
                pool.Add(file)
            reflection.enable_server_reflection(("test.Echo", reflection.SERVICE_NAME), self._server, pool=pool)
        address = f"127.0.0.1:{port}"
        bind = self._server.add_insecure_port
        self.port = bind(address) if credentials is None else self._server.add_secure_port(address, credentials)
        self.url = f"grpc{'s' if credentials else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, grace_s: float | None = None) -> None:
        self._leave.set()
        self._server.stop(grace_s).wait()

    def say(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        return request

    def number(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        return b"\x10" + bytes([next(self._numbers) % 128])

    def fail(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNAVAILABLE, "größer\n100% weg")

    def refuse(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(next(code for code in grpc.StatusCode if code.value[0] == int(request[2:])), "no")

    def slow(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._leave.wait(self._delay_s)
        return request

    def tell(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        text = repr(dict(context.invocation_metadata())).encode()
        return b"\x0a" + bytes([len(text) % 128 | 128, len(text) // 128]) + text


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: GrpcServer) -> None:
        self._server = server

    def service(self, call: Any) -> grpc.RpcMethodHandler | None:
        service, _, name = call.method.rpartition("/")
        if f"{service}/" != self._server.method:
            return None
        known = self._server.method == "/test.Echo/"
        handler: Callable[..., bytes] | None = getattr(self._server, name.lower(), None) if known else self._server.say
        if handler is None:
            return None

        def noted(request: bytes, context: grpc.ServicerContext) -> bytes:
            self._server.calls.append((call.method, dict(call.invocation_metadata), context.time_remaining()))
            return handler(request, context)

        return grpc.unary_unary_rpc_method_handler(noted)


def wait_until(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    for _ in _until(time.monotonic() + within_s):
        if holds():
            return
    raise AssertionError("it never came to be so")


def _until(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)
