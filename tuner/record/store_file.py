"""A new SQLite store that is there as a whole or not at all.

MLflow makes its tables one by one, for seconds. Killed in the midst of it, it would leave a file that neither it nor
anyone else can use: the next one finds some tables there already and gives up.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def make_whole(file: Path, make: Callable[[Path], object]) -> None:
    """Have `make` make a store elsewhere, and put it where `file` is to be, unless that is there by then.

    Raises what `make` does, OSError and sqlite3.Error.
    """
    if file.exists():
        return
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    with tempfile.TemporaryDirectory(prefix="tuner-mlflow-") as folder:
        made = Path(folder) / file.name
        make(made)
        try:
            # not copied as a file: part of it may still be in a journal beside it
            with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(new)) as target:
                source.backup(target)
            _put(new, file)
        finally:
            new.unlink(missing_ok=True)


def _put(new: Path, file: Path) -> None:
    """Unlike `tuner.files.write`, which replaces what is there, it leaves another process's store as it is."""
    try:
        os.link(new, file)
    except FileExistsError:
        return
    except OSError:  # not every file system has hard links
        if not file.exists():
            new.replace(file)
