"""One connection to one replica, and the replica's pool of them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import ssl
import sys
import termios
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Protocol, cast
from urllib.parse import urlsplit

from tuner.errors import GeneratorFailure
from tuner.http.answer import AnswerParser, whole_answer
from tuner.http.errors import TooLarge, WireError
from tuner.load.http1.request import request_bytes
from tuner.load.model import SYSTEM_TLS, Request, Tls
from tuner.load.recording.checks import AnswerChecks
from tuner.load.recording.columns import Columns
from tuner.load.tls import context
from tuner.measure.samples import Status
from tuner.uri import masked

PORTS = {"http": 80, "https": 443}
"""Of URLs that say none."""
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a connect that are this machine's, not the server's."""
_KNOWN_BYTES = 65536
_ALL_KNOWN_BYTES = 1 << 25
"""Of all answers that are known by their bytes, of one replica."""
_INCOMING_BYTES = 1 << 26
_CLOSED = frozenset({errno.EPIPE, errno.ECONNRESET})


class Incoming:
    """The bytes of all answers that are not whole yet, over all connections of one sender: they have a limit, too."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.bytes > _INCOMING_BYTES


class Sender(Protocol):
    """Who sends over connections in one window, as they know it: what they write to, and whom they tell."""

    loop: asyncio.AbstractEventLoop
    checks: AnswerChecks
    columns: Columns
    broken: str | None
    """Why the generator, not the server, cannot go on."""
    first_byte: array[float]
    finished: array[float]
    status: array[int]

    def send(self, connection: Connection, row: int) -> None:
        """The connection is made and can take its first request."""

    def free(self, connection: Connection, now: float) -> None:
        """The connection has its answer and can take another request."""

    def closed(self, replica: Replica) -> None:
        """A connection was closed after its answer, as the server announced."""

    def failed(self, replica: Replica) -> None:
        """A connection was closed because its request failed; that request's row is written."""

    def retry(self, replica: Replica, row: int) -> None:
        """The connection had been closed by the server before the request went out: it goes out again on a new one."""


