"""gRPC in a load window: connections to a replica, each with one call in flight.

A usual client would send many calls over one connection. One a connection keeps the meaning of `connections` the same
for all protocols, and lets servers spread them over their workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

from tuner.http.errors import WireError
from tuner.load.grpc.call import Call, call_of
from tuner.load.grpc.channel import Channel
from tuner.load.grpc.frames import END_HEADERS, END_STREAM, HEAD, HEAD_BYTES, Kind
from tuner.load.grpc.url import as_http
from tuner.load.http1.connection import Connection, Replica, Sender, status_of
from tuner.load.model import Request, Tls
from tuner.measure.samples import Status


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A whole answer that was correct, as bytes: nothing in them depends on what was sent before, but for the number
    of the stream, at which they are cut."""

    parts: tuple[bytes, ...]
    data_bytes: int
    """Of DATA, which flow control counts."""
    length: int


def known(data: bytes, stream: int) -> KnownAnswer | None:
    """The answer `data` begins with, to be known by its bytes; None where frames of others stand between its own."""
    parts, at, begin, data_bytes = [], 0, 0, 0
    while len(data) - at >= HEAD_BYTES:
        high, low, kind, flags, number = HEAD.unpack_from(data, at)
        length = high << 8 | low
        if number != stream or at + HEAD_BYTES + length > len(data):
            return None
        if kind == Kind.DATA:
            data_bytes += length
        parts.append(data[begin : at + 5])
        begin = at + HEAD_BYTES
        at = begin + length
        if kind == Kind.HEADERS and flags & END_STREAM:
            return KnownAnswer((*parts, data[begin:at]), data_bytes, at) if flags & END_HEADERS else None
    return None


class GrpcReplica(Replica):
    """One server spoken to by gRPC. Windows hand a connection its `wires` and `known`, and ask no more of them."""

    alpn = ("h2",)

    def __init__(self, index: int, url: str, requests: Sequence[Request], *, tls: Tls, token: str) -> None:
        """Raises as `Replica` does."""
        self.last: list[bytes | None] = []
        """By request: the message of the last correct answer."""
        super().__init__(index, as_http(url), requests, tls=tls, token=token, kind=GrpcConnection)

    def load(self, requests: Sequence[Request]) -> None:
        super().load(())
        scheme = "http" if self.tls is None else "https"
        calls = [call_of(each, authority=self._netloc, scheme=scheme, token=self._token) for each in requests]
        self.wires[:] = cast("list[Any]", calls)
        self.known[:] = [None] * len(requests)
        self.last[:] = [None] * len(requests)


class GrpcConnection(Connection):
    """One HTTP/2 connection. Calls that time out are cancelled, and the connection is used again."""

    __slots__ = ("_channel", "_given_up")

    def __init__(self, sender: Sender, replica: Replica, row: int) -> None:
        super().__init__(sender, replica, row)
        self._channel = Channel()
        self._given_up = -1
        """The stream that timed out last."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write = cast("Any", self._begin)
        if self._is_dropped:
            self._transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._fail(Status.CONNECT_FAILED)
            return
        self.sender.columns.connect[self.row] = perf_counter() - self._began
        self.sender.send(self, self.row)

    def _begin(self, call: Call) -> None:
        channel = self._channel
        data = channel.begin(call)
        if channel.out:
            channel.out += data
            self._flush()
        else:
            self._transport.write(data)  # type: ignore[union-attr]

    def _flush(self) -> None:
        out = self._channel.out
        if out and self._transport is not None:
            self._transport.write(bytes(out))
            out.clear()

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        answer = cast("KnownAnswer | None", self.expected)
        channel = self._channel
        if answer is not None and data.startswith(channel.id.join(answer.parts)):
            channel.recognize(answer.data_bytes, data[answer.length :])
            sender, row = self.sender, self.row
            if channel.stays:
                sender.free(self, now)
            else:
                self.drop()
                sender.closed(self.replica)
            sender.first_byte[row] = now
            sender.finished[row] = now
            sender.status[row] = 200
        else:
            self._parse(data, now)

    def _parse(self, data: bytes, now: float) -> None:
        channel = self._channel
        was_clean = channel.is_clean
        try:
            is_whole = channel.feed(data)
        except WireError as error:
            if self.row < 0:
                self.drop()
            else:
                self._fail(status_of(error))
            return
        if not self._is_begun and (is_whole or channel.started):
            self._is_begun = True
            self._first_byte = now
        if is_whole:
            self._take_answer(data if was_clean else b"", now)
            return
        if not channel.is_clean:
            self.expected = None
            self._hold(len(data))
        self._flush()
        if self.row < 0 and not channel.stays:
            self.drop()

    def _take_answer(self, data: bytes, now: float) -> None:
        """The channel holds a whole answer; `data` is all of its bytes, empty where they came in several pieces."""
        channel, replica, request = self._channel, cast("GrpcReplica", self.replica), self.request
        self._is_begun = False
        self._let_go()
        if channel.is_refused and self.row != self._first_row and self._is_unread():
            row = self.row
            self.drop()
            self.sender.retry(replica, row)
            return
        body, stream = channel.body, channel.stream  # the next call is begun before this one is judged
        if not self._answered(channel.status, body, channel.stays, channel.timing, now):
            return
        if body != replica.last[request]:
            replica.last[request] = body
        elif data and len(data) <= replica.known_bytes:
            self.known[request] = cast("Any", known(data, stream))

    def time_out(self) -> None:
        channel = self._channel
        if self._transport is None or not channel.stays or channel.stream - 2 == self._given_up:
            super().time_out()  # of two in a row the connection itself may be the reason
            return
        self._given_up = channel.stream
        self.sender.status[self.row] = Status.TIMED_OUT
        self._let_go()
        if self._is_begun:
            self.sender.first_byte[self.row] = self._first_byte
            self._is_begun = False
        channel.out += channel.cancel()
        self.sender.free(self, perf_counter())
        self._flush()

    def eof_received(self) -> bool:
        if self.row < 0:
            self.drop()
        elif not self._is_begun:
            self._is_stale = self._is_unread()
        return False

    def _sent_bytes(self) -> int:
        call = cast("Call", self.wires[self.request])
        return len(call.headers) + len(call.message)
