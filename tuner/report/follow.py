"""A page that is served on this machine while what it tells of goes on: it asks again, and is told only what is new."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tuner.errors import InputError

HOST = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")
"""By which a browser of this machine asks; by any other name, a page of somebody else would be asking (DNS rebinding)."""


class Page:
    """Made anew where what it is made of has changed, by one thread at a time."""

    def __init__(self, make: Callable[[], str], version: Callable[[], str]) -> None:
        """`version` changes with what `make` makes; it is asked often, and costs little."""
        self._make, self._version = make, version
        self._lock = threading.Lock()
        self._known: tuple[str, bytes] | None = None

    def now(self) -> tuple[str, bytes]:
        """The version, as an entity tag, and the page's bytes. Raises what `make` raises."""
        with self._lock:
            version = f'"{hashlib.sha256(self._version().encode()).hexdigest()[:16]}"'
            if self._known is None or self._known[0] != version:
                self._known = (version, self._make().encode())
            return self._known


@contextmanager
def serving(page: Page, port: int, failed: Callable[[Exception], None]) -> Iterator[str]:
    """The page's address while it is served, on this machine alone; `port` 0: any that is free. `failed` hears of a page
    that could not be made, which the browser is told as well. Raises InputError where the port cannot be had."""
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(page, failed))
    except OSError as error:
        message = f"port {port} cannot be had ({error.strerror})"
        raise InputError.at("--port", message, "choose another one, or leave it out") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(page: Page, failed: Callable[[Exception], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            if (self.headers.get("Host") or "").partition(":")[0] not in _NAMES:
                self._answer(HTTPStatus.FORBIDDEN, b"ask by http://127.0.0.1\n", "text/plain")
                return
            if self.path != "/":
                self._answer(HTTPStatus.NOT_FOUND, b"there is one page: /\n", "text/plain")
                return
            try:
                version, content = page.now()
            except Exception as error:
                failed(error)
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error}\n".encode(), "text/plain")
                return
            if self.headers.get("If-None-Match") == version:
                self._answer(HTTPStatus.NOT_MODIFIED, b"", "text/html", version)
            else:
                self._answer(HTTPStatus.OK, content, "text/html", version)

        def _answer(self, status: HTTPStatus, content: bytes, kind: str, version: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            if version:
                self.send_header("ETag", version)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
            """Nobody reads who asked."""

    return Handler
