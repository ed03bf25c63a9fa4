"""A cluster's programs are found again, also where the machine is slow to start them, and an early end has words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import daemons
from tests.cluster.say import CannotError, watched

pytestmark = pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid (util-linux) is not here")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNER_CLUSTER_STATE", str(tmp_path))
    yield
    daemons.end(daemons.ours)


def test_a_program_whose_session_comes_late_has_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a busy machine: the first process ends before the second has a session of its own."""
    slow = tmp_path / "bin" / "setsid"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nshift\n(sleep 0.5; exec {shutil.which("setsid")} "$@") &\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    daemons.start("holder", ["sleep", "60"])
    daemons.wait("the holder", lambda: daemons.pid("holder") is not None, 0.0, "holder")


def test_what_a_program_said_before_it_ended_is_told() -> None:
    daemons.start("holder", ["sh", "-c", "echo unshare failed: Operation not permitted; exit 1"])
    with pytest.raises(CannotError, match="the place: holder ended\nholder: unshare failed: Operation not permitted"):
        daemons.wait("the place", lambda: False, 20.0, "holder")


def test_a_program_that_ended_without_a_word() -> None:
    daemons.start("holder", ["true"])
    with pytest.raises(CannotError, match="the place: holder ended\nholder said nothing"):
        daemons.wait("the place", lambda: False, 20.0, "holder")


def test_what_takes_long_says_how_far_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    watched(["sh", "-c", "echo a >&2; echo b >&2"], cwd=str(tmp_path), env=dict(os.environ), what="things", every_s=0.0)
    assert "2 things done after 0 s, at b" in capsys.readouterr().err
    with pytest.raises(CannotError, match="exit status 3\nno such module"):
        watched(["sh", "-c", "echo no such module >&2; exit 3"], cwd=str(tmp_path), env=dict(os.environ), what="things")
