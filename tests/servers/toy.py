"""A tiny real model server for tests: HTTP/1.1 with keep-alive, the seldon REST form, ready in about 0.1 s.

    POST /api/v1.0/predictions   {"data": {"ndarray": [[1, 2], [3, 4]]}} -> {"data": {"ndarray": [[7], [15]]}, ...}
    GET  /health/status          200 once it serves

The answer for a row is twice its sum, plus one. The knobs are environment variables:

    PORT (or --port)      the port; HOST: the address, default 127.0.0.1
    TOY_WORKERS           how many requests are served at once (default 1); others wait their turn
    TOY_SERVICE_MS        time one request is served, default 1
    TOY_BUSY              1: that time is spent computing, not sleeping
    TOY_MEMORY_MB         memory held for the server's whole life
    TOY_IGNORE_SIGTERM    1: as servers that do not exit when asked to
    TOY_FAIL              crash, never-ready, wrong-answer, oom, oom-child (only a child process runs out of memory),
                          crash-later (after the first answered prediction), crash-asked (instead of answering it),
                          loading (503 to the first three), trickled-health (its answer never comes to an end)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time

MIB = 1024 * 1024
MEMORY_CAP_MIB = 2048  # `oom` stops here where no limit is enforced, rather than taking the machine down


class Toy:
    def __init__(self, env: dict[str, str]) -> None:
        self.fail = env.get("TOY_FAIL", "")
        self.loading = 3 if self.fail == "loading" else 0
        self.service_s = float(env.get("TOY_SERVICE_MS", "1")) / 1000
        self.busy = env.get("TOY_BUSY", "") == "1"
        self.turns = asyncio.Semaphore(int(env.get("TOY_WORKERS", "1")))
        self.held = bytearray(b"\x01") * (int(env.get("TOY_MEMORY_MB", "0")) * MIB)

    async def predict(self, body: bytes) -> tuple[int, dict[str, object]]:
        try:
            rows = json.loads(body)["data"]["ndarray"]
            answers = [[2 * sum(row) + 1] for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"status": {"status": "FAILURE", "info": f"not a prediction request: {error!r}", "code": 400}}
        async with self.turns:
            await self.serve()
        if self.fail == "wrong-answer":
            answers = [[answer[0] + 1] for answer in answers]
        return 200, {"data": {"names": ["t:0"], "ndarray": answers}, "meta": {}}

    async def serve(self) -> None:
        if not self.busy:
            await asyncio.sleep(self.service_s)
            return
        end = time.thread_time() + self.service_s
        while time.thread_time() < end:
            pass

    async def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, object]]:
        if path == "/health/status":
            return (503, {"ready": False}) if self.fail == "never-ready" else (200, {"ready": True})
        if path == "/api/v1.0/predictions" and method == "POST":
            if self.fail == "crash-asked":
                die("toy: crashing when asked, as asked")
            if self.loading:
                self.loading -= 1
                return 503, {"error": "the model is loading"}
            return await self.predict(body)
        return 404, {"status": {"status": "FAILURE", "info": f"no such path: {path}", "code": 404}}

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = request_line.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if self.fail == "trickled-health" and path == "/health/status":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not writer.is_closing():
                writer.write(b"X: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        status, document = await self.answer(method, path.partition("?")[0], body)
        keep = headers.get("connection", "").lower() != "close"
        payload = json.dumps(document).encode()
        writer.write(
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not OK'}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
            + payload
        )
        await writer.drain()
        if self.fail == "crash-later" and path == "/api/v1.0/predictions":
            die("toy: crashing after the first prediction, as asked")
        return keep


def die(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    os._exit(1)


def exhaust() -> None:
    """Take memory until the kernel ends this process."""
    held = [bytearray(b"\x01") * (16 * MIB) for _ in range(MEMORY_CAP_MIB // 16)]
    sys.exit(f"toy: {16 * len(held)} MiB taken and not killed")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "9000")))
    port = parser.parse_args().port
    env = dict(os.environ)
    fail = env.get("TOY_FAIL", "")
    if fail == "crash":
        sys.exit("toy: crashing at the start, as asked")
    if fail == "oom":
        exhaust()
    if fail == "oom-child" and os.fork() == 0:
        exhaust()
    if env.get("TOY_IGNORE_SIGTERM", "") == "1":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    toy = Toy(env)
    host = env.get("HOST", "127.0.0.1")
    server = await asyncio.start_server(toy.connection, host, port, backlog=1024)
    sys.stderr.write(f"toy: serving on {host}:{port}\n")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
