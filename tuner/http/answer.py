"""Answers of HTTP/1.1 (RFC 9112): a parser that is fed as bytes come in, and takes no more of them than its limits.

The parser is made for the usual path: an answer that arrives in one piece costs one search for the end of its head,
one look-up of that head among those already understood, and one slice. Everything a head says about framing is read
once and remembered (`_head`), so that reading it strictly costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tuner.http.coding import Unpacker
from tuner.http.errors import TooLarge, WireError

ANSWER_LIMIT: Final = 1 << 24
"""Most bytes of one answer, as it comes and unpacked: whatever a server sends, a machine's memory holds it."""
_HEAD_LIMIT: Final = 65536
_REMEMBERED_HEAD: Final = 2048
_INTERIM_LIMIT: Final = 100
"""Answers before the answer."""
_LINE_LIMIT: Final = 4096
_MOST_DIGITS: Final = 30
"""Of a length: more of them would be too large whatever they are."""
_HEX: Final = b"0123456789abcdefABCDEF"
_DIGITS: Final = b"0123456789"

_CHUNKED: Final = -1
_UNTIL_CLOSE: Final = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the head of an answer says beyond its framing."""

    timing: bytes = b""
    """Of its Server-Timing headers."""
    location: bytes = b""
    coding: bytes = b""
    """Of its body; empty: none."""


_NOTHING: Final = Head()


def whole_answer(data: bytes) -> tuple[int, bytes, bool, bytes] | None:
    """(status, body, keep-alive, Server-Timing) when `data` is just one whole answer with a Content-Length, as most
    are.

    None: it is something else, or not an answer; only the parser can tell.
    """
    end = data.find(b"\r\n\r\n")
    if not 0 <= end <= _HEAD_LIMIT:
        return None
    try:
        status, length, keep_alive, head = _understood(data[:end])
    except WireError:
        return None
    if length != len(data) - end - 4 or status < 200 or status == 204 or status == 304 or head.coding:
        return None
    return status, data[end + 4 :], keep_alive, head.timing


class AnswerParser:
    """Reads answers out of a stream of bytes, one after the other.

    `feed` returns True when an answer is whole; then `status`, `body` (unpacked where it was packed), `keep_alive`,
    `timing` (of its Server-Timing headers) and `location` hold it, and `rest` what followed it. `begin` makes ready for
    the next one. `taken` is what of the body came so far, for answers that are read as they come: who has read the
    pieces may take them out. Raises only WireError, which is TooLarge where the limits are reached.
    """

    __slots__ = (
        "_bodyless",
        "_buffer",
        "_head",
        "_interim",
        "_left",
        "_length",
        "_limit",
        "_received",
        "_trailer",
        "_unpacker",
        "body",
        "keep_alive",
        "rest",
        "status",
        "taken",
    )

    def __init__(self, limit: int = ANSWER_LIMIT) -> None:
        """`limit`: most bytes of an answer."""
        self._limit = limit
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
        self._received = 0
        self._interim = 0
        self._head = _NOTHING
        self._unpacker: Unpacker | None = None
        self.taken: list[bytes] = []
        self.status = 0
        self.body = b""
        self.rest = b""
        self.keep_alive = True

    @property
    def timing(self) -> bytes:
        return self._head.timing

    @property
    def location(self) -> bytes:
        return self._head.location

    @property
    def started(self) -> bool:
        """Some byte of the answer has been received."""
        return bool(self._buffer) or self._length is not None or self.status != 0

    def feed(self, data: bytes) -> bool:
        """Take in the next bytes. True: the answer is whole. Raises WireError."""
        self._received += len(data)
        while self._length is None:
            if self._buffer:
                data = self._buffer + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._keep_head(data)
                return False
            if end > _HEAD_LIMIT:
                raise TooLarge(f"the answer's head is longer than {_HEAD_LIMIT >> 10} KiB")
            self.status, length, self.keep_alive, self._head = _understood(data[:end])
            self._buffer = b""
            data = data[end + 4 :]
            if self.status < 200:  # an interim answer: the real one follows
                self._interim += 1
                if self._interim > _INTERIM_LIMIT:
                    raise TooLarge(f"more than {_INTERIM_LIMIT} interim answers came before the answer")
                self.status = 0
                continue
            self._expect(length)
        if self._received > self._limit:
            raise self._too_large()
        if self._length >= 0:
            return self._feed_length(data)
        if self._length == _CHUNKED:
            return self._feed_chunked(data)
        self._take(data)
        return False

    def end(self) -> bool:
        """The server closed its side. True: the answer is whole, for it was to end with the connection.

        Raises WireError.
        """
        if self._length != _UNTIL_CLOSE:
            return False
        self._whole()
        return True

    def _expect(self, length: int) -> None:
        """The head is complete; `length` is what it says of the body."""
        if self._bodyless or self.status in (204, 304):
            length = 0
        elif self._head.coding:
            self._unpacker = Unpacker(self._head.coding, self._limit)
        if length == _UNTIL_CLOSE:
            self.keep_alive = False
        elif length > self._limit:
            raise self._too_large(length)
        self._length = length
        self._left = max(0, length)

    def _too_large(self, length: int = 0) -> TooLarge:
        said = f" (it announces {length} bytes)" if length else ""
        return TooLarge(f"the answer is longer than {self._limit >> 20} MiB, the most that is read of one{said}")

    def _take(self, piece: bytes) -> None:
        """Of the body."""
        if self._unpacker is not None:
            piece = self._unpacker.feed(piece)
        if piece:
            self.taken.append(piece)

    def _whole(self) -> None:
        if self._unpacker is not None:
            self._unpacker.end()
        self.body = self.taken[0] if len(self.taken) == 1 else b"".join(self.taken)

    def _keep_head(self, data: bytes) -> None:
        start = data[:7]
        if start != b"HTTP/1."[: len(start)]:
            raise WireError(f"the answer starts with {data[:40]!r}, not with HTTP/1.")
        if len(data) > _HEAD_LIMIT + 3:
            raise TooLarge(f"the answer's head is longer than {_HEAD_LIMIT >> 10} KiB")
        self._buffer = data

    def _feed_length(self, data: bytes) -> bool:
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            self._take(data)
            return False
        if len(data) > left:
            self.rest = data[left:]
            data = data[:left]
        self._take(data)
        self._whole()
        return True

    def _feed_chunked(self, data: bytes) -> bool:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        is_whole = self._feed_chunks(data, pieces)
        if pieces:  # kept as one: tiny chunks would take many times their size
            self._take(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if is_whole:
            self._whole()
        return is_whole

    def _feed_chunks(self, data: bytes, pieces: list[bytes]) -> bool:
        at, size = 0, len(data)
        while True:
            if self._left > 2:  # the bytes of a chunk and the line end after them
                taken = min(self._left - 2, size - at)
                if taken:
                    pieces.append(data[at : at + taken])
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
                if length > self._limit:
                    raise self._too_large(length)
                self._trailer = length == 0
                self._left = length + 2 if length else 0
            elif not line:
                self.rest = data[at:]
                return True


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not digits or len(digits) > 15 or digits.strip(_HEX):
        raise WireError(f"{line[:40]!r} is not the size of a chunk")
    return int(digits, 16)


def _understood(head: bytes) -> tuple[int, int, bool, Head]:
    """(status, length of the body or how it ends, whether the connection may be kept, the rest). Raises WireError."""
    return _read(head) if len(head) > _REMEMBERED_HEAD else _remembered(head)


def _read(head: bytes) -> tuple[int, int, bool, Head]:
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
    return int(status), _body_length(values), keep_alive, _beyond_framing(values)


_remembered = lru_cache(maxsize=512)(_read)
"""Servers send the same few heads again and again, short ones."""


def _beyond_framing(values: dict[bytes, list[bytes]]) -> Head:
    codings = [part.strip().lower() for value in values.get(b"content-encoding", ()) for part in value.split(b",")]
    told = Head(
        timing=b",".join(values.get(b"server-timing", ())),
        location=values.get(b"location", [b""])[0],
        coding=b", ".join(coding for coding in codings if coding not in (b"", b"identity")),
    )
    return told if told != _NOTHING else _NOTHING


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
    if lengths or not length or length.strip(_DIGITS):
        raise WireError(f"Content-Length is {b','.join(values[b'content-length'])[:80]!r}")
    return int(length.lstrip(b"0")[:_MOST_DIGITS] or b"0")
