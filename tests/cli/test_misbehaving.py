"""Servers that would fill the memory, kill or hang whoever reads them, from the command line on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.tune import COMMAND
from tests.load.misbehaving import FLOODS, HTTP, Misbehaving
from tests.load.servers import Server, answer

MOST_BYTES = 300e6
"""Of memory, that the tuner and its load generator may each take."""
NAMES = ("is 1e20 bytes long", "packs a bomb", "has an endless line", "has an endless body", "has moved", "is SSH")


LAUNCH = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""
"""Between this process and the command: what a process took before it became the command counts as the command's."""


def bench(url: str, folder: Path) -> tuple[int, str, float]:
    """Exit status, what was said, and the most memory that the command or a process of it took, in bytes."""
    (folder / "request.json").write_text('{"x": [1]}')
    command = (*COMMAND, "bench", f"{url}/predict", "--body", "request.json")
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, "peak", *command, "--rate", "20/s", "--duration", "2s", "--timeout", "3s"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, int((folder / "peak").read_text()) * 1024


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_read_is_told_at_once(name: str, tmp_path: Path) -> None:
    one = next(habit for habit in (*HTTP, *FLOODS) if habit.name == name)
    with Misbehaving([one]) as servers:
        status, said, most_bytes = bench(servers.urls()[0], tmp_path)
    assert status == 3
    assert said.rstrip().count("tune: ") == 1
    assert "Traceback" not in said
    assert len(said) < 2000
    assert most_bytes < MOST_BYTES


def test_a_server_whose_answers_grow_without_bounds_in_the_middle_is_measured(tmp_path: Path) -> None:
    large = answer(b"x" * (20 << 20))
    with Server(lambda number, request: answer() if number < 5 else large) as server:
        status, said, most_bytes = bench(server.url, tmp_path)
    assert status in (0, 3), said  # a busy machine makes the generator late, which is refused
    assert "answer too large" in said or status == 3
    assert most_bytes < MOST_BYTES
