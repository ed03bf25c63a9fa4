"""Trials beside each other: processes of this machine, each of which runs trials of one study, one at a time.

A process of its own, rather than a thread: an interrupt reaches the middle of a trial and takes it down, what one holds
(leases, connections, CPUs) is not another's, and one that dies takes no other with it.

They speak in lines of JSON. An order is an `Attempt` and the digest of the manifest that it renders to; what comes back is
``{"stage": [trial, text]}``, ``{"rate": requests a second}``, ``{"notice": text}``, and at last one of ``{"trial": a Trial}``,
``{"failed": text}`` and ``{"interrupted": text}``. What else is to be known, the study's folder says.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Self, cast

from tuner.errors import EnvironmentFailure
from tuner.printable import printable
from tuner.trials.codec import decode, encode
from tuner.trials.model import Proposal, Trial

_PIECE = 1 << 16
_TAIL_BYTES = 2000
_TAKEN_DOWN_WITHIN_S = 120.0
"""A trial on a cluster whose API server is slow to answer."""
_REPLACED = 2
"""So many processes that died are replaced within a study."""


class WorkerProcess:
    """One of them. It ends by itself, and takes down what it deployed, when its standard input closes: also when this
    process is killed. It has a session of its own: Ctrl-C in a terminal reaches only this process, which then decides."""

    def __init__(self, command: Sequence[str]) -> None:
        self._heard = bytearray()
        self._errors = tempfile.TemporaryFile("w+b", prefix="tuner-worker-")  # noqa: SIM115
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        self._stdin = cast("IO[bytes]", self._child.stdin)
        self._stdout = cast("IO[bytes]", self._child.stdout)
        self.proposal: Proposal | None = None
        """What it is at; None: nothing."""

    @property
    def pid(self) -> int:
        return self._child.pid

    def fileno(self) -> int:
        """Of what it says."""
        return self._stdout.fileno()

    def begin(self, proposal: Proposal) -> None:
        self.proposal = proposal
        order = {"attempt": encode(proposal.attempt), "digest": proposal.rendered.digest}
        with suppress(OSError):  # it died: whoever listens hears it
            self._stdin.write(json.dumps(order).encode() + b"\n")
            self._stdin.flush()

    def hear(self) -> list[Mapping[str, Any]] | None:
        """What it said since; None: it ended."""
        piece = os.read(self.fileno(), _PIECE)
        if not piece:
            return None
        self._heard += piece
        *lines, rest = bytes(self._heard).split(b"\n")
        self._heard = bytearray(rest)
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        """It is asked to end, and takes down what it deployed."""
        with suppress(OSError):
            self._stdin.close()

    def close(self, within_s: float) -> None:
        """Returns when it has ended; killed, should it take longer."""
        self.stop()
        try:
            self._drain(within_s)
        finally:
            if self._child.poll() is None:
                self._child.kill()
            self._child.wait()
            self._stdout.close()
            self._errors.close()

    def last_words(self) -> str:
        """How it died, and what it said last."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=5)
        status = self._child.returncode
        how = f"by signal {-status}" if status is not None and status < 0 else f"with status {status}"
        self._errors.seek(0)
        said = printable(self._errors.read()[-_TAIL_BYTES:].decode(errors="replace")).strip()
        return f"{how}; it said: {said or 'nothing'}"

    def _drain(self, within_s: float) -> None:
        """Hear it out: a full pipe would keep it from ending."""
        end = time.monotonic() + within_s
        with selectors.DefaultSelector() as waiting:
            waiting.register(self, selectors.EVENT_READ)
            while (left := end - time.monotonic()) > 0.0:
                if waiting.select(left) and self.hear() is None:
                    break
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(max(0.0, end - time.monotonic()))


class WorkerProcesses:
    """So many of them; implements the study's `Workers`. Leaving the context ends them all.

    Each is started when a trial is there for it, so that the second and later ones find what the baseline told.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        *,
        on_stage: Callable[[int, str], None],
        on_rate: Callable[[float], None],
        notice: Callable[[str], None],
    ) -> None:
        """`commands`: that of each. `on_rate` hears the common rate, as soon as a trial derived it."""
        self.number = len(commands)
        self._commands = commands
        self._on_stage = on_stage
        self._on_rate = on_rate
        self._notice = notice
        self._workers: dict[int, WorkerProcess] = {}
        self._waiting = selectors.DefaultSelector()
        self._ended: list[Trial] = []
        self._failure: BaseException | None = None
        """What ends the study, once the trials that ended before it are told."""
        self._replaced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.stop()
        self._waiting.close()
        end = time.monotonic() + _TAKEN_DOWN_WITHIN_S
        for worker in self._workers.values():
            worker.close(max(0.0, end - time.monotonic()))

    @property
    def pids(self) -> tuple[int, ...]:
        """Of those that were started."""
        return tuple(worker.pid for worker in self._workers.values())

    def start(self, proposal: Proposal) -> None:
        """Raises ValueError when none is free."""
        for place in range(self.number):
            worker = self._workers.get(place) or self._launched(place)
            if worker.proposal is None:
                worker.begin(proposal)
                return
        raise ValueError("no worker is free")

    def next(self) -> Trial:
        """Raises EnvironmentFailure where a worker cannot go on, KeyboardInterrupt where it was interrupted."""
        while not self._ended:
            if self._failure is not None:
                raise self._failure
            self.hear()
        return self._ended.pop(0)

    def hear(self) -> None:
        """Wait until one of them says something, or dies."""
        for key, _ in self._waiting.select():
            place = cast("int", key.data)
            said = self._workers[place].hear()
            for one in said or ():
                self._take(place, one)
            if said is None:
                self._replace(place)

    # inside

    def _launched(self, place: int) -> WorkerProcess:
        worker = WorkerProcess(self._commands[place])
        self._workers[place] = worker
        self._waiting.register(worker, selectors.EVENT_READ, place)
        return worker

    def _take(self, place: int, said: Mapping[str, Any]) -> None:
        if "stage" in said:
            number, stage = said["stage"]
            self._on_stage(number, stage)
        elif "rate" in said:
            self._on_rate(float(said["rate"]))
        elif "notice" in said:
            self._notice(str(said["notice"]))
        elif "interrupted" in said:
            self._failure = self._failure or KeyboardInterrupt(str(said["interrupted"]))
        elif "failed" in said:
            self._failure = self._failure or EnvironmentFailure(str(said["failed"]))
        elif "trial" in said:
            self._workers[place].proposal = None
            self._ended.append(decode(Trial, said["trial"]))

    def _replace(self, place: int) -> None:
        """One that died is started anew, and runs the trial that it was at."""
        worker = self._workers.pop(place)
        self._waiting.unregister(worker)
        words, proposal = worker.last_words(), worker.proposal
        worker.close(0.0)
        if proposal is None or self._failure is not None:
            return
        if self._replaced >= _REPLACED:
            self._failure = EnvironmentFailure(
                f"{self._replaced + 1} workers died, the last one {words}; put that right, then `tune resume` goes on"
            )
            return
        self._replaced += 1
        self._notice(f"the worker of trial {proposal.number} died {words}; another runs it again")
        self._launched(place).begin(proposal)
