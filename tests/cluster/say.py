"""What the scripts tell, and how they give up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable


class CannotError(Exception):
    """It cannot be had here; the text says why and what to do."""


def say(text: str) -> None:
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def exit_status(work: Callable[[], None]) -> int:
    """Of a script that does this work."""
    try:
        work()
    except CannotError as error:
        say(str(error))
        return 3
    except KeyboardInterrupt:
        return 130
    return 0


def watched(arguments: list[str], *, cwd: str, env: dict[str, str], what: str, every_s: float = 10.0) -> None:
    """Run a command that prints a line on standard error for each of `what` it has done; how many is said now and then.

    Raises CannotError with the last lines when it fails.
    """
    began = said = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(arguments, cwd=cwd, env=env, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            lines.append(line.rstrip())
            if time.monotonic() - said >= every_s:
                said = time.monotonic()
                say(f"{len(lines)} {what} done after {said - began:.0f} s, at {lines[-1][:100]}")
    if running.returncode:
        told = "\n".join(lines[-30:])
        raise CannotError(f"{' '.join(arguments)[:300]}: exit status {running.returncode}\n{told}")


def run(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None, cwd: str | None = None) -> str:
    """A command's standard output; raises CannotError with the end of its standard error when it fails."""
    done = subprocess.run(arguments, input=stdin, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr or done.stdout).strip()[-3000:]
        raise CannotError(f"{' '.join(arguments)[:300]}: exit status {done.returncode}\n{told}")
    return done.stdout
