"""Servers with one bad habit each, as a table: what they do, and what must be told of them.

All run in one thread of the test's process, each on a port of its own.
"""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

from tests.load.grpc.test_channel import DONE, GREETING, MESSAGE, ended, prefixed
from tests.load.grpc.test_channel import HEAD as GRPC_HEAD
from tests.load.grpc.test_channel import answer as grpc_answer
from tests.load.http1.test_streaming import CUT, STREAM, TOKENS, chunks
from tests.load.http1.test_streaming import HEAD as EVENTS
from tests.load.servers import answer
from tuner.load.grpc.frames import ACK, END_HEADERS, END_STREAM, Kind, frame
from tuner.load.grpc.header_block import encode

_DRIP_S = 0.05
_FLOOD = 1 << 16
"""Bytes that a flood writes at once, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    name: str
    says: bytes = b""
    """To each request."""
    again: bytes = b""
    """What follows it without end, as fast as it is read."""
    then: Literal["stay", "close", "reset"] = "stay"
    drips: bool = False
    """A byte at a time, slower than anybody waits."""
    first: bool = False
    """Speaks before it is asked."""
    asked: str
    """What is told of one request (a regular expression): the status, or why there is no answer."""
    sent: frozenset[str]
    """What a load window may count its requests as; ``good`` among them."""


def flood(name: str, says: bytes = b"", *, again: bytes, asked: str, sent: str) -> Habit:
    """Where it is not read to the limit in time, it is late."""
    return habit(name, says, again=again, asked=f"{asked}|{_LATE}", sent=f"{sent}, {_TIMED_OUT}, not sent")


def habit(name: str, says: bytes = b"", *, asked: str, sent: str, **more: object) -> Habit:
    return Habit(name=name, says=says, asked=asked, sent=frozenset(sent.split(", ")), **more)  # type: ignore[arg-type]


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_LATE, _LOST = "no (whole )?answer within", "closed the connection|broke the connection off"
_TIMED_OUT, _CONNECTION_LOST, _MALFORMED = "timed out", "connection lost", "malformed answer"
_TOO_LARGE = "answer too large"
_GOOD = "good"
_JSON = b'{"score": 0.5}'


def _length(value: bytes | str, body: bytes = _JSON) -> bytes:
    said = value if isinstance(value, bytes) else value.encode()
    return _OK + b"Content-Length: " + said + b"\r\n\r\n" + body


def _coded(coding: str, body: bytes) -> bytes:
    return answer(body, headers=f"Content-Encoding: {coding}\r\n")


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


HTTP: Sequence[Habit] = (
    # silence
    habit("never answers", asked=_LATE, sent=_TIMED_OUT),
    habit("closes without a word", then="close", asked=_LOST, sent=_CONNECTION_LOST),
    habit("resets without a word", then="reset", asked=_LOST, sent=_CONNECTION_LOST),
    habit("drips its answer", answer(), drips=True, asked=_LATE, sent=_TIMED_OUT),
    habit("drips an endless head", _OK + b"X: y\r\n" * 999, drips=True, asked=_LATE, sent=_TIMED_OUT),
    habit("begins a head", _OK + b"Content-", asked=_LATE, sent=_TIMED_OUT),
    habit("begins a head and closes", _OK + b"Content-", then="close", asked=_LOST, sent=_CONNECTION_LOST),
    habit("begins a body", _length("500"), asked=_LATE, sent=_TIMED_OUT),
    habit("begins a body and closes", _length("500"), then="close", asked=_LOST, sent=_CONNECTION_LOST),
    habit("begins a body and resets", _length("500"), then="reset", asked=_LOST, sent=_CONNECTION_LOST),
    habit("begins chunks", _CHUNKED + b"5\r\nab", asked=_LATE, sent=_TIMED_OUT),
    habit("begins chunks and closes", _CHUNKED + b"5\r\nab", then="close", asked=_LOST, sent=_CONNECTION_LOST),
    habit("only continues", b"HTTP/1.1 100 Continue\r\n\r\n", asked=_LATE, sent=_TIMED_OUT),
    # lengths
    habit("is 1e20 bytes long", _length("1" + "0" * 20), asked="announces 1000", sent=_TOO_LARGE),
    habit("is 1e400 bytes long", _length("1" + "0" * 400), asked="announces 1000", sent=_TOO_LARGE),
    habit("has a length below zero", _length("-5"), asked="Content-Length is", sent=_MALFORMED),
    habit("has a length in hex", _length("0xe"), asked="Content-Length is", sent=_MALFORMED),
    habit("has no length in its length", _length(""), asked="Content-Length is", sent=_MALFORMED),
    habit("has two lengths", _length("14\r\nContent-Length: 15"), asked="Content-Length is", sent=_MALFORMED),
    habit("has one length twice", _length("14, 14"), asked="200", sent=_GOOD),
    habit("has a length with zeros before it", _length("0" * 50 + "14"), asked="200", sent=_GOOD),
    habit("says more than its length", answer() + b"and more", asked="200", sent=_GOOD),
    habit("answers twice", answer() * 2, asked="200", sent=_GOOD),
    habit("has chunks and a length", _CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n0\r\n\r\n", asked="200", sent=_GOOD),
    habit("has a huge chunk", _CHUNKED + b"f" * 15 + b"\r\n", asked="announces 1152", sent=_TOO_LARGE),
    habit("has a chunk beyond all numbers", _CHUNKED + b"f" * 99 + b"\r\n", asked="size of a chunk", sent=_MALFORMED),
    habit("has a chunk of no number", _CHUNKED + b"xyz\r\n", asked="size of a chunk", sent=_MALFORMED),
    habit("has a chunk below zero", _CHUNKED + b"-1\r\n", asked="size of a chunk", sent=_MALFORMED),
    habit("has a chunk that goes on", _CHUNKED + b"1\r\nab\r\n", asked="followed by", sent=_MALFORMED),
    habit("has a long chunk extension", _CHUNKED + b"1;" + b"x" * 9999, asked="line between", sent=_MALFORMED),
    habit("packs its chunks twice", _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", asked="coding", sent=_MALFORMED),
    # heads
    habit("has a head of 100 kB", _OK + b"X: " + b"y" * 100_000, asked="longer than 64 KiB", sent=_TOO_LARGE),
    habit("has 10000 headers", _OK + b"X-Y: zzz\r\n" * 10_000, asked="longer than 64 KiB", sent=_TOO_LARGE),
    habit("ends lines with LF", answer().replace(b"\r\n", b"\n"), asked=_LATE, sent=_TIMED_OUT),
    habit("mixes line ends", _OK + b"A: b\nC: d\r\n\r\n", asked="bare line end", sent=_MALFORMED),
    habit("has a zero in its head", _OK + b"A: \0\r\n\r\n", asked="zero byte", sent=_MALFORMED),
    habit("has a header without a colon", _OK + b"hello\r\n\r\n", asked="not a header line", sent=_MALFORMED),
    habit("folds a header", _OK + b"A: b\r\n c\r\n\r\n", asked="not a header line", sent=_MALFORMED),
    habit("has status 2000", b"HTTP/1.1 2000 OK\r\n\r\n", asked="not a status line", sent=_MALFORMED),
    habit("has status 999", b"HTTP/1.1 999 Odd\r\n\r\n", asked="not a status line", sent=_MALFORMED),
    habit("switches protocols", b"HTTP/1.1 101 Switching\r\n\r\n", asked="not a status line", sent=_MALFORMED),
    habit("is HTTP/0.9", b"<html>hello</html>\r\n\r\n", asked="not a status line", sent=_MALFORMED),
    habit("is HTTP/2", GREETING, asked="not with HTTP/1", sent=_MALFORMED),
    habit("is SSH", b"SSH-2.0-OpenSSH_9.2\r\n", first=True, asked="not with HTTP/1", sent=_MALFORMED),
    habit("is TLS", b"\x15\x03\x01\x00\x02\x02\x46", asked="not with HTTP/1", sent=_MALFORMED),
    habit("is noise", bytes(range(256)) * 4, asked="not with HTTP/1", sent=_MALFORMED),
    # statuses
    habit("continues, then answers", b"HTTP/1.1 100 Continue\r\n\r\n" + answer(), asked="200", sent=_GOOD),
    habit("hints early", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * 3 + answer(), asked="200", sent=_GOOD),
    habit("has no content", b"HTTP/1.1 204 No Content\r\n\r\n", asked="204", sent=_GOOD),
    habit("has a length of no content", b"HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", asked="204", sent=_GOOD),
    habit("is not modified", b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", asked="304", sent="http 304"),
    habit("has moved", answer(b"", "307 Moved", "Location: /final/\r\n"), asked="307 to /final/", sent="http 307"),
    habit("is busy", answer(b"\x1b[31mbusy", "503 Busy"), asked="503", sent="http 503"),
    habit("times out at once", answer(b"", "408 Late"), first=True, then="close", asked="408", sent="http 408"),
    habit("is HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\n" + _JSON, then="close", asked="200", sent=_GOOD),
    habit("ends with its connection", _OK + b"\r\n" + _JSON, then="close", asked="200", sent=_GOOD),
    # packed bodies
    habit("packs with gzip", _coded("gzip", gzip.compress(_JSON)), asked=r"200 .*score", sent=_GOOD),
    habit("packs with deflate", _coded("deflate", zlib.compress(_JSON)), asked=r"200 .*score", sent=_GOOD),
    habit("packs with raw deflate", _coded("deflate", _raw_deflate(_JSON)), asked=r"200 .*score", sent=_GOOD),
    habit("packs with br", _coded("br", b"\x0b\x06\x80"), asked="encoded as 'br'", sent=_MALFORMED),
    habit("packs with gzip twice", _coded("gzip, gzip", b""), asked="encoded as 'gzip, gzip'", sent=_MALFORMED),
    habit("packs nothing", _coded("gzip", b""), asked="200", sent=_GOOD),
    habit("does not pack as it says", _coded("gzip", _JSON), asked="is not gzip", sent=_MALFORMED),
    habit("packs half", _coded("gzip", gzip.compress(_JSON)[:-9]), asked="cut short", sent=_MALFORMED),
    habit("packs a bomb", _coded("gzip", gzip.compress(bytes(1 << 25))), asked="unpacks to more", sent=_TOO_LARGE),
)
"""Each answered within the time that a window waits, or not at all."""

_BIG_CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"
_FEED = f"{EVENTS}\r\n".encode()

FLOODS: Sequence[Habit] = (
    flood("has an endless head", _OK, again=b"X-Y: zzz\r\n", asked="longer than 64 KiB", sent=_TOO_LARGE),
    flood("has an endless line", _OK + b"X: ", again=b"y", asked="longer than 64 KiB", sent=_TOO_LARGE),
    flood("continues for ever", again=b"HTTP/1.1 100 C\r\n\r\n", asked="interim answers", sent=_TOO_LARGE),
    flood("has an endless body", _OK + b"\r\n", again=b"x", asked="longer than 16 MiB", sent=_TOO_LARGE),
    flood("has endless chunks", _CHUNKED, again=_BIG_CHUNK, asked="longer than 16 MiB", sent=_TOO_LARGE),
    flood("has endless small chunks", _CHUNKED, again=b"2\r\nxy\r\n", asked="longer than 16 MiB", sent=_TOO_LARGE),
    flood("has endless trailers", _CHUNKED + b"0\r\n", again=b"A: b\r\n", asked="longer than 16 MiB", sent=_TOO_LARGE),
    flood("talks on and on", answer(), again=b"and more ", asked="200", sent="good, connection lost, malformed answer"),
)
"""As fast as they are read."""

STREAMS: Sequence[Habit] = (
    habit("is silent after a token", chunks(TOKENS[0], end=b""), asked=_LATE, sent=_TIMED_OUT),
    habit("leaves the end marker out", chunks(CUT), asked="200", sent="stream cut"),
    habit("is cut", chunks(CUT, end=b""), then="close", asked=_LOST, sent="stream cut"),
    habit(
        "has an error in its stream", chunks(TOKENS[0], b'data: {"error": "x"}\n\n'), asked="200", sent="wrong answer"
    ),
    habit("streams no JSON", chunks(b"data: hello\n\n"), asked="200", sent="wrong answer"),
    habit("streams no events", chunks(b"hello"), asked="200", sent="wrong answer"),
    habit("packs its stream", _coded("gzip", gzip.compress(STREAM)), asked="200", sent=_GOOD),
)
"""Servers of streams of events."""

STREAM_FLOODS: Sequence[Habit] = (
    flood("streams for ever", _FEED, again=TOKENS[0], asked="longer than 16 MiB", sent="answer too large, timed out"),
    flood("has an event without end", _FEED, again=b"data:x\n", asked="longer than 16 MiB", sent=_TOO_LARGE),
    flood("has an endless event line", _FEED + b"data: ", again=b"x", asked="longer than 16 MiB", sent=_TOO_LARGE),
)


def _to(*frames: bytes) -> bytes:
    return GREETING + b"".join(frames)


_HEADERS = frame(Kind.HEADERS, END_HEADERS, 1, GRPC_HEAD)
_TRAILERS = frame(Kind.HEADERS, END_HEADERS | END_STREAM, 1, DONE)
_HALF = frame(Kind.HEADERS, 0, 1, GRPC_HEAD[:5])


def _with(data: bytes) -> bytes:
    return _to(_HEADERS, frame(Kind.DATA, 0, 1, data), _TRAILERS)


GRPC: Sequence[Habit] = (
    habit("never greets", asked=_LATE, sent=_TIMED_OUT),
    habit("greets, and no more", GREETING, asked=_LATE, sent=_TIMED_OUT),
    habit("closes the call's connection", GREETING, then="close", asked=_LOST, sent=_CONNECTION_LOST),
    habit("drips frames", _to(grpc_answer()), drips=True, asked=_LATE, sent=_TIMED_OUT),
    habit("is HTTP/1", answer(), asked="answers in HTTP/1", sent=_MALFORMED),
    habit("is noise to gRPC", b"\xff" * 99, asked="not in HTTP/2", sent=_MALFORMED),
    habit("goes away", _to(frame(Kind.GOAWAY, 0, 0, bytes(8))), asked="1014", sent="grpc UNAVAILABLE"),
    habit("resets the stream", _to(frame(Kind.RST_STREAM, 0, 1, bytes(4))), asked="1013", sent="grpc INTERNAL"),
    habit("pushes", _to(frame(Kind.PUSH_PROMISE, 4, 1, bytes(8))), asked="pushes", sent=_MALFORMED),
    habit("has a frame of 16 MB", _to(b"\xff\xff\xff\0\0\0\0\0\1"), asked="a frame of", sent=_MALFORMED),
    habit("has data before its head", _to(frame(Kind.DATA, 0, 1, b"x")), asked="before the headers", sent=_MALFORMED),
    habit("breaks a header block", _to(_HALF, frame(Kind.PING, 0, 0, bytes(8))), asked="interrupted", sent=_MALFORMED),
    habit("has a broken header block", _to(frame(Kind.HEADERS, 4, 1, b"\xff" * 9)), asked="decoded", sent=_MALFORMED),
    habit("has no status", _to(_HEADERS, frame(Kind.DATA, 1, 1, prefixed())), asked="without a grpc", sent=_MALFORMED),
    habit(
        "has a status of no number",
        _to(ended((":status", "200"), ("grpc-status", "x"))),
        asked="number",
        sent=_MALFORMED,
    ),
    habit("has status 99", _to(ended((":status", "200"), ("grpc-status", "99"))), asked="1002", sent="grpc UNKNOWN"),
    habit("is a web page", _to(ended((":status", "502"))), asked="502", sent="http 502"),
    habit("packs its message", _with(b"\1" + prefixed()[1:]), asked="compressed", sent=_MALFORMED),
    habit("has a message of 4 GB", _with(b"\0\xff\xff\xff\xff" + MESSAGE), asked="a message of", sent=_MALFORMED),
    habit("has no message", _with(b""), asked="no message", sent=_MALFORMED),
    habit(
        "answers on stream 2",
        _to(frame(Kind.HEADERS, END_HEADERS, 2, GRPC_HEAD)),
        asked="never opened",
        sent=_MALFORMED,
    ),
    habit(
        "opens its window too far",
        _to(frame(Kind.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")),
        asked="beyond",
        sent=_MALFORMED,
    ),
)
"""Servers of gRPC."""

GRPC_FLOODS: Sequence[Habit] = (
    flood(
        "has a head without end",
        _to(_HALF),
        again=frame(Kind.CONTINUATION, 0, 1, b"x" * 9),
        asked="header block of more",
        sent=_MALFORMED,
    ),
    flood(
        "has endless data", _to(_HEADERS), again=frame(Kind.DATA, 0, 1, b"x" * 9999), asked="16 MiB", sent=_TOO_LARGE
    ),
    flood("has endless tiny data", _to(_HEADERS), again=frame(Kind.DATA, 0, 1, b"xy"), asked="16 MiB", sent=_TOO_LARGE),
    flood("pings for ever", GREETING, again=frame(Kind.PING, ACK, 0, bytes(8)), asked="16 MiB", sent=_TOO_LARGE),
    flood(
        "sets for ever",
        GREETING,
        again=GREETING,
        asked="16 MiB|broke|no reading of the request",
        sent="answer too large, connection lost",
    ),
    flood(
        "has interim heads for ever",
        GREETING,
        again=frame(Kind.HEADERS, END_HEADERS, 1, encode([(":status", "103")])),
        asked="16 MiB",
        sent=_TOO_LARGE,
    ),
)

TLS: Sequence[Habit] = (
    habit("never shakes hands", asked="no TLS connection within", sent=_TIMED_OUT),
    habit("closes in the handshake", then="close", asked="TLS|broke|closed", sent="connect failed"),
    habit("is no TLS", answer(), asked="no TLS connection can be made", sent="connect failed"),
    habit(
        "drips a handshake",
        b"\x16\x03\x03\x40\x00" + bytes(999),
        drips=True,
        asked="no TLS connection within",
        sent=_TIMED_OUT,
    ),
)
"""Servers that are spoken to over TLS, which they do not speak."""


class Misbehaving:
    """All servers of a table, each on a port of its own, in the table's order."""

    def __init__(self, habits: Sequence[Habit], *, once: bool = False) -> None:
        """`once`: each speaks once a connection, whatever else comes."""
        self._habits = habits
        self._once = once
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        ready: Future[list[int]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)))
        self._thread.start()
        self.ports = ready.result(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def urls(self, scheme: str = "http") -> list[str]:
        return [f"{scheme}://127.0.0.1:{port}" for port in self.ports]

    async def _main(self, ready: Future[list[int]]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        servers = [await asyncio.start_server(self._serving(one), "127.0.0.1", 0, backlog=256) for one in self._habits]
        ready.set_result([server.sockets[0].getsockname()[1] for server in servers])
        await self._stop.wait()
        for server in servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _serving(self, one: Habit):  # type: ignore[no-untyped-def]
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.CancelledError):
                while one.first or await reader.read(1 << 16):
                    await _say(one, writer)
                    if one.then == "close":
                        break
                    if one.then == "reset":
                        writer.transport.abort()
                        break
                    if one.first or self._once:
                        await reader.read()
                        break
            writer.close()

        return serve


async def _say(one: Habit, writer: asyncio.StreamWriter) -> None:
    for piece in (bytes([byte]) for byte in one.says) if one.drips else (one.says,):
        writer.write(piece)
        await writer.drain()
        if one.drips:
            await asyncio.sleep(_DRIP_S)
    if one.again:
        flood = one.again * max(1, _FLOOD // len(one.again))
        while not writer.transport.is_closing():
            writer.write(flood)
            await writer.drain()
            await asyncio.sleep(0)
