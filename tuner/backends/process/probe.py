"""One readiness probe, as the kubelet does it: HTTP GET answered 200 to 399, or a TCP connect."""

from __future__ import annotations

import http.client
import socket

from tuner.backends.process.ports import LOOPBACK

_TIMEOUT_S = 1.0


def probe(port: int, http_path: str | None) -> str | None:
    """None: ready. Otherwise what was answered instead, in words."""
    try:
        if http_path is None:
            socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_S).close()
            return None
        return _http(port, http_path)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _http(port: int, path: str) -> str | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path if path.startswith("/") else f"/{path}", headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read(200)
    finally:
        connection.close()
    if 200 <= response.status < 400:
        return None
    return f"status {response.status} with {body.decode(errors='replace')!r}"
