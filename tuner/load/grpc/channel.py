"""One HTTP/2 connection seen from the client, with one call at a time on it: bytes in, bytes out, no socket.

Sources: RFC 9113 (HTTP/2) and "gRPC over HTTP2", the protocol document of the gRPC project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from tuner.http.answer import ANSWER_LIMIT
from tuner.http.errors import TooLarge, WireError
from tuner.load.grpc.call import Call
from tuner.load.grpc.frames import (
    ACK,
    CANCEL,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_BYTES,
    HEADER_LIST_LIMIT,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    LAST_STREAM,
    MAX_FRAME_SIZE,
    PADDED,
    PAIR,
    PREFACE,
    PRIORITY,
    USUAL_FRAME,
    USUAL_WINDOW,
    Kind,
    frame,
    window_update,
)
from tuner.load.grpc.header_block import decode
from tuner.measure.status import GRPC

_RENEW_AT: Final = 2**30
"""Bytes received before the peer's window is opened again."""
_CREDIT: Final = frame(Kind.WINDOW_UPDATE, 0, 0, bytes(4))[:HEAD_BYTES]
_CREDIT_BYTES: Final = HEAD_BYTES + 4
_UNKNOWN: Final = 2
_INTERNAL: Final = 13
_UNAVAILABLE: Final = 14
_OF_RESET: Final = {0x7: _UNAVAILABLE, 0x8: 1, 0xB: 8, 0xC: 7}
"""gRPC status by the error code of a RST_STREAM; any other is INTERNAL."""
_LAST_CODE: Final = 16


