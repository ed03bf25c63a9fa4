"""Files written whole or not at all."""

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
