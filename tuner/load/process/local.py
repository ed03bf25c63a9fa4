"""The load generator as a process of its own on this machine, or as several."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, cast

from tuner.errors import GeneratorFailure
from tuner.load.model import Target
from tuner.load.process.piped import PipedGenerator
from tuner.load.process.several import SeveralGenerator

_TAIL_BYTES = 2000
_PIECE = 1 << 20


class ProcessPipe:
    """A `Pipe` to a child process.

    The child ends by itself when its standard input closes, that is also when this process is killed. It has a session
    of its own: Ctrl-C in a terminal reaches only this process, which then decides.
    """

    def __init__(self) -> None:
        self._heard = bytearray()
        self._errors = tempfile.TemporaryFile("w+b", prefix="tuner-load-")  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuner.load", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._stdin = cast("IO[bytes]", self._child.stdin)
        self._stdout = cast("IO[bytes]", self._child.stdout)

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, line: str) -> None:
        try:
            self._stdin.write(f"{line}\n".encode())
            self._stdin.flush()
        except (OSError, ValueError):
            raise self._death("ended") from None

    def receive(self, patience_s: float) -> bytes:
        deadline = time.monotonic() + patience_s
        searched = 0
        while (end := self._heard.find(b"\n", searched)) < 0:
            searched = len(self._heard)
            ready, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self._child.kill()
                raise self._death(f"was silent for {patience_s:.0f} s and was ended")
            piece = os.read(self._stdout.fileno(), _PIECE)
            if not piece:
                raise self._death("ended")
            self._heard += piece
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        return line

    def close(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()
        self._errors.close()

    def _death(self, what: str) -> GeneratorFailure:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=5)
        self._errors.seek(0)
        said = self._errors.read()[-_TAIL_BYTES:].decode(errors="replace").strip()
        status = self._child.returncode
        how = f" by signal {-status}" if status is not None and status < 0 else f" with status {status}"
        return GeneratorFailure(f"the load generator {what}{how}; it said: {said or 'nothing'}")


class LocalGenerator(PipedGenerator):
    """A `Generator` in a child process; leaving the context ends it."""

    def __init__(self, target: Target) -> None:
        self._process = ProcessPipe()
        super().__init__(target, lambda: self._process)

    @property
    def pid(self) -> int:
        return self._process.pid


def local_generator(target: Target, processes: int | None = None) -> LocalGenerator | SeveralGenerator:
    """As many processes as the target has CPUs, each on its own, at least one. Raises ValueError for more than that."""
    count = max(1, len(target.cpus)) if processes is None else processes
    return LocalGenerator(target) if count == 1 else SeveralGenerator(target, ProcessPipe, count)
