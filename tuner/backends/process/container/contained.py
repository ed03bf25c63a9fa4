"""One container of one replica as it runs: its process, its sandbox and its output."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from tuner.backends.process.container.launch import Launch
from tuner.backends.process.container.output import Output
from tuner.backends.process.container.processes import session_members, tree
from tuner.backends.process.sandbox.model import Limits, Sandbox
from tuner.manifests.model import Container

_ENTER_AND_BECOME = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"'
"""Enters the sandbox before it becomes the server: nothing of that runs outside. Arguments are positional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    replica: int
    container: Container
    label: str
    """``replica 0``, with the container's name where the pod has several."""
    launch: Launch
    limits: Limits
    sandbox: Sandbox
    process: subprocess.Popen[bytes]
    output: Output

    def members(self) -> tuple[int, ...]:
        """All its processes, however deep; without a sandbox that knows them, those that did not leave its session."""
        inside = self.sandbox.members()
        if self.sandbox.directories:
            return inside
        return tuple(dict.fromkeys((*tree(self.process.pid), *session_members(self.process.pid))))


def start(launch: Launch, sandbox: Sandbox, output: Output) -> subprocess.Popen[bytes]:
    """Start the server in its sandbox, as the leader of a session of its own: a Ctrl-C of ours is not sent to it.

    The CPUs are those of this thread for the moment of the start, which the child inherits.
    """
    command = ["/bin/sh", "-c", _ENTER_AND_BECOME, "tuner", *map(str, sandbox.entrances), "--", *launch.argv]
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sandbox.cpus)
    try:
        return subprocess.Popen(
            command,
            cwd=launch.folder,
            env=dict(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=output.write_end,
            stderr=output.write_end,
            start_new_session=True,
        )
    finally:
        os.sched_setaffinity(0, ours)
        output.started()


def terminate(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
