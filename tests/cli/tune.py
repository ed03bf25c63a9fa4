"""Runs the `tune` command as a user does: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.mlflow_store import give_store

TOY = Path(__file__).parent.parent / "servers" / "toy"
COMMAND = (sys.executable, "-c", "from tuner.cli import main; main()")


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Tune:
    """`tune` in the working folder `folder`."""

    folder: Path
    kubeconfig: Path | None = None
    """The cluster to work on; None: that of this environment."""

    def __call__(self, *arguments: str | Path, stdin: str | None = None, within_s: float | None = None) -> Done:
        """Within `within_s` (None: as long as the test may take, whose own limit ends it too), else raises
        subprocess.TimeoutExpired, once nothing that it started is left."""
        running = self.start(*arguments, stdin=None if stdin is None else subprocess.PIPE)
        try:
            out, err = running.communicate(stdin, timeout=within_s)
        except BaseException:  # also that of a test that took too long
            end(running)
            raise
        return Done(running.returncode, out, err)

    def start(self, *arguments: str | Path, stdin: int | None = None) -> subprocess.Popen[str]:
        if arguments[:1] == ("run",) and "--tracking-uri" not in arguments and "--in-cluster" not in arguments:
            give_store(self.folder / "mlflow.db")  # where its study looks for it
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        """State of our own, so that tests neither see nor clean what another tuner on this machine runs."""
        own = {"XDG_STATE_HOME": str(self.folder / "state"), "NO_COLOR": "1", "COLUMNS": "120"}
        cluster = {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}
        return {**os.environ, **own, **cluster}


def end(running: subprocess.Popen[str], within_s: float = 30.0) -> None:
    """Interrupt it, so that it takes its servers with it: killed, it would leave them to the next tuner of its folder,
    and there is none in a test's."""
    running.send_signal(signal.SIGINT)
    try:
        running.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()


def interrupt(running: subprocess.Popen[str], at: str, sign: signal.Signals = signal.SIGINT) -> tuple[str, str]:
    """Send a signal as soon as a line of its standard error begins so; what it printed after that, both streams."""
    assert running.stderr is not None
    assert any(line.startswith(at) for line in running.stderr)
    running.send_signal(sign)
    return running.communicate(timeout=60)
