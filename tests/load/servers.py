"""A small HTTP server on raw sockets that misbehaves on request, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self

GOOD = json.dumps({"data": {"ndarray": [[0.1, 0.2, 0.7]]}, "meta": {"puid": "a"}}).encode()


def answer(body: bytes = GOOD, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def chunked(body: bytes = GOOD, size: int = 7) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: t\r\n\r\n"


CLOSING = answer(headers="Connection: close\r\n")
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n" + GOOD


class Server:
    """Answers each request by `reply(number, request)`, `number` counting from 0.

    delay_s           before each answer
    close             after each answer, close the connection
    lose_each         at each so-manieth request of a connection, close it without an answer
    half_close        after each answer, close the sending side only
    dribble           send an answer a byte at a time
    one_at_a_time     like a worker that serves a connection until it ends
    tls               speak TLS with this certificate
    """

    def __init__(
        self,
        reply: Callable[[int, bytes], bytes] | bytes | None = None,
        *,
        delay_s: float = 0.0,
        close: bool = False,
        half_close: bool = False,
        lose_each: int = 0,
        dribble: bool = False,
        one_at_a_time: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        fixed = answer() if reply is None else reply
        self.reply = fixed if callable(fixed) else lambda number, request: fixed
        self.delay_s = delay_s
        self.close = close
        self.half_close = half_close
        self.lose_each = lose_each
        self.dribble = dribble
        self.one_at_a_time = one_at_a_time
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self.by_connection: Counter[int] = Counter()
        self.frozen_until = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._turn: asyncio.Lock | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def freeze_at(self, request: int, seconds: float) -> None:
        """Hold back all answers for `seconds`, from the arrival of the request of that number on."""
        self._freeze = (request, seconds)

    _freeze: tuple[int, float] | None = None

    def die_at(self, request: int) -> None:
        """Stop listening and cut all connections when the request of that number arrives."""
        self._death = request

    _death: int | None = None

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
                assert self._turn is not None
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
                return
            if self._freeze is not None and number == self._freeze[0]:
                self.frozen_until = self._loop.time() + self._freeze[1]
            wait_s = max(self.delay_s, self.frozen_until - self._loop.time())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await self._send(writer, self.reply(number, request))
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
