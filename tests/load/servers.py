"""A small HTTP server on raw sockets that misbehaves on request, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import KW_ONLY, dataclass, field
from typing import Self

GOOD = json.dumps({"data": {"ndarray": [[0.1, 0.2, 0.7]]}, "meta": {"puid": "a"}}).encode()


def answer(body: bytes = GOOD, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def chunked(body: bytes = GOOD, size: int = 7) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: t\r\n\r\n"


_USUAL = answer()
CLOSING = answer(headers="Connection: close\r\n")
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n" + GOOD


@dataclass(eq=False)
class Server:
    """Answers each request by `reply(number, request)`, `number` counting from 0, or always the same."""

    reply: Callable[[int, bytes], bytes] | bytes = _USUAL
    _: KW_ONLY
    delay_s: float = 0.0
    """Before each answer."""
    close: bool = False
    """After each answer, close the connection."""
    half_close: bool = False
    """After each answer, close the sending side only."""
    lose_each: int = 0
    """At each so-manieth request of a connection, close it without an answer."""
    abort: bool = False
    """Lose connections by a reset instead."""
    dribble: bool = False
    """Send an answer a byte at a time."""
    one_at_a_time: bool = False
    """Like a worker that serves a connection until it ends."""
    tls: ssl.SSLContext | None = None
    """Speak TLS with this certificate."""
    requests: list[bytes] = field(init=False, default_factory=list)
    connections: int = field(init=False, default=0)
    by_connection: Counter[int] = field(init=False, default_factory=Counter)
    frozen_until: float = field(init=False, default=0.0)
    _writers: set[asyncio.StreamWriter] = field(init=False, default_factory=set)
    _freeze: tuple[int, float] | None = field(init=False, default=None)
    _death: int | None = field(init=False, default=None)

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def freeze_at(self, request: int, seconds: float) -> None:
        """Hold back all answers for `seconds`, from the arrival of the request of that number on."""
        self._freeze = (request, seconds)

    def die_at(self, request: int) -> None:
        """Stop listening and cut all connections when the request of that number arrives."""
        self._death = request

    def __enter__(self) -> Self:
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)))
        self._thread.start()
        self.port = ready.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _main(self, ready: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._turn = asyncio.Lock()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024, ssl=self.tls)
        ready.set_result(self._server.sockets[0].getsockname()[1])
        await self._stop.wait()
        self._cut()
        current = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        connection, self.connections = self.connections, self.connections + 1
        try:
            if self.one_at_a_time:
                async with self._turn:
                    await self._serve(connection, reader, writer)
            else:
                await self._serve(connection, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read(reader)
            number = len(self.requests)
            self.requests.append(request)
            self.by_connection[connection] += 1
            if number == self._death:
                self._cut()
                return
            if self.lose_each and self.by_connection[connection] % self.lose_each == 0:
                if self.abort:
                    writer.transport.abort()
                return
            if self._freeze is not None and number == self._freeze[0]:
                self.frozen_until = self._loop.time() + self._freeze[1]
            wait_s = max(self.delay_s, self.frozen_until - self._loop.time())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await self._send(writer, self.reply(number, request) if callable(self.reply) else self.reply)
            if self.half_close:
                writer.write_eof()
            if self.close:
                return

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for piece in (bytes([byte]) for byte in data) if self.dribble else (data,):
            writer.write(piece)
            await writer.drain()
            if self.dribble:
                await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)
