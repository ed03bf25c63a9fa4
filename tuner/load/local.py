"""The load generator as a process of its own on this machine."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Any, Self, cast

from tuner.errors import GeneratorFailure
from tuner.load.lines import stage_line, target_line
from tuner.load.model import Stage, Target
from tuner.load.samples_file import read
from tuner.measure.model import Samples

_GRACE_S = 30.0
"""How much longer than its window and time-out a stage may take before the generator counts as hung."""
_TAIL_BYTES = 2000


class LocalGenerator:
    """A `Generator` in a child process; leaving the context ends it.

    The child starts at once, so that it is ready when the server is. It ends by itself when its standard input
    closes, that is also when this process is killed. It has a session of its own: Ctrl-C in a terminal reaches only
    this process, which then decides.
    """

    def __init__(self, target: Target) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tuner-load-", ignore_cleanup_errors=True)
        self._numbers = count()
        self._heard = b""
        self._errors = Path(self._folder.name, "stderr").open("w+b")  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuner.load", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._stdin = cast("IO[bytes]", self._child.stdin)
        self._stdout = cast("IO[bytes]", self._child.stdout)
        with suppress(GeneratorFailure):  # a child that is already dead is reported by the first stage
            self._say(target_line(target))

    @property
    def pid(self) -> int:
        return self._child.pid

    def run(self, stage: Stage) -> Samples:
        """Send one window. Raises GeneratorFailure when the generator failed, with what it said last."""
        out = Path(self._folder.name, f"{next(self._numbers)}.npz")
        self._say(stage_line(stage, out))
        answer = self._hear(stage.duration_s + stage.timeout_s + _GRACE_S)
        if "error" in answer:
            raise GeneratorFailure(f"the load generator: {answer['error']}")
        samples = read(out)
        out.unlink()
        if len(samples) != answer.get("rows"):
            raise GeneratorFailure(f"the load generator wrote {len(samples)} rows and said {answer.get('rows')}")
        return samples

    def close(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()
        self._errors.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, line: str) -> None:
        try:
            self._stdin.write(f"{line}\n".encode())
            self._stdin.flush()
        except (OSError, ValueError):
            raise self._death("ended") from None

    def _hear(self, patience_s: float) -> dict[str, Any]:
        """The child's next line. Raises GeneratorFailure when it died or stays silent."""
        deadline = time.monotonic() + patience_s
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self._child.kill()
                raise self._death(f"was silent for {patience_s:.0f} s and was ended")
            piece = os.read(self._stdout.fileno(), 65536)
            if not piece:
                raise self._death("ended")
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            raise GeneratorFailure(f"the load generator answered {line[:200]!r}, which is not JSON") from None
        return answer

    def _death(self, what: str) -> GeneratorFailure:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=5)
        self._errors.seek(0)
        said = self._errors.read()[-_TAIL_BYTES:].decode(errors="replace").strip()
        status = self._child.returncode
        how = f" by signal {-status}" if status is not None and status < 0 else f" with status {status}"
        return GeneratorFailure(f"the load generator {what}{how}; it said: {said or 'nothing'}")
