from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import StoreFailure
from tuner.files import create, write


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b.txt", b"one")
    write(tmp_path / "a" / "b.txt", b"two")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "b.txt", b"one")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreFailure, match=r"b\.txt: 3 bytes could not be written \(No space left on device\)"):
        write(tmp_path / "b.txt", b"two")
    assert (tmp_path / "b.txt").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_new_file_is_its_owners_alone_and_takes_the_place_of_none(tmp_path: Path) -> None:
    create(tmp_path / "b.txt", b"one")
    with pytest.raises(FileExistsError):
        create(tmp_path / "b.txt", b"two")
    assert (tmp_path / "b.txt").read_bytes() == b"one"
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o600