class Replica:
    """One server: its address, the requests as bytes for it, and its connections."""

    alpn: tuple[str, ...] = ("http/1.1",)
    """What is offered to a server that speaks TLS (RFC 7301)."""

    def __init__(
        self,
        index: int,
        url: str,
        requests: Sequence[Request],
        *,
        tls: Tls = SYSTEM_TLS,
        token: str = "",
        kind: Callable[[Sender, Replica, int], Connection] | None = None,
    ) -> None:
        """`kind` of its connections, None: the usual one. Raises GeneratorFailure for a URL that cannot be sent to."""
        scheme, host, port, self._netloc, self._prefix = _parts(url)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise GeneratorFailure(f"{url}: the name {host!r} has no address ({error})") from None
        self.index = index
        self.addresses = [cast("str", address[4][0]) for address in found]
        self.port = port
        self.tls = context(tls, self.alpn) if scheme == "https" else None
        self.server_name = (tls.server_name or host) if scheme == "https" else None
        self._token = token
        self._kind = kind or Connection
        self.wires: list[bytes] = []
        self.bodyless: list[bool] = []
        self.streams: list[bool] = []
        self.known: list[bytes | None] = []
        """By request: a whole answer, byte for byte, that was correct and left its connection open."""
        self.load(requests)
        self.limit = 0
        self.grown = 0
        """Connections opened so far, up to the limit, to fill the pool for the first time."""
        self.keeps_alive = False
        """It has left a connection open after an answer."""
        self.open: set[Connection] = set()
        """All connections, those being made among them."""
        self.free: deque[Connection] = deque()
        """Open and idle, the longest idle first: taken from the left, so that all of them are used in turn."""
        self.incoming = Incoming()

    def load(self, requests: Sequence[Request]) -> None:
        """The requests that are sent from now on. Raises ValueError for one that would break the framing."""
        self.wires[:] = [request_bytes(_under(self._prefix, each), self._netloc, self._token) for each in requests]
        self.bodyless[:] = [request.method == "HEAD" for request in requests]
        self.streams[:] = [request.streams for request in requests]
        self.known[:] = [None] * len(requests)
        self.known_bytes = min(_KNOWN_BYTES, _ALL_KNOWN_BYTES // max(1, len(requests)))

    def forget(self) -> None:
        """Which answers are known to be correct: what makes them so has changed."""
        self.known[:] = [None] * len(self.known)

    def dial(self, sender: Sender, row: int) -> None:
        """Open a connection and send the row on it."""
        self._kind(sender, self, row).connect(sender.loop)

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
    """One TCP connection: sends a request at a time and records what comes back with the sender it belongs to.

    `row` is the request in flight (or waiting for the connection to be made), -1: idle.
    """

    __slots__ = (
        "_began",
        "_connecting",
        "_fd",
        "_first_byte",
        "_first_row",
        "_held",
        "_is_begun",
        "_is_dropped",
        "_is_stale",
        "_parser",
        "_transport",
        "expected",
        "index",
        "known",
        "replica",
        "request",
        "row",
        "sender",
        "wires",
        "write",
    )

    def __init__(self, sender: Sender, replica: Replica, row: int) -> None:
        self.sender = sender
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
        self._is_stale = False
        """The server had closed it before the request in flight went out."""
        self._held = 0
        """Bytes of an answer that is not whole, as counted in `Replica.incoming`."""
        self._connecting: asyncio.Task[None] | None = None
        self._began = 0.0
        replica.open.add(self)

    def connect(self, loop: asyncio.AbstractEventLoop) -> None:
        self._began = perf_counter()
        self._connecting = loop.create_task(self._connect(loop))

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        replica, addresses = self.replica, self.replica.addresses
        for position, address in enumerate(addresses):
            try:
                await loop.create_connection(
                    lambda: self, address, replica.port, ssl=replica.tls, server_hostname=replica.server_name
                )
            except ssl.SSLCertVerificationError:
                self._fail(Status.UNTRUSTED)
                return
            except OSError as error:
                if error.errno in _OURS:
                    self.sender.broken = f"cannot connect to {address}: {error.strerror or error}"
                    break
            else:
                if position:  # of several addresses, the one that works is tried first from now on
                    addresses.insert(0, addresses.pop(position))
                return
        self._fail(Status.CONNECT_FAILED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write: Callable[[bytes], None] = self._transport.write
        if self.replica.tls is None:
            self._fd = transport.get_extra_info("socket").fileno()
            self.write = self._write_now
        if self._is_dropped:
            self._transport.abort()
        else:
            self.sender.columns.connect[self.row] = perf_counter() - self._began
            self.sender.send(self, self.row)

    def _write_now(self, wire: bytes) -> None:
        """Past the transport's queue, which is always empty here, and faster. What the socket does not take at once
        goes there, and so does all after it. The transport closes the socket only after `connection_lost`."""
        try:
            sent = os.write(self._fd, wire)
        except OSError as error:  # full, or lost: the transport waits, or tells
            sent = 0
            self._is_stale = error.errno in _CLOSED
        if sent != len(wire) and self._transport is not None:
            self.write = self._transport.write
            self.write(wire[sent:])

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if data == self.expected:
            sender, row = self.sender, self.row
            sender.free(self, now)
            sender.finished[row] = now
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
                if self._answered(*answer, now) and len(data) <= self.replica.known_bytes:
                    self.known[request] = data
                return
            self._is_begun = True
            self.expected = None
            self._parser.begin(self.replica.bodyless[request])
        try:
            is_whole = self._parser.feed(data)
        except WireError as error:
            self._fail(status_of(error))
            return
        if is_whole:
            self._take(now)
        else:
            self._hold(len(data))

    def _hold(self, received: int) -> None:
        """So many bytes more of an answer that is not whole."""
        self._held += received
        self.replica.incoming.bytes += received
        if self.replica.incoming.is_full:
            self._fail(Status.TOO_LARGE)

    def _let_go(self) -> None:
        self.replica.incoming.bytes -= self._held
        self._held = 0

    def _take(self, now: float) -> None:
        """The parser holds a whole answer."""
        parser = self._parser
        self._is_begun = False
        self._let_go()
        self._answered(parser.status, parser.body, parser.keep_alive and not parser.rest, parser.timing, now)

    def _answered(self, status: int, body: bytes, stays: bool, timing: bytes, now: float) -> bool:
        """Record an answer; the next request goes out before this one is checked.

        True: its very bytes may be known from now on, for it is correct, tells nothing more, and its connection stays.
        """
        sender, row, request, first_byte = self.sender, self.row, self.request, self._first_byte
        if stays:
            self.replica.keeps_alive = True
            sender.free(self, now)
        else:
            self.drop()
            sender.closed(self.replica)
        checked = sender.checks.status(request, status, body)
        sender.first_byte[row] = first_byte
        sender.finished[row] = now
        sender.status[row] = checked
        if timing:
            sender.columns.timing(row, timing)
            return False
        return stays and checked == 200

    def eof_received(self) -> bool:
        if self.row < 0:
            self.drop()
        elif self._is_begun:
            try:
                is_whole = self._parser.end()
            except WireError as error:
                self._fail(status_of(error))
                return False
            if is_whole:
                self._take(perf_counter())
        else:
            self._is_stale = self._is_unread()
        return False

    def _is_unread(self) -> bool:
        """The server closed its side, and its system has taken nothing of the request in flight: the connection was
        stale when it went out.

        What of it was taken the server may have begun to work on: such a request is never sent again.
        """
        if self._transport is None:
            return False
        try:
            unread = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return False
        return int.from_bytes(unread, sys.byteorder) >= self._sent_bytes()

    def _sent_bytes(self) -> int:
        """Of the request in flight."""
        return len(self.wires[self.request])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it was lost makes no difference
        if self._is_dropped:
            return
        if self.row < 0:
            self.drop()
        elif self._is_stale and self.row != self._first_row and not self._is_begun:
            row = self.row
            self.drop()
            self.sender.retry(self.replica, row)
        else:
            self._fail(Status.CONNECTION_LOST)

    def time_out(self) -> None:
        self._fail(Status.TIMED_OUT)

    def drop(self) -> None:
        """Close it and forget it; its row is left as it is."""
        self._is_dropped = True
        self._let_go()
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
        self.sender.status[self.row] = status
        if self._is_begun:
            self.sender.first_byte[self.row] = self._first_byte
        self.drop()
        self.sender.failed(self.replica)


def status_of(error: WireError) -> Status:
    return Status.TOO_LARGE if isinstance(error, TooLarge) else Status.MALFORMED


def _parts(url: str) -> tuple[str, str, int, str, str]:
    """(scheme, host, port, the Host header, path without the slash at its end)"""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in PORTS or not parts.hostname:
        raise GeneratorFailure(
            f"{masked(url)!r} is not a URL the load engine can send to; use http://host:port or https://host:port"
        )
    return (
        parts.scheme,
        parts.hostname,
        port or PORTS[parts.scheme],
        parts.netloc.rpartition("@")[2],
        parts.path.rstrip("/"),
    )


def _under(prefix: str, request: Request) -> Request:
    return replace(request, path=prefix + request.path)
