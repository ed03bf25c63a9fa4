"""One request and its answer, outside of any window."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from tuner.http.answer import AnswerParser
from tuner.http.asking import Deadline, Secured, ask, connect
from tuner.http.errors import WireError
from tuner.load.http1.request import request_bytes
from tuner.load.model import SYSTEM_TLS, Answer, Request, Tls, Unanswered
from tuner.load.tls import context, refused
from tuner.uri import masked


def exchange(url: str, request: Request, timeout_s: float, tls: Tls = SYSTEM_TLS, token: str = "") -> Answer:
    """Send a request over a connection of its own, with the bearer `token` if there is one.

    Raises Unanswered, which says what is wrong with a certificate, or with bytes that are no answer; `timeout_s` is for
    all of it, and as much is read as `tuner.http.answer` allows.
    """
    if request.grpc:
        from tuner.load.grpc.exchange import call

        return call(url, request, timeout_s, tls, token)
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError:
        address, port = urlsplit(""), None
    if address.scheme not in ("http", "https") or not address.hostname:
        raise Unanswered(f"{masked(url)} is no URL of the form http://host:port or https://host:port")
    is_https = address.scheme == "https"
    parser = AnswerParser()
    parser.begin(request.method == "HEAD")
    deadline = Deadline(timeout_s)
    try:
        sent = replace(request, path=address.path.rstrip("/") + request.path)
        wire = request_bytes(sent, address.netloc.rpartition("@")[2], token)
        secured = Secured(context=context(tls), server_name=tls.server_name or address.hostname) if is_https else None
        with connect(address.hostname, port or (443 if is_https else 80), deadline, secured) as connection:
            ask(connection, wire, parser, deadline)
    except OSError as error:
        raise refused(error) from None
    except WireError as error:
        raise Unanswered(f"what came is no answer to read: {error}", final=True) from None
    except ValueError as error:
        raise Unanswered(str(error), final=True) from None
    return Answer(status=parser.status, body=parser.body, location=parser.location.decode("latin-1"))
