"""A command inside a container as a pipe: lines in, lines out, through the API server's exec stream."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress

from kubernetes.stream import ws_client
from websocket import WebSocketException

from tuner.backends.kubernetes.client.api import Api
from tuner.errors import ConnectionLost, GeneratorFailure

_FRAME_BYTES = 32 * 1024
"""What kubectl sends at a time; proxies on the way bound the size of a frame."""
_STALLED_S = 20.0
"""A frame that has begun to arrive is whole within this time, or the connection is broken."""
_PING_EVERY_S = 15.0
"""Load balancers on the way close what is silent for a minute, and a load window is."""
_TAIL_BYTES = 2000
_KILLED = 128 + 9


class ExecPipe:
    """Fits `tuner.load.model.Pipe`. Closing it closes the command's standard input, which ends a load generator."""

    def __init__(self, api: Api, pod: str, container: str, command: list[str], *, killed: Callable[[], str]) -> None:
        """`killed` says in words why a process may have been killed there. Raises as `Api.converse` does."""
        self._where = f"pod {pod}"
        self._killed = killed
        self._heard = bytearray()
        self._said = b""
        self._stream = api.converse(pod, container, command)
        self._stream.sock.settimeout(_STALLED_S)

    def send(self, line: str) -> None:
        content = f"{line}\n".encode()
        try:
            for at in range(0, len(content), _FRAME_BYTES):
                self._stream.write_stdin(content[at : at + _FRAME_BYTES])
        except (OSError, WebSocketException):
            self._listen(0.0)  # its last words may have come before
            raise self._end() from None

    def receive(self, patience_s: float) -> bytes:
        deadline = time.monotonic() + patience_s
        searched = 0
        while (end := self._heard.find(b"\n", searched)) < 0:
            searched = len(self._heard)
            if not self._stream.is_open():
                raise self._end()
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                self.close()
                raise GeneratorFailure(
                    f"the load generator was silent for {patience_s:.0f} s and was ended{self._words()}"
                )
            self._listen(min(left_s, _PING_EVERY_S))
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        return line

    def close(self) -> None:
        with suppress(OSError, WebSocketException):
            self._stream.close(timeout=1)
        with suppress(OSError, AttributeError):
            self._stream.sock.shutdown()  # closing leaves the socket open where the other side closed first

    def _listen(self, wait_s: float) -> None:
        """Take in what came; what breaks the connection ends the stream."""
        begin = time.monotonic()
        try:
            self._stream.update(timeout=wait_s)
            self._heard += self._stream.read_channel(ws_client.STDOUT_CHANNEL)
            self._said = (self._said + self._stream.read_channel(ws_client.STDERR_CHANNEL))[-_TAIL_BYTES:]
            if wait_s and time.monotonic() - begin >= _PING_EVERY_S:
                self._stream.sock.ping()
        except (OSError, WebSocketException):
            self._stream._connected = False

    def _end(self) -> GeneratorFailure:
        """What became of it: the command's own end, if the API server told it, else a broken connection."""
        told = self._stream.read_channel(ws_client.ERROR_CHANNEL) if not self._stream.is_open() else b""
        self.close()
        if not told:
            return ConnectionLost(f"the connection to the load generator in {self._where} broke{self._words()}")
        status = _exit_status(told)
        if status is None:
            return GeneratorFailure(f"the load generator in {self._where} ended: {told.decode(errors='replace')}")
        how = f"with status {status}" if status != _KILLED else f"by signal 9 ({self._killed()})"
        return GeneratorFailure(f"the load generator in {self._where} ended {how}{self._words()}")

    def _words(self) -> str:
        return f"; it said: {self._said.decode(errors='replace').strip() or 'nothing'}"


def _exit_status(told: bytes) -> int | None:
    """From the Status object that ends an exec stream; None: the command could not be run at all."""
    try:
        status = json.loads(told)
        if status["status"] == "Success":
            return 0
        return next(int(c["message"]) for c in status["details"]["causes"] if c["reason"] == "ExitCode")
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
