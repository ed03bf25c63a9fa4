"""One request and its answer over a blocking socket, within a time that is for all of it: a server that sends a byte at
a time is given up like one that sends none."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

from tuner.http.answer import AnswerParser

_PIECE = 1 << 16
_SHORTEST_S = 1e-3
"""A time-out of 0 would mean not to wait at all."""


class Lost(OSError):
    """The connection was closed before the answer was whole; the text says so."""


class Late(TimeoutError):
    """The time is over; the text says what was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """How a server is spoken to over TLS."""

    context: ssl.SSLContext
    server_name: str | None


class Deadline:
    """An instant by which all is done that a connection is used for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left_s(self, waited_for: str) -> float:
        """Raises Late when there is none."""
        left_s = self._end - time.monotonic()
        if left_s <= 0.0:
            raise Late(f"no {waited_for} within {self.seconds:g} s")
        return max(_SHORTEST_S, left_s)

    def limit(self, connection: socket.socket, waited_for: str) -> None:
        """The connection's next step takes no longer. Raises Late."""
        connection.settimeout(self.left_s(waited_for))


def connect(host: str, port: int, deadline: Deadline, secured: Secured | None = None) -> socket.socket:
    """An open connection. Raises OSError, which is Late when the time is over."""
    try:
        plain = socket.create_connection((host, port), timeout=deadline.left_s("connection"))
    except TimeoutError:
        raise Late(f"no connection within {deadline.seconds:g} s") from None
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secured is None:
            return plain
        deadline.limit(plain, "TLS connection")
        made = secured.context.wrap_socket(
            plain, server_hostname=secured.server_name, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
    except BaseException:
        plain.close()
        raise
    try:
        made.do_handshake()
    except TimeoutError:
        made.close()
        raise Late(f"no TLS connection within {deadline.seconds:g} s") from None
    except BaseException:
        made.close()
        raise
    return made


def send(connection: socket.socket, data: bytes | bytearray, deadline: Deadline) -> None:
    """All of it. Raises OSError."""
    rest = memoryview(data)
    while rest:
        deadline.limit(connection, "reading of the request")
        try:
            rest = rest[connection.send(rest[:_PIECE]) :]
        except TimeoutError:
            continue  # the deadline is over, or nearly


def receive(connection: socket.socket, deadline: Deadline, waited_for: str = "answer") -> bytes:
    """What comes next; empty: the server closed the connection. Raises OSError."""
    while True:
        deadline.limit(connection, waited_for)
        try:
            return connection.recv(_PIECE)
        except TimeoutError:
            continue


def ask(connection: socket.socket, wire: bytes, parser: AnswerParser, deadline: Deadline) -> None:
    """Send a request and read its whole answer into the parser, which is ready for one.

    Raises OSError, which is Late when the time is over and Lost when the server closed the connection, and WireError.
    """
    lost: OSError | None = None
    try:
        send(connection, wire, deadline)
    except Late:
        raise
    except OSError as error:  # the answer may be there already: some servers refuse a request by its head
        lost = error
    while True:
        waited_for = "whole answer" if parser.started else "answer"
        try:
            data = receive(connection, deadline, waited_for)
        except Late:
            raise
        except OSError:
            if lost is not None:
                raise lost from None
            raise
        if not data:
            if parser.end():
                return
            within = "within its answer" if parser.started else "without an answer"
            raise Lost(f"the server closed the connection {within}")
        if parser.feed(data):
            return
