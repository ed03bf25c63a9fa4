"""Files that are on the disk when their writer returns. Lines added to a journal are `trials.journal`'s."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from tuner.errors import StoreFailure

_LARGEST_INPUT = 256 * 1024 * 1024


def read_input(path: Path) -> bytes:
    """The content of a file that a user named, nothing of the null device.

    Raises OSError, also for what may never end (a pipe, another device).
    """
    if path == Path(os.devnull):
        return b""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device; write its content into a file first", str(path))
        content = file.read(_LARGEST_INPUT + 1)
    if len(content) > _LARGEST_INPUT:
        raise OSError(errno.EFBIG, f"it has more than {_LARGEST_INPUT >> 20} MiB", str(path))
    return content


def write(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file, its folder too where there is none: afterwards it is on the disk, or it is as it was before.

    `private`: only its owner may read it. Raises StoreFailure naming the file, how much was to be written, and why it
    could not be.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "wb") as file:
            if private:
                os.fchmod(descriptor, 0o600)  # what an earlier attempt left keeps its mode
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
