"""Where one deployment runs: its record, its scratch folder, its containers; made in order and removed whole."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tuner.backends.model import Deployment
from tuner.backends.process import ledger
from tuner.backends.process.container.contained import Contained, start, terminate
from tuner.backends.process.container.launch import Launch
from tuner.backends.process.container.output import Output, OutputPump
from tuner.backends.process.container.processes import identify, kill_all
from tuner.backends.process.enforcement import limits_of
from tuner.backends.process.sandbox import cgroup
from tuner.backends.process.sandbox.model import Limiter, Sandbox
from tuner.errors import BackendFailure
from tuner.manifests.model import Container

_POLLED_EVERY_S = 0.01
_REAPED_WITHIN_S = 1.0
_NAME_LENGTH = 60


class Workplace:
    """A context: whatever was started in it is gone when it is left, however it is left."""

    def __init__(self, deployment: Deployment, limiter: Limiter, state_dir: Path, grace_s: float) -> None:
        self.containers: list[Contained] = []
        self._deployment = deployment
        self._limiter = limiter
        self._grace_s = grace_s
        self._sandboxes: list[Sandbox] = []
        self._outputs: list[Output] = []
        self._pump: OutputPump | None = None
        try:
            self._entry = ledger.Entry(state_dir, f"trial {deployment.trial} of study {deployment.study}")
        except OSError as error:
            raise BackendFailure(f"no record of what runs can be kept in {state_dir}: {error}") from error
        self._scratch = Path(tempfile.gettempdir()) / f"tuner-{self._entry.name}"

    def __enter__(self) -> Self:
        self._entry.add(folder=self._scratch)
        self._scratch.mkdir(mode=0o700)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as last_to_first:
            last_to_first.callback(self._remove)
            last_to_first.callback(self._kill)
            self._ask_to_end()

    def folder(self, replica: int, container: int) -> Path:
        """HOME and TMPDIR of a container are made in it."""
        folder = self._scratch / f"{replica}.{container}"
        (folder / "home").mkdir(parents=True)
        (folder / "tmp").mkdir()
        return folder

    def start(self, replica: int, container: Container, launch: Launch, folder: Path) -> None:
        """Raises BackendFailure where the machine refuses."""
        several = len(self._deployment.pods.containers) > 1
        suffix = f"-{container.name}" if several else ""
        study = re.sub(r"[^\w.-]", "_", self._deployment.study, flags=re.ASCII)[:_NAME_LENGTH]
        name = cgroup.name_of(f"{study}-{self._deployment.trial}-{replica}{suffix}")
        limits = limits_of(container)
        self._entry.add(groups=self._limiter.directories(name))
        sandbox = self._limiter.create(name, limits)
        self._sandboxes.append(sandbox)
        try:
            output = Output(folder / "output.log")
            self._outputs.append(output)
            process = start(launch, sandbox, output)
        except OSError as error:
            raise BackendFailure(f"container {container.name} could not be started: {error}") from error
        self._entry.add(process=identify(process.pid))
        self.containers.append(
            Contained(
                replica=replica,
                container=container,
                label=f"replica {replica}, container {container.name}" if several else f"replica {replica}",
                launch=launch,
                limits=limits,
                sandbox=sandbox,
                process=process,
                output=output,
            )
        )

    def read_output(self) -> None:
        """From now on no container waits for its output to be read."""
        self._pump = OutputPump(self._outputs)

    def _ask_to_end(self) -> None:
        terminate(self._members())
        end = time.monotonic() + self._grace_s
        while self._members() and time.monotonic() < end:
            for one in self.containers:
                one.process.poll()
            time.sleep(_POLLED_EVERY_S)

    def _kill(self) -> None:
        kill_all(self._members())
        for one in self.containers:
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(_REAPED_WITHIN_S)

    def _remove(self) -> None:
        """The record goes last, so that what could not be removed now is found by the next `clean`."""
        if self._pump is not None:
            self._pump.close()
        for output in self._outputs:
            output.close()
        try:
            for sandbox in self._sandboxes:
                sandbox.remove()
            for group in self._entry.groups:  # of a sandbox that was being made, too
                cgroup.remove(group)
        except OSError as error:
            raise BackendFailure(f"a control group could not be removed: {error}") from error
        ledger.remove_folder(self._scratch)
        self._entry.close()

    def _members(self) -> list[int]:
        return [pid for one in self.containers for pid in one.members()]
