"""One request and its answer, outside of any window: the standard library's client, which the load image holds too."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tuner.load.model import SYSTEM_TLS, Answer, Request, Tls, Unanswered
from tuner.load.tls import context, refused
from tuner.uri import masked

if TYPE_CHECKING:
    from http.client import HTTPConnection


def exchange(url: str, request: Request, timeout_s: float, tls: Tls = SYSTEM_TLS, token: str = "") -> Answer:
    """Send a request over a connection of its own, with the bearer `token` if there is one.

    Raises Unanswered, which says what is wrong with a certificate; `timeout_s` is for each step of it.
    """
    if request.grpc:
        from tuner.load.grpc.exchange import call

        return call(url, request, timeout_s, tls, token)
    import http.client  # slow to import, and the load engine must start fast

    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise Unanswered(f"{masked(url)} is no URL of the form http://host:port or https://host:port")
    headers = {name: value for name, value in request.headers.items() if not token or name.lower() != "authorization"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection = _connection(address, timeout_s, tls)
    except OSError as error:
        raise refused(error) from None
    try:
        path = address.path.rstrip("/") + request.path
        connection.request(request.method, path, body=request.body, headers=headers)
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(str(error) or type(error).__name__) from None
    finally:
        connection.close()


def _connection(address: SplitResult, timeout_s: float, tls: Tls) -> HTTPConnection:
    """An open connection. Raises OSError."""
    import http.client

    host, port = str(address.hostname), address.port
    if address.scheme == "http":
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        connection.connect()
        return connection
    connection = http.client.HTTPSConnection(host, port, timeout=timeout_s)
    http.client.HTTPConnection.connect(connection)  # TCP alone: the name to ask for may not be that of the address
    try:
        connection.sock = context(tls).wrap_socket(connection.sock, server_hostname=tls.server_name or host)
    except OSError:
        connection.close()
        raise
    return connection
