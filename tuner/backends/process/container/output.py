"""What a container writes to its standard output and error: kept in a file that cannot grow without end."""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_KEPT_BYTES = 4 * 1024 * 1024
"""Size at which a file is turned into the older of two; so between once and twice this is kept."""
_CHUNK = 64 * 1024
_CHUNKS_AT_ONCE = 64


class Output:
    """The reading end of a container's output and the file it goes to. Safe to use from several threads."""

    def __init__(self, file: Path, kept_bytes: int = _KEPT_BYTES) -> None:
        self._file = file
        self._older = file.with_name(file.name + ".1")
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._log = file.open("wb", buffering=0)
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)

    def fileno(self) -> int:
        return self._read_end

    def started(self) -> None:
        """The container holds the writing end now; ours is closed, so that its death is seen."""
        os.close(self.write_end)
        self.write_end = -1

    def pump(self) -> bool:
        """Move what is there to the file; False when the last writer is gone."""
        with self._lock:
            for _ in range(_CHUNKS_AT_ONCE if not self._log.closed else 0):
                try:
                    chunk = os.read(self._read_end, _CHUNK)
                except BlockingIOError:
                    return True
                if not chunk:
                    return False
                self._log.write(chunk)
                if self._log.tell() >= self._kept_bytes:
                    self._log.close()
                    self._file.replace(self._older)
                    self._log = self._file.open("wb", buffering=0)
            return True

    def tail(self, lines: int) -> list[str]:
        """The last lines, all that was written before this call among them."""
        self.pump()
        with self._lock:
            text = b"".join(path.read_bytes() for path in (self._older, self._file) if path.exists())
        return text.decode(errors="replace").splitlines()[-lines:] if lines > 0 else []

    def close(self) -> None:
        with self._lock:
            if self.write_end >= 0:
                self.started()
            if not self._log.closed:
                os.close(self._read_end)
                self._log.close()


class OutputPump:
    """One thread that empties the pipes of all containers, so that none ever waits to be read."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        for output in outputs:
            self._selector.register(output.fileno(), selectors.EVENT_READ, output)
        self._thread = threading.Thread(target=self._run, name="tuner-output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread; the outputs stay open and readable."""
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._wake_read:
                    return
                if not key.data.pump():
                    with suppress(KeyError):
                        self._selector.unregister(key.fd)
