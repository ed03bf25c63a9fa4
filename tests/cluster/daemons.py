"""Programs that run on after the script: started with a log, remembered by process id and start time, ended by them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cluster.places import state
from tests.cluster.say import CannotError


def start(name: str, arguments: list[str], *, env: dict[str, str] | None = None) -> None:
    """Start a program in a session of its own, its output in `log/NAME.log`."""
    for folder in ("run", "log"):
        (state() / folder).mkdir(exist_ok=True)
    with (state() / "log" / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
    record = {"pid": process.pid, "started": _start_time(process.pid)}
    (state() / "run" / f"{name}.json").write_text(json.dumps(record))


def running(name: str) -> bool:
    return _pid(state() / "run" / f"{name}.json") is not None


def names() -> list[str]:
    return sorted(path.stem for path in (state() / "run").glob("*.json"))


def stop(name: str, patience_s: float = 10.0) -> None:
    """End a program by its own id: asked first, then killed."""
    record = state() / "run" / f"{name}.json"
    pid = _pid(record)
    if pid is not None:
        _end([pid], patience_s)
    record.unlink(missing_ok=True)


def end_strays() -> None:
    """End whatever still runs with a path of our state folder in its command line (shims, a half-started program)."""
    mine = str(state()).encode()
    _end([pid for pid, line in _command_lines() if mine in line and pid != os.getpid()], 5.0)


def wait(what: str, ready: Callable[[], bool], patience_s: float, *needs: str) -> None:
    """Poll until `ready`; raises CannotError with the log's end when it takes too long or a needed program died."""
    deadline = time.monotonic() + patience_s
    while not ready():
        dead = [name for name in needs if not running(name)]
        if dead or time.monotonic() > deadline:
            why = f"{dead[0]} died" if dead else f"not within {patience_s:.0f} s"
            raise CannotError(f"{what}: {why}\n{tail(dead[0] if dead else needs[-1])}")
        time.sleep(0.05)


def tail(name: str) -> str:
    path = state() / "log" / f"{name}.log"
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:]) if path.exists() else ""


def _end(pids: list[int], patience_s: float) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + patience_s
        while pids and time.monotonic() < deadline:
            pids = [pid for pid in pids if _alive(pid)]
            time.sleep(0.02)
        if not pids:
            return


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _pid(record: Path) -> int | None:
    """The recorded process, if it is still that one."""
    try:
        known = json.loads(record.read_text())
    except (OSError, ValueError):
        return None
    pid = int(known["pid"])
    return pid if _start_time(pid) == known["started"] and _alive(pid) else None


def _start_time(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _command_lines() -> Iterator[tuple[int, bytes]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), path.read_bytes()
