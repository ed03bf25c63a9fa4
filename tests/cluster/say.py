"""What the scripts tell, and how they give up."""

from __future__ import annotations

import subprocess
import sys
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


def run(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None, cwd: str | None = None) -> str:
    """A command's standard output; raises CannotError with the end of its standard error when it fails."""
    done = subprocess.run(arguments, input=stdin, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr or done.stdout).strip()[-3000:]
        raise CannotError(f"{' '.join(arguments)[:300]}: exit status {done.returncode}\n{told}")
    return done.stdout
