"""A unary gRPC call as bytes: what is sent for a request, made once and sent with another stream each time.

Source: "gRPC over HTTP2", the protocol document of the gRPC project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tuner.errors import Mistake
from tuner.load.grpc.frames import END_HEADERS, END_STREAM, USUAL_FRAME, Kind, frame
from tuner.load.grpc.header_block import encode
from tuner.load.model import Request

_OURS = frozenset(
    {"te", "content-type", "user-agent", "host", "connection", "content-length", "grpc-encoding", "grpc-timeout"}
)
"""Headers that are said by this client, or that HTTP/2 does not know."""
_NAME = re.compile(r"[0-9a-z_.-]+")
_PATH = re.compile(r"/[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)
_LONGEST_TIMEOUT = 10**8


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, ready for any stream."""

    headers: bytes
    """The header block."""
    message: bytes
    """Length-prefixed, as it goes into DATA frames."""
    parts: tuple[bytes, ...]
    """The frames of a message that fits into one, cut where the stream's number stands; empty for a longer one."""


def call_of(request: Request, *, authority: str, scheme: str, token: str = "") -> Call:
    """The call that a request stands for; `token` (a bearer's) empty: none.

    Raises ValueError for a path or metadata that gRPC does not allow.
    """
    headers = encode(_headers(request, authority, scheme, token))
    if len(headers) > USUAL_FRAME:
        raise ValueError(f"the metadata takes {len(headers)} bytes on the wire, more than the {USUAL_FRAME} allowed")
    message = b"\0" + len(request.body).to_bytes(4) + request.body
    parts: tuple[bytes, ...] = ()
    if len(message) <= USUAL_FRAME:
        head = frame(Kind.HEADERS, END_HEADERS, 0, headers)
        data = frame(Kind.DATA, END_STREAM, 0, message)
        parts = (head[:5], head[9:] + data[:5], data[9:])
    return Call(headers=headers, message=message, parts=parts)


def _headers(request: Request, authority: str, scheme: str, token: str) -> list[tuple[str, str]]:
    if not _PATH.fullmatch(request.path):
        raise Mistake(f"{request.path!r} is no method", "it is written /package.Service/Method")
    given = {name.lower(): value for name, value in request.headers.items()}
    return [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", request.path),
        (":authority", given.get("host", authority)),
        ("te", "trailers"),
        *([("grpc-timeout", _timeout(request.timeout_s))] if request.timeout_s > 0 else ()),
        ("content-type", "application/grpc"),
        ("user-agent", given.get("user-agent", "grpc-tuner")),
        *(_metadata(n, v) for n, v in given.items() if n not in _OURS and not (token and n == "authorization")),
        *([("authorization", f"Bearer {token}")] if token else ()),
    ]


def _metadata(name: str, value: str) -> tuple[str, str]:
    """Values of names in -bin are given as they go over the wire, in base64."""
    if not _NAME.fullmatch(name) or name.startswith("grpc-"):
        fix = "use letters, digits and _ . - and nothing that gRPC reserves"
        raise Mistake(f"{name!r} is no name of metadata", fix)
    if not all(" " <= character <= "~" for character in value):
        raise ValueError(f"the metadata {name} holds characters other than printable ASCII")
    return name, value


def _timeout(timeout_s: float) -> str:
    """At most eight digits and a unit."""
    for unit, name in ((1e-6, "u"), (1e-3, "m"), (1.0, "S")):
        if timeout_s / unit < _LONGEST_TIMEOUT:
            return f"{max(1, round(timeout_s / unit))}{name}"
    return f"{_LONGEST_TIMEOUT - 1}S"
