"""Stands in for the orchestrator of Seldon Core, with the words and variables that its operator gives that.

The graph comes in `ENGINE_PREDICTOR` (base64 of JSON). Unlike the real one, which looks into messages, this one hands bytes
on: over HTTP and gRPC to the only node of a graph, or, over HTTP alone, to each step of a chain what the last one answered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import http.server
import json
import os
import socket
import threading
from typing import Any

METHODS = {"TRANSFORMER": "transform-input", "MODEL": "predict"}
PROBES = (b"GET /ready ", b"GET /live ")


def chain(graph: dict[str, Any]) -> list[dict[str, Any]]:
    """The graph's nodes in turn, of which none has two children."""
    children = graph.get("children") or []
    return [graph] if not children else [graph, *chain(children[0])]


def ready(nodes: list[dict[str, Any]]) -> bool:
    for node in nodes:
        try:
            socket.create_connection(("127.0.0.1", port(node, "httpPort")), timeout=1.0).close()
        except OSError:
            return False
    return True


def port(node: dict[str, Any], which: str) -> int:
    return int(node["endpoint"].get(which) or node["endpoint"]["service_port"])


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def forward(listening: int, to: int, nodes: list[dict[str, Any]]) -> None:
    """All bytes, but for the probes, which are this program's own."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if first.startswith(PROBES):
            status = b"200 OK" if await asyncio.to_thread(ready, nodes) else b"503 Not Yet"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        try:
            back, there = await asyncio.open_connection("127.0.0.1", to)
        except OSError:
            writer.close()
            return
        there.write(first)
        await asyncio.gather(pump(reader, there), pump(back, writer))

    async with await asyncio.start_server(accept, "0.0.0.0", listening) as server:
        await server.serve_forever()


def walk(listening: int, nodes: list[dict[str, Any]]) -> None:
    class Orchestrator(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def do_GET(self) -> None:
            self.answer(200 if ready(nodes) else 503, b"")

        def do_POST(self) -> None:
            status, body = 200, self.rfile.read(int(self.headers["Content-Length"]))
            for node in nodes:
                if status == 200:
                    status, body = ask(port(node, "httpPort"), METHODS[node["type"]], body)
            self.answer(status, body)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http.server.ThreadingHTTPServer(("0.0.0.0", listening), Orchestrator).serve_forever()


def ask(to: int, method: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", to, timeout=10)
    try:
        connection.request("POST", f"/{method}", body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http_port", type=int, required=True)
    parser.add_argument("--grpc_port", type=int, required=True)
    given, _ = parser.parse_known_args()
    nodes = chain(json.loads(base64.b64decode(os.environ["ENGINE_PREDICTOR"]))["graph"])
    if len(nodes) > 1:
        walk(given.http_port, nodes)
        return
    (node,) = nodes
    over_grpc = forward(given.grpc_port, port(node, "grpcPort"), nodes)
    threading.Thread(target=asyncio.run, args=(over_grpc,), daemon=True).start()
    asyncio.run(forward(given.http_port, port(node, "httpPort"), nodes))


if __name__ == "__main__":
    main()