class Channel:
    """What is known of the connection, and the answer to the call in flight.

    `feed` returns True when that answer is whole; then `status`, `body` and `stays` hold it. `out` collects what has to
    be sent meanwhile (acknowledgements, window updates, the rest of a long message); whoever sends it empties it.
    """

    __slots__ = (
        "_block",
        "_broken",
        "_buffer",
        "_came",
        "_closing",
        "_data",
        "_frame_limit",
        "_greeted",
        "_head",
        "_initial",
        "_received",
        "_rest",
        "_stream_window",
        "_window",
        "body",
        "id",
        "is_open",
        "is_refused",
        "out",
        "status",
        "stream",
        "timing",
    )

    def __init__(self) -> None:
        self.stream = -1
        """Of the call in flight, or of the one before."""
        self.id = b""
        """The same as it stands in a frame."""
        self.is_open = False
        """A call is in flight."""
        self.out = bytearray(PREFACE)
        self._buffer = b""
        """A frame that has only begun."""
        self._greeted = False
        """The peer's SETTINGS, which come first, are here."""
        self._initial = USUAL_WINDOW
        """What the peer lets us send on a new stream."""
        self._window = USUAL_WINDOW
        """What it lets us send on the connection."""
        self._frame_limit = USUAL_FRAME
        self._received = 0
        self._block: tuple[int, int, bytearray] | None = None
        """Stream and flags of headers that go on in CONTINUATION frames, and what there is of them."""
        self._closing = False
        self._broken: WireError | None = None
        """What is wrong with the bytes that followed a whole answer."""
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        """200, the HTTP status where it is another, or `GRPC` and the code."""
        self.body = b""
        """The message; of another status what the server says about it."""
        self.timing = b""
        """What a Server-Timing header said."""
        self.is_refused = False
        """The call was given back before anything was done with it: it may be sent again elsewhere."""
        self._head: Mapping[bytes, bytes] | None = None
        self._data = bytearray()
        self._came = 0
        """Bytes of any kind since the call was begun."""
        self._rest = memoryview(b"")
        """Of our message, what the windows do not let us send yet."""
        self._stream_window = self._initial

    @property
    def stays(self) -> bool:
        """Another call can be made."""
        return not self._closing and self.stream < LAST_STREAM - 2

    @property
    def started(self) -> bool:
        """Some part of the answer is here."""
        return self._head is not None

    @property
    def is_clean(self) -> bool:
        """What comes next is the beginning of a frame, and nothing of the answer was before it."""
        return self._head is None and not self._buffer

    def begin(self, call: Call) -> bytes:
        """What to send for a call, as far as the peer's windows allow now."""
        self.stream += 2
        self.id = self.stream.to_bytes(4)
        self.is_open = True
        self._begin()
        size = len(call.message)
        if call.parts and size <= self._window and size <= self._initial:
            self._window -= size
            return self.id.join(call.parts)
        self._rest = memoryview(call.message)
        return frame(Kind.HEADERS, END_HEADERS, self.stream, call.headers) + self._more()

    def cancel(self) -> bytes:
        """What to send to give up the call in flight: its answer is no longer awaited."""
        self.is_open = False
        self._rest = memoryview(b"")
        return frame(Kind.RST_STREAM, 0, self.stream, CANCEL.to_bytes(4))

    def recognize(self, data_bytes: int, rest: bytes) -> None:
        """The whole answer was recognized by its bytes, so many of them DATA; `rest` came behind it."""
        self._count(data_bytes)
        self._close()
        if not rest:
            return
        try:
            if len(rest) == _CREDIT_BYTES and rest.startswith(_CREDIT):  # what many servers put behind every answer
                self._on_window_update(0, rest[HEAD_BYTES:])
            else:
                self._feed(rest)
        except WireError as error:
            self._closing, self._broken = True, error

    def feed(self, data: bytes) -> bool:
        """Take in the next bytes. True: the answer to the call in flight is whole. Raises WireError alone."""
        if self._broken is not None:
            raise self._broken
        was_open = self.is_open
        self._came += len(data)
        if self._came > ANSWER_LIMIT:
            raise TooLarge(f"the answer is longer than {ANSWER_LIMIT >> 20} MiB, the most that is read of one")
        try:
            self._feed(self._buffer + data if self._buffer else data)
        except WireError as error:
            if not was_open or self.is_open:
                raise
            self._closing, self._broken = True, error
        return was_open and not self.is_open

    def _feed(self, data: bytes) -> None:
        at, size = 0, len(data)
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream = HEAD.unpack_from(data, at)
            if not self._greeted and (kind != Kind.SETTINGS or flags & ACK):
                what = "HTTP/1, not in HTTP/2" if data.startswith(b"HTTP/1.") else f"{data[:24]!r}, not in HTTP/2"
                raise WireError(f"the server answers in {what}; is this its gRPC port?")
            end = at + HEAD_BYTES + (high << 8 | low)
            if end - at > HEAD_BYTES + USUAL_FRAME:
                raise WireError(f"a frame of {end - at - HEAD_BYTES} bytes, above the {USUAL_FRAME} allowed")
            if end > size:
                break
            self._take(kind, flags, stream & LAST_STREAM, data[at + HEAD_BYTES : end])
            at = end
        self._buffer = data[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (kind != Kind.CONTINUATION or stream != self._block[0]):
            raise WireError("a header block is interrupted by another frame")
        if kind == Kind.DATA:
            self._on_data(flags, stream, payload)
        elif kind == Kind.HEADERS:
            self._on_headers(flags, stream, payload)
        elif kind == Kind.CONTINUATION:
            self._on_continuation(flags, payload)
        elif kind == Kind.RST_STREAM:
            self._on_reset(stream, payload)
        elif kind == Kind.SETTINGS:
            self._on_settings(flags, stream, payload)
        elif kind == Kind.PING:
            if len(payload) != 8 or stream:
                raise WireError("a PING frame is malformed")
            if not flags & ACK:
                self.out += frame(Kind.PING, ACK, 0, payload)
        elif kind == Kind.GOAWAY:
            self._on_goaway(stream, payload)
        elif kind == Kind.WINDOW_UPDATE:
            self._on_window_update(stream, payload)
        elif kind == Kind.PUSH_PROMISE:
            raise WireError("the server pushes, which it was told not to do")

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._count(len(payload))
        if not self._is_ours(stream):
            return
        if self._head is None:
            raise WireError("DATA came before the headers of the answer")
        self._data += _unpadded(payload) if flags & PADDED else payload
        if flags & END_STREAM:
            self._end({})

    def _count(self, received: int) -> None:
        self._received += received
        if self._received >= _RENEW_AT:
            self.out += window_update(0, self._received)
            self._received = 0

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & PRIORITY:
            if len(payload) < 5:
                raise WireError("a HEADERS frame is too short for its priority")
            payload = payload[5:]
        if flags & END_HEADERS:
            self._on_block(flags, stream, payload)
        else:
            self._block = stream, flags, bytearray(payload)

    def _on_continuation(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise WireError("a CONTINUATION frame continues nothing")
        stream, first, block = self._block
        block += payload
        if len(block) > HEADER_LIST_LIMIT:
            raise WireError(f"a header block of more than {HEADER_LIST_LIMIT} bytes")
        if flags & END_HEADERS:
            self._block = None
            self._on_block(first, stream, bytes(block))

    def _on_block(self, flags: int, stream: int, block: bytes) -> None:
        if not self._is_ours(stream):
            return
        headers = decode(block)
        if self._head is not None:
            if not flags & END_STREAM:
                raise WireError("trailers do not end the answer")
            self._end(headers)
            return
        status = headers.get(b":status", b"")
        if len(status) != 3 or not status.isdigit():
            raise WireError(f"the answer's :status is {status!r}")
        if status < b"200" and not flags & END_STREAM:  # interim: the real one follows
            return
        self._head = headers
        if flags & END_STREAM:
            self._end(headers)

    def _end(self, trailers: Mapping[bytes, bytes]) -> None:
        """The answer is whole."""
        assert self._head is not None  # noqa: S101
        status = int(self._head[b":status"])
        self.timing = self._head.get(b"server-timing", trailers.get(b"server-timing", b""))
        code = trailers.get(b"grpc-status")
        if code is None:
            if status == 200:
                raise WireError("the answer ended without a grpc-status")
            self.status, self.body = status, bytes(self._data)
        elif not code.isdigit() or len(code) > 9:
            raise WireError(f"the grpc-status is {code!r}, not a number")
        elif int(code):
            self.status = GRPC + (int(code) if int(code) <= _LAST_CODE else _UNKNOWN)
            self.body = unquote_to_bytes(trailers.get(b"grpc-message", b""))
        else:
            self.status, self.body = 200, _message(self._head, bytes(self._data))
        self._close()

    def _close(self) -> None:
        self.is_open = False
        if self._rest:  # answered before all was sent: the rest is not wanted
            self.out += self.cancel()

    def _on_reset(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise WireError("a RST_STREAM frame is malformed")
        if self._is_ours(stream):
            error = int.from_bytes(payload)
            self.status = GRPC + _OF_RESET.get(error, _INTERNAL)
            self.body = b"the server reset the stream, error code %d" % error
            self.is_open = False
            self._rest = memoryview(b"")

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) % 6 or (flags & ACK and payload):
            raise WireError("a SETTINGS frame is malformed")
        if flags & ACK:
            return
        self._greeted = True
        for name, value in PAIR.iter_unpack(payload):
            if name == INITIAL_WINDOW_SIZE:
                if value > LARGEST_WINDOW:
                    raise WireError(f"the server sets a window of {value} bytes")
                self._stream_window += value - self._initial
                self._initial = value
            elif name == MAX_FRAME_SIZE:
                if not USUAL_FRAME <= value <= LARGEST_FRAME:
                    raise WireError(f"the server sets frames of {value} bytes")
                self._frame_limit = value
        self.out += frame(Kind.SETTINGS, ACK, 0) + self._more()

    def _on_goaway(self, stream: int, payload: bytes) -> None:
        if stream or len(payload) < 8:
            raise WireError("a GOAWAY frame is malformed")
        self._closing = True
        if self.is_open and self.stream > int.from_bytes(payload[:4]) & LAST_STREAM:
            self.status = GRPC + _UNAVAILABLE
            self.body = b"the server is going away"
            self.is_refused = True
            self.is_open = False
            self._rest = memoryview(b"")

    def _on_window_update(self, stream: int, payload: bytes) -> None:
        increment = int.from_bytes(payload) & LARGEST_WINDOW
        if len(payload) != 4 or not increment:
            raise WireError("a WINDOW_UPDATE frame is malformed")
        if stream == 0:
            self._window += increment
        elif self._is_ours(stream):
            self._stream_window += increment
        if self._window > LARGEST_WINDOW or self._stream_window > LARGEST_WINDOW:
            raise WireError("the server opens a window beyond the largest there is")
        if self._rest:
            self.out += self._more()

    def _more(self) -> bytes:
        """Frames with as much of the message as can be sent now."""
        frames = bytearray()
        while self._rest and (size := min(len(self._rest), self._window, self._stream_window, self._frame_limit)) > 0:
            piece, self._rest = self._rest[:size], self._rest[size:]
            self._window -= size
            self._stream_window -= size
            frames += frame(Kind.DATA, 0 if self._rest else END_STREAM, self.stream, bytes(piece))
        return bytes(frames)

    def _is_ours(self, stream: int) -> bool:
        """Whether a frame belongs to the call in flight, not to one given up. Raises WireError if no stream is ours."""
        if stream == self.stream:
            return self.is_open
        if not stream % 2 or stream > self.stream:
            raise WireError(f"a frame for stream {stream}, which was never opened")
        return False


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise WireError("a frame is shorter than its padding")
    return payload[1 : len(payload) - payload[0]]


def _message(head: Mapping[bytes, bytes], data: bytes) -> bytes:
    """The one message of an answer."""
    kind = head.get(b"content-type", b"")
    if head[b":status"] != b"200" or not kind.startswith(b"application/grpc"):
        raise WireError(f"the answer is no gRPC: :status {head[b':status']!r}, content-type {kind!r}")
    if len(data) < 5:
        raise WireError("the answer holds no message")
    if data[0]:
        raise WireError("the message is compressed, which was not asked for")
    if int.from_bytes(data[1:5]) != len(data) - 5:
        raise WireError(f"a message of {int.from_bytes(data[1:5])} bytes in an answer of {len(data) - 5}")
    return data[5:]
