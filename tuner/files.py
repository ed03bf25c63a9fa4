"""Files that are on the disk when their writer returns. Lines added to a journal are `trials.journal`'s."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tuner.errors import StoreFailure


def write(path: Path, content: bytes) -> None:
    """Write a file, its folder too where there is none: afterwards it is on the disk, or it is as it was before.

    Raises StoreFailure naming the file, how much was to be written, and why it could not be.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise StoreFailure(
            f"{path}: {len(content)} bytes could not be written ({error.strerror}); make room there, or write elsewhere"
        ) from error


def create(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, for it may hold Secrets. Raises OSError; no file is replaced."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """The names in a folder, too, reach the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
