"""Programs that run on after the script.

Each is started in a session of its own with a mark in its environment, which whatever it starts inherits. So all of
them are found again from the process table alone, also when the script was killed before it could note anything; and
nothing else is ever taken for one of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.cluster.places import state
from tests.cluster.say import CannotError

_MARK = "TUNER_CLUSTER_DAEMON"
_FRUGAL = {"GOGC": "400", "GOMAXPROCS": "1"}
"""Go's collector of garbage runs when the heap is five times what lives, not twice, and its threads do not look for work in
each other's queues: an idle cluster takes a third of a CPU, which tests beside it want."""
_BEGUN_WITHIN_S = 30.0
_ENDED_AFTER_S = 1.0
"""A program is not seen for a moment while it becomes another: the kernel gives its new environment away late."""


def start(name: str, arguments: list[str]) -> None:
    """Start a program, its output in `log/NAME.log`, its command line kept for `again`."""
    for folder in ("run", "log"):
        (state() / folder).mkdir(exist_ok=True)
    (state() / "run" / f"{name}.json").write_text(json.dumps(arguments))
    again(name)


def again(name: str) -> None:
    """Start a program that was stopped, as it was started before.

    It runs in a session of its own when this returns, or has ended: on a busy machine setsid may take a while to get
    there after its first process has ended, and until then it is not told from what the program started.
    """
    arguments = json.loads((state() / "run" / f"{name}.json").read_text())
    env = {"PATH": os.environ["PATH"], "HOME": str(state()), **_FRUGAL, _MARK: f"{state()}:{name}"}
    log = str(state() / "log" / f"{name}.log")
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # Not subprocess.Popen, which warns of a process that is meant to outlive it; and forked once more, so that it is
    # no child of whoever starts it: a test run counts its own.
    forked = os.posix_spawnp("setsid", ["setsid", "--fork", *arguments], env, file_actions=streams)
    os.waitpid(forked, 0)
    here, deadline = os.getsid(0), time.monotonic() + _BEGUN_WITHIN_S
    while time.monotonic() < deadline and any(owner == name and _session(found) == here for found, owner in _marked()):
        time.sleep(0.01)


def pid(name: str) -> int | None:
    """The program's own process (not what it started), if it runs."""
    return next((found for found, owner in _marked() if owner == name and _session(found) == found), None)


def stop(name: str) -> None:
    """End one program at once; what it started runs on."""
    found = pid(name)
    if found is not None:
        end(lambda: {found} & {alive for alive, _ in _marked()})


def names() -> list[str]:
    return sorted(path.stem for path in (state() / "run").glob("*.json"))


def ours() -> set[int]:
    """Every process of the cluster outside its pods."""
    return {found for found, _ in _marked()}


def end(living: Callable[[], Iterable[int]], patience_s: float = 20.0) -> None:
    """Kill what `living` finds until it finds nothing: a killed one may have started another a moment before."""
    deadline = time.monotonic() + patience_s
    while pids := set(living()):
        if time.monotonic() > deadline:
            raise CannotError(f"processes {sorted(pids)} do not end; run `scripts/cluster down` again")
        for found in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(found, os.WNOHANG)
        time.sleep(0.02)


def wait(what: str, ready: Callable[[], bool], patience_s: float, *needs: str) -> None:
    """Poll until `ready`; raises CannotError with a log's end when it takes too long or a needed program ended."""
    deadline = time.monotonic() + patience_s
    seen = dict.fromkeys(needs, time.monotonic())
    while not ready():
        now = time.monotonic()
        seen.update({name: now for name in needs if pid(name) is not None})
        ended = [name for name in needs if now - seen[name] > _ENDED_AFTER_S]
        if ended or now > deadline:
            why = f"{ended[0]} ended" if ended else f"not there within {patience_s:.0f} s"
            raise CannotError(f"{what}: {why}{_tails(ended or needs)}")
        time.sleep(0.05)


def _tails(names: Iterable[str]) -> str:
    """The ends of the programs' logs."""
    told = ""
    for name in names:
        path = state() / "log" / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-15:] if path.exists() else []
        told += "".join(f"\n{name}: {line}" for line in lines) or f"\n{name} said nothing"
    return told


def _session(process: int) -> int | None:
    """None: the process has ended."""
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return None


def _marked() -> Iterator[tuple[int, str]]:
    """Process id and name of whatever carries our mark; a process that has ended has no environment left."""
    mark = f"{_MARK}={state()}:".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            for entry in path.read_bytes().split(b"\0"):
                if entry.startswith(mark):
                    yield int(path.parent.name), entry.removeprefix(mark).decode()
