"""One gRPC call and its answer, outside of any window, over a blocking socket."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from tuner.load.grpc.call import call_of
from tuner.load.grpc.channel import Channel
from tuner.load.grpc.url import as_http
from tuner.load.http1.connection import PORTS
from tuner.load.http1.wire import WireError
from tuner.load.model import Answer, Request, Tls, Unanswered
from tuner.load.tls import context, refused
from tuner.uri import masked

_PIECE = 1 << 16
_TRIED_EVERY_S = 0.05


def call(url: str, request: Request, timeout_s: float, tls: Tls, token: str) -> Answer:
    """Send a request over a connection of its own, with the bearer `token` if there is one. Raises Unanswered.

    As with gRPC's "wait for ready", a refused connection is tried again until `timeout_s` is over: servers open their
    gRPC port when they like, and what tells that they are ready is often another port.
    """
    address = urlsplit(as_http(url))
    if address.scheme not in PORTS or not address.hostname:
        raise Unanswered(f"{masked(url)} is no URL of the form grpc://host:port or grpcs://host:port")
    authority = address.netloc.rpartition("@")[2]
    deadline = time.monotonic() + timeout_s
    try:
        sent = call_of(request, authority=authority, scheme=address.scheme, token=token)
        port = address.port or PORTS[address.scheme]
        with _connected(address.hostname, port, deadline, tls if address.scheme == "https" else None) as connection:
            channel = Channel()
            channel.out += channel.begin(sent)
            while True:
                if channel.out:
                    connection.sendall(channel.out)
                    channel.out.clear()
                connection.settimeout(max(1e-3, deadline - time.monotonic()))
                data = connection.recv(_PIECE)
                if not data:
                    raise Unanswered("the server closed the connection without an answer")
                if channel.feed(data):
                    return Answer(status=channel.status, body=channel.body)
    except TimeoutError:
        raise Unanswered(f"no answer within {timeout_s:g} s") from None
    except OSError as error:
        raise refused(error) from None
    except (WireError, ValueError) as error:
        raise Unanswered(str(error)) from None


def _connected(host: str, port: int, deadline: float, tls: Tls | None) -> socket.socket:
    while True:
        try:
            plain = socket.create_connection((host, port), timeout=max(1e-3, deadline - time.monotonic()))
            break
        except ConnectionRefusedError:
            if time.monotonic() + _TRIED_EVERY_S > deadline:
                raise
            time.sleep(_TRIED_EVERY_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None:
        return plain
    try:
        secured = context(tls, ("h2",)).wrap_socket(plain, server_hostname=tls.server_name or host)
    except BaseException:
        plain.close()
        raise
    if secured.selected_alpn_protocol() != "h2":
        secured.close()
        raise Unanswered("the server does not offer HTTP/2 over TLS (ALPN h2); is this its gRPC port?")
    return secured
