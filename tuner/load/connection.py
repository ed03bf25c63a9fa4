"""One connection to one replica, and the replica's pool of them."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from tuner.errors import GeneratorFailure
from tuner.load.model import Request
from tuner.load.wire import AnswerParser, WireError, request_bytes, whole_answer
from tuner.measure.model import Status

if TYPE_CHECKING:
    from tuner.load.windows import Window

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a connect that are this machine's, not the server's."""
_KNOWN_BYTES = 65536


class Replica:
    """One server: its address, the requests as bytes for it, and its connections."""

    def __init__(self, index: int, url: str, requests: Sequence[Request]) -> None:
        """Raises GeneratorFailure for a URL that cannot be reached over plain HTTP, or a name without an address."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise GeneratorFailure(f"{url!r} is not a URL the load engine can send to; use http://host:port")
        port = parts.port or 80
        prefix = parts.path.rstrip("/")
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise GeneratorFailure(f"{url}: the name {parts.hostname!r} has no address ({error})") from None
        self.index = index
        self.addresses = [cast("str", address[4][0]) for address in found]
        self.port = port
        self.wires = [request_bytes(_under(prefix, request), parts.netloc.rpartition("@")[2]) for request in requests]
        self.bodyless = [request.method == "HEAD" for request in requests]
        self.known: list[bytes | None] = [None] * len(requests)
        """By request: a whole answer, byte for byte, that was correct and left its connection open."""
        self.limit = 0
        self.grown = 0
        """Connections opened so far, up to the limit, to fill the pool for the first time."""
        self.keeps_alive = False
        """It has left a connection open after an answer."""
        self.open: set[Connection] = set()
        """All connections, those being made among them."""
        self.free: deque[Connection] = deque()
        """Open and idle, the longest idle first: taken from the left, so that all of them are used in turn."""

    def take(self) -> Connection | None:
        """A free connection to send on; None: open a new one, if there is `room`.

        A server that keeps connections gets its full number of them, one at each request that is due, before any is
        used again: where each of its workers keeps the connections it accepted, few connections would leave workers
        idle. They are never opened ahead of a request: a worker that has accepted one waits for its request, and
        serves nobody else meanwhile.
        """
        if self.free and not (self.keeps_alive and self.grown < self.limit and self.room):
            return self.free.popleft()
        return None

    @property
    def room(self) -> bool:
        return len(self.open) < self.limit

    def resize(self, limit: int) -> None:
        """Set the most connections; idle ones beyond it are closed."""
        self.limit = limit
        while len(self.open) > limit and self.free:
            self.free[0].drop()


class Connection(asyncio.Protocol):
    """One TCP connection: sends a request at a time and records what comes back in the window it belongs to.

    `row` is the request in flight (or waiting for the connection to be made), -1: idle.
    """

    __slots__ = (
        "_connecting",
        "_first_byte",
        "_first_row",
        "_is_begun",
        "_is_dropped",
        "_parser",
        "_transport",
        "expected",
        "index",
        "known",
        "replica",
        "request",
        "row",
        "window",
        "wires",
        "write",
    )

    def __init__(self, window: Window, replica: Replica, row: int) -> None:
        self.window = window
        self.replica = replica
        self.index = replica.index
        self.wires = replica.wires
        self.known = replica.known
        self.row = row
        self.request = 0
        self.expected: bytes | None = None
        """The very bytes of an earlier answer to the request in flight that was parsed and found correct."""
        self._parser = AnswerParser()
        self._is_begun = False
        """Part of an answer is in the parser."""
        self._first_row = row
        self._first_byte = 0.0
        self._transport: asyncio.Transport | None = None
        self._is_dropped = False
        self._connecting: asyncio.Task[None] | None = None
        replica.open.add(self)

    def connect(self, loop: asyncio.AbstractEventLoop) -> None:
        self._connecting = loop.create_task(self._connect(loop))

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        addresses = self.replica.addresses
        for position, address in enumerate(addresses):
            try:
                await loop.create_connection(lambda: self, address, self.replica.port)
            except OSError as error:
                if error.errno in _OURS:
                    self.window.broken = f"cannot connect to {address}: {error.strerror or error}"
                    break
            else:
                if position:  # of several addresses, the one that works is tried first from now on
                    addresses.insert(0, addresses.pop(position))
                return
        self._fail(Status.CONNECT_FAILED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write: Callable[[bytes], None] = self._transport.write
        if self._is_dropped:
            self._transport.abort()
        else:
            self.window.send(self, self.row)

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if data == self.expected:
            window, row = self.window, self.row
            window.free(self, now)
            window.first_byte[row] = now
            window.finished[row] = now
            window.status[row] = 200
        else:
            self._parse(data, now)

    def _parse(self, data: bytes, now: float) -> None:
        request = self.request
        if self.row < 0:  # bytes nobody asked for: what follows on this connection cannot be told apart any more
            self.drop()
            return
        if not self._is_begun:
            self._first_byte = now
            answer = None if self.replica.bodyless[request] else whole_answer(data)
            if answer is not None:
                if self._answered(*answer, now) and len(data) <= _KNOWN_BYTES:
                    self.known[request] = data
                return
            self._is_begun = True
            self.expected = None
            self._parser.begin(self.replica.bodyless[request])
        try:
            is_whole = self._parser.feed(data)
        except WireError:
            self._fail(Status.MALFORMED)
            return
        if is_whole:
            self._take(now)

    def _take(self, now: float) -> None:
        """The parser holds a whole answer."""
        parser = self._parser
        self._is_begun = False
        self._answered(parser.status, parser.body, parser.keep_alive and not parser.rest, now)

    def _answered(self, status: int, body: bytes, stays: bool, now: float) -> bool:
        """Record an answer; the next request goes out before this one is checked. True: correct, and it stays open."""
        window, row, request, first_byte = self.window, self.row, self.request, self._first_byte
        if stays:
            self.replica.keeps_alive = True
            window.free(self, now)
        else:
            self.drop()
            window.closed(self.replica)
        checked = window.checks.status(request, status, body)
        window.first_byte[row] = first_byte
        window.finished[row] = now
        window.status[row] = checked
        return stays and checked == 200

    def eof_received(self) -> bool:
        if self.row < 0:
            self.drop()
        elif self._is_begun and self._parser.end():
            self._take(perf_counter())
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost makes no difference
        if self._is_dropped:
            return
        if self.row < 0:
            self.drop()
        elif self.row != self._first_row and not self._is_begun:
            # The server closed an idle connection while the request was on its way, as it may.
            row = self.row
            self.drop()
            self.window.retry(self.replica, row)
        else:
            self._fail(Status.CONNECTION_LOST)

    def time_out(self) -> None:
        self._fail(Status.TIMED_OUT)

    def drop(self) -> None:
        """Close it and forget it; its row is left as it is."""
        self._is_dropped = True
        self.row = -1
        self.expected = None
        self.replica.open.discard(self)
        if self in self.replica.free:
            self.replica.free.remove(self)
        if self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()

    def _fail(self, status: Status) -> None:
        if self._is_dropped:
            return
        self.window.status[self.row] = status
        if self._is_begun:
            self.window.first_byte[self.row] = self._first_byte
        self.drop()
        self.window.failed(self.replica)


def _under(prefix: str, request: Request) -> Request:
    return replace(request, path=prefix + request.path)
