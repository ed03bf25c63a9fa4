"""The bytes of a request of HTTP/1.1 (RFC 9112)."""

from __future__ import annotations

from urllib.parse import quote

from tuner.errors import Mistake
from tuner.load.model import Request

_OURS = frozenset({"content-length", "transfer-encoding"})
_PATH_CHARACTERS = "/?:@!$&'()*+,;=-._~%[]{}|^#"
"""What is sent as it stands."""


def request_bytes(request: Request, host: str, token: str = "") -> bytes:
    """The request as it is sent, `host` being ``name:port``. Framing headers are ours, whatever the request says.

    A `token` is sent as a bearer token (RFC 6750), instead of what the request says of authorization. Raises ValueError
    for a method, path or header that would break the framing.
    """
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    if not (request.method.isascii() and request.method.isalpha()):
        raise Mistake(f"{request.method!r} is no method", "write one such as GET or POST")
    if not request.path.startswith("/"):
        raise Mistake(f"the path {request.path!r} does not start with /", f"write {'/' + request.path!r}")
    if not _is_visible(request.path):
        fix = f"write it percent-encoded: {quote(request.path, safe=_PATH_CHARACTERS)}"
        raise Mistake(f"the path {request.path!r} holds characters that no path can", fix)
    names = {name.lower() for name in request.headers}
    if "host" not in names:
        lines.append(f"Host: {host}")
    for name, value in request.headers.items():
        if name.lower() in _OURS or (token and name.lower() == "authorization"):
            continue
        if not name or not _is_visible(name) or ":" in name or any(c in value for c in "\r\n\0"):
            raise ValueError(f"{name + ': ' + value!r} is not a header line")
        if any(ord(character) > 255 for character in value):
            fix = "write it in ASCII, as the server expects it encoded"
            raise Mistake(f"the header {name} holds {value!r}, which no header can", fix)
        lines.append(f"{name}: {value}")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + request.body


def _is_visible(text: str) -> bool:
    return text.isascii() and all(33 <= ord(c) <= 126 for c in text)
