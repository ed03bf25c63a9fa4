"""Virtual environments made from a requirements file, once for each content of it and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tuner.errors import BackendFailure

_SHOWN_LINES = 15


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/tuner/venvs``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tuner" / "venvs"


def venv_folder(requirements: Path, cache: Path) -> Path:
    """Where the environment of this file lives: the name is a hash of its text and of the Python it is made with."""
    python = f"{platform.python_implementation()} {platform.python_version()} {sys.base_prefix}"
    digest = hashlib.sha256(python.encode() + b"\0" + requirements.read_bytes()).hexdigest()
    return cache / digest[:16]


def make(requirements: Path, cache: Path | None = None) -> Path:
    """The environment with these packages, made now where it does not exist yet. Raises BackendFailure.

    It is complete or absent: a marker is written last, and an environment without it is made anew. An environment
    cannot be moved once made (its scripts hold its path), so it is built in place under a lock.
    """
    folder = venv_folder(requirements, cache if cache is not None else cache_folder())
    if _complete(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _Lock(folder.with_suffix(".lock")):
        if _complete(folder):  # another tuner made it while we waited
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", str(folder)], requirements)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
            _run([*pip, "-r", str(requirements)], requirements)
            (folder / "complete").touch()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def _complete(folder: Path) -> bool:
    return (folder / "complete").exists()


def _run(command: list[str], requirements: Path) -> None:
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=requirements.parent
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-_SHOWN_LINES:])
        raise BackendFailure(
            f"the virtual environment of {requirements} could not be made: {' '.join(command)} ended with status "
            f"{done.returncode}:\n{tail}"
        )


class _Lock:
    """One maker at a time, across processes; the kernel gives it up when its holder dies."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        import fcntl

        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
