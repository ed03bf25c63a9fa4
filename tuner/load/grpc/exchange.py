"""One gRPC call and its answer, outside of any window, over a blocking socket."""

from __future__ import annotations

import socket
import ssl
import time
from urllib.parse import urlsplit

from tuner.http.asking import Deadline, Lost, Secured, connect, receive, send
from tuner.http.errors import WireError
from tuner.load.grpc.call import Call, call_of
from tuner.load.grpc.channel import Channel
from tuner.load.grpc.url import as_http
from tuner.load.http1.connection import PORTS
from tuner.load.model import Answer, Request, Tls, Unanswered
from tuner.load.tls import context, refused
from tuner.uri import masked

_TRIED_EVERY_S = 0.05


def call(url: str, request: Request, timeout_s: float, tls: Tls, token: str) -> Answer:
    """Send a request over a connection of its own, with the bearer `token` if there is one. Raises Unanswered.

    As with gRPC's "wait for ready", a refused connection is tried again until `timeout_s` is over, which is for all of
    it: servers open their gRPC port when they like, and what tells that they are ready is often another port.
    """
    try:
        address = urlsplit(as_http(url))
        port = address.port
    except ValueError:
        address, port = urlsplit(""), None
    if address.scheme not in PORTS or not address.hostname:
        raise Unanswered(f"{masked(url)} is no URL of the form grpc://host:port or grpcs://host:port")
    authority = address.netloc.rpartition("@")[2]
    is_tls = address.scheme == "https"
    deadline = Deadline(timeout_s)
    try:
        sent = call_of(request, authority=authority, scheme=address.scheme, token=token)
        name = tls.server_name or address.hostname
        secured = Secured(context=context(tls, ("h2",)), server_name=name) if is_tls else None
        with _connected(address.hostname, port or PORTS[address.scheme], deadline, secured) as connection:
            return _answer(connection, Channel(), sent, deadline)
    except OSError as error:
        raise refused(error) from None
    except (WireError, ValueError) as error:
        raise Unanswered(str(error), final=True) from None


def _answer(connection: socket.socket, channel: Channel, sent: Call, deadline: Deadline) -> Answer:
    channel.out += channel.begin(sent)
    while True:
        if channel.out:
            send(connection, bytes(channel.out), deadline)
            channel.out.clear()
        data = receive(connection, deadline)
        if not data:
            raise Lost("the server closed the connection without an answer")
        if channel.feed(data):
            return Answer(status=channel.status, body=channel.body)


def _connected(host: str, port: int, deadline: Deadline, secured: Secured | None) -> socket.socket:
    while True:
        try:
            connection = connect(host, port, deadline, secured)
            break
        except ConnectionRefusedError:
            if deadline.left_s("connection") < 2 * _TRIED_EVERY_S:
                raise
            time.sleep(_TRIED_EVERY_S)
    if isinstance(connection, ssl.SSLSocket) and connection.selected_alpn_protocol() != "h2":
        connection.close()
        raise Unanswered("the server does not offer HTTP/2 over TLS (ALPN h2); is this its gRPC port?")
    return connection
