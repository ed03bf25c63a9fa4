"""One readiness probe, as the kubelet does it: HTTP GET answered 200 to 399, or a TCP connect."""

from __future__ import annotations

import socket
import ssl
from functools import cache

from tuner.backends.process.container.ports import LOOPBACK
from tuner.http.answer import AnswerParser
from tuner.http.asking import Deadline, Secured, ask, connect
from tuner.http.errors import TooLarge, WireError

_TIMEOUT_S = 1.0
"""For the whole answer."""
_LIMIT = 1 << 16
_SHOWN = 200


def probe(port: int, http_path: str | None, tls: bool = False) -> str | None:
    """None: ready. Otherwise what was answered instead, in words."""
    if http_path is not None:
        return _http(port, f"/{http_path.removeprefix('/')}", tls)
    try:
        socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _http(port: int, path: str, tls: bool) -> str | None:
    parser = AnswerParser(_LIMIT)
    deadline = Deadline(_TIMEOUT_S)
    wire = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    try:
        secured = Secured(context=_trusting(), server_name=None) if tls else None
        with connect(LOOPBACK, port, deadline, secured) as connection:
            ask(connection, wire.encode(), parser, deadline)
    except TooLarge as error:
        if not parser.status:
            return str(error)  # of a longer body the kubelet does not read the rest either
    except (OSError, WireError) as error:
        return str(error) or type(error).__name__
    if 200 <= parser.status < 400:
        return None
    return f"status {parser.status} with {parser.body[:_SHOWN].decode(errors='replace')!r}"


@cache
def _trusting() -> ssl.SSLContext:
    """The kubelet verifies no certificates either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
