"""A store that is there as a whole or not at all, also when whoever makes it is killed."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.mlflow_store import OPENS
from tuner.record.store_file import make_whole


def write(file: Path, value: str = "mine") -> None:
    with closing(sqlite3.connect(file)) as store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE it (value TEXT)")
        store.execute("INSERT INTO it VALUES (?)", (value,))
        store.commit()


def held(file: Path) -> str:
    with closing(sqlite3.connect(file)) as store:
        ((value,),) = store.execute("SELECT value FROM it").fetchall()
    return str(value)


def test_it_holds_what_was_made_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    make_whole(file, write)
    assert held(file) == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    write(file, "another's")
    make_whole(file, lambda _: pytest.fail("it is there"))
    assert held(file) == "another's"


def test_the_first_of_two_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "store.db"

    def slow(made: Path) -> None:
        write(made)
        write(file, "another's")

    make_whole(file, slow)
    assert held(file) == "another's"
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    file = tmp_path / "store.db"
    make_whole(file, write)
    assert held(file) == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_one_that_cannot_be_made_is_not_there(tmp_path: Path) -> None:
    def fails(made: Path) -> None:
        write(made)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        make_whole(tmp_path / "store.db", fails)
    assert list(tmp_path.iterdir()) == []


def test_killed_while_mlflow_makes_its_tables(tmp_path: Path) -> None:
    file, temporary = tmp_path / "mlflow.db", tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-c", OPENS, f"sqlite:///{file}"]
    making = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)})
    while not any(path.stat().st_size for path in temporary.glob("tuner-mlflow-*/mlflow.db")):
        assert making.poll() is None
        time.sleep(0.001)
    making.kill()
    making.wait()
    assert not file.exists()
    subprocess.run(command, check=True)
    assert file.stat().st_size
