"""HTTP/1.1 on the wire (RFC 9112): the bytes of a request, and a parser of answers that is fed as bytes come in.

The parser is made for the usual path: an answer that arrives in one piece costs one search for the end of its head,
one look-up of that head among those already understood, and one slice. Everything a head says about framing is read
once and remembered (`_head`), so that reading it strictly costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tuner.load.model import Request

_HEAD_LIMIT: Final = 65536
_LINE_LIMIT: Final = 4096
_HEX: Final = b"0123456789abcdefABCDEF"
_DIGITS: Final = b"0123456789"

_CHUNKED: Final = -1
_UNTIL_CLOSE: Final = -2

_OURS = frozenset({"content-length", "transfer-encoding"})


class WireError(Exception):
    """The bytes received are not an answer of the protocol spoken; the text says what is wrong with them."""


def request_bytes(request: Request, host: str, token: str = "") -> bytes:
    """The request as it is sent, `host` being ``name:port``. Framing headers are ours, whatever the request says.

    A `token` is sent as a bearer token (RFC 6750), instead of what the request says of authorization. Raises ValueError
    for a method, path or header that would break the framing.
    """
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    if not request.method.isalpha() or not request.path.startswith("/") or not _is_visible(request.path):
        raise ValueError(f"{lines[0]!r} is not a request line; the path starts with / and has no spaces")
    names = {name.lower() for name in request.headers}
    if "host" not in names:
        lines.append(f"Host: {host}")
    for name, value in request.headers.items():
        if name.lower() in _OURS or (token and name.lower() == "authorization"):
            continue
        if not name or not _is_visible(name) or ":" in name or any(c in value for c in "\r\n\0"):
            raise ValueError(f"{name + ': ' + value!r} is not a header line")
        lines.append(f"{name}: {value}")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + request.body


def whole_answer(data: bytes) -> tuple[int, bytes, bool, bytes] | None:
    """(status, body, keep-alive, Server-Timing) when `data` is just one whole answer with a Content-Length, as most
    are.

    None: it is something else, or not an answer; only the parser can tell.
    """
    end = data.find(b"\r\n\r\n")
    if not 0 <= end <= _HEAD_LIMIT:
        return None
    try:
        status, length, keep_alive, timing = _head(data[:end])
    except WireError:
        return None
    if length != len(data) - end - 4 or status < 200 or status == 204 or status == 304:
        return None
    return status, data[end + 4 :], keep_alive, timing


class AnswerParser:
    """Reads answers out of a stream of bytes, one after the other.

    `feed` returns True when an answer is whole; then `status`, `body`, `keep_alive` and `timing` (of its Server-Timing
    headers, empty where it has none) hold it, and `rest` what followed it. `begin` makes ready for the next one.
    `taken` is what of the body came so far, for answers that are read as they come. Raises only WireError.
    """

    __slots__ = (
        "_bodyless",
        "_buffer",
        "_left",
        "_length",
        "_trailer",
        "body",
        "keep_alive",
        "rest",
        "status",
        "taken",
        "timing",
    )

    def __init__(self) -> None:
        self.begin(False)

    def begin(self, bodyless: bool) -> None:
        """Expect an answer. `bodyless`: it has no body whatever its head says, since the request's method is HEAD."""
        self._bodyless = bodyless
        self._buffer = b""
        """Bytes not understood yet: an incomplete head, or the incomplete line of a chunk."""
        self._length: int | None = None
        """None: the head is not complete."""
        self._left = 0
        self._trailer = False
        self.taken: list[bytes] = []
        self.timing = b""
        self.status = 0
        self.body = b""
        self.rest = b""
        self.keep_alive = True

    @property
    def started(self) -> bool:
        """Some byte of the answer has been received."""
        return bool(self._buffer) or self._length is not None or self.status != 0

    def feed(self, data: bytes) -> bool:
        """Take in the next bytes. True: the answer is whole. Raises WireError."""
        while self._length is None:
            if self._buffer:
                data = self._buffer + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._keep_head(data)
                return False
            if end > _HEAD_LIMIT:
                raise WireError(f"the answer's head is longer than {_HEAD_LIMIT} bytes")
            self.status, length, self.keep_alive, self.timing = _head(data[:end])
            self._buffer = b""
            data = data[end + 4 :]
            if self.status < 200:  # an interim answer: the real one follows
                continue
            if self._bodyless or self.status in (204, 304):
                length = 0
            elif length == _UNTIL_CLOSE:
                self.keep_alive = False
            self._length = length
            self._left = max(0, length)
        if self._length >= 0:
            return self._feed_length(data)
        if self._length == _CHUNKED:
            return self._feed_chunked(data)
        self.taken.append(data)
        return False

    def end(self) -> bool:
        """The server closed its side. True: the answer is whole, for it was to end with the connection."""
        if self._length != _UNTIL_CLOSE:
            return False
        self.body = b"".join(self.taken)
        return True

    def _keep_head(self, data: bytes) -> None:
        start = data[:7]
        if start != b"HTTP/1."[: len(start)]:
            raise WireError(f"the answer starts with {data[:40]!r}, not with HTTP/1.")
        if len(data) > _HEAD_LIMIT + 3:
            raise WireError(f"the answer's head is longer than {_HEAD_LIMIT} bytes")
        self._buffer = data

    def _feed_length(self, data: bytes) -> bool:
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            self.taken.append(data)
            return False
        if len(data) > left:
            self.rest = data[left:]
            data = data[:left]
        if self.taken:
            self.taken.append(data)
            data = b"".join(self.taken)
        self.body = data
        return True

    def _feed_chunked(self, data: bytes) -> bool:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at, size = 0, len(data)
        while True:
            if self._left > 2:  # the bytes of a chunk and the line end after them
                taken = min(self._left - 2, size - at)
                if taken:
                    self.taken.append(data[at : at + taken])
                    at += taken
                    self._left -= taken
            if self._left:
                if self._left > 2 or size - at < 2:
                    self._buffer = data[at:]
                    return False
                if data[at : at + 2] != b"\r\n":
                    raise WireError(f"a chunk is followed by {data[at : at + 2]!r}, not by a line end")
                at += 2
                self._left = 0
            end = data.find(b"\r\n", at)
            if end < 0:
                if size - at > _LINE_LIMIT + 1:
                    raise WireError(f"a line between chunks is longer than {_LINE_LIMIT} bytes")
                self._buffer = data[at:]
                return False
            if end - at > _LINE_LIMIT:
                raise WireError(f"a line between chunks is longer than {_LINE_LIMIT} bytes")
            line = data[at:end]
            at = end + 2
            if not self._trailer:
                length = _chunk_size(line)
                self._trailer = length == 0
                self._left = length + 2 if length else 0
            elif not line:
                self.body = b"".join(self.taken)
                self.rest = data[at:]
                return True


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > 15 or digits.strip(_HEX):
        raise WireError(f"{line[:40]!r} is not the size of a chunk")
    return int(digits, 16)


