"""What runs the command in these tests, itself."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.tune import end

_TIDIES_UP = """
import time
try:
    print("running", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    raise SystemExit(130)
"""
_DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("running", flush=True)
time.sleep(60)
"""


def started(program: str) -> subprocess.Popen[str]:
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "running\n"
    return running


def test_what_takes_too_long_is_let_tidy_up() -> None:
    running = started(_TIDIES_UP)
    end(running)
    assert running.returncode == 130


def test_what_does_not_end_is_killed() -> None:
    running = started(_DEAF)
    end(running, within_s=0.1)
    assert running.returncode == -9