@lru_cache(maxsize=512)
def _head(head: bytes) -> tuple[int, int, bool, bytes]:
    """(status, length of the body or how it ends, whether the connection may be kept, Server-Timing) of a head.

    Raises WireError.
    """
    line, _, fields = head.partition(b"\r\n")
    version, status = line[:8], line[9:12]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or line[8:9] != b" " or len(status) != 3 or status.strip(_DIGITS):
        raise WireError(f"{line[:80]!r} is not a status line")
    if line[12:13] not in (b"", b" ") or not 100 <= int(status) <= 599 or status == b"101":
        raise WireError(f"{line[:80]!r} is not a status line to expect")
    if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n") or b"\0" in head:
        raise WireError("the answer's head has a bare line end or a zero byte in it")
    values: dict[bytes, list[bytes]] = {}
    for field in fields.split(b"\r\n") if fields else ():
        name, colon, value = field.partition(b":")
        if not colon or not name or name != name.strip():
            raise WireError(f"{field[:80]!r} is not a header line")
        values.setdefault(name.lower(), []).append(value.strip(b" \t"))
    connection = b",".join(values.get(b"connection", ())).lower()
    tokens = {token.strip() for token in connection.split(b",")}
    keep_alive = b"close" not in tokens and (version == b"HTTP/1.1" or b"keep-alive" in tokens)
    length = _body_length(values)
    return int(status), length, keep_alive, b",".join(values.get(b"server-timing", ()))


def _body_length(values: dict[bytes, list[bytes]]) -> int:
    """RFC 9112, section 6.3."""
    encodings = values.get(b"transfer-encoding")
    if encodings is not None:
        if b",".join(encodings).lower() != b"chunked":
            raise WireError(f"the transfer coding {b','.join(encodings)!r} was not asked for")
        return _CHUNKED
    lengths = {part.strip() for value in values.get(b"content-length", ()) for part in value.split(b",")}
    if not lengths:
        return _UNTIL_CLOSE
    length = lengths.pop()
    if lengths or not length or len(length) > 18 or length.strip(_DIGITS):
        raise WireError(f"Content-Length is {b','.join(values[b'content-length'])!r}")
    return int(length)


def _is_visible(text: str) -> bool:
    return text.isascii() and all(33 <= ord(c) <= 126 for c in text)
