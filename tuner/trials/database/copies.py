"""Copies of a database's studies on this machine: all that reads a study reads a folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tuner.trials.database.connection import Database
from tuner.trials.database.study import DatabaseStudy, names
from tuner.trials.folder import StudyFolder


def folder_of(database: Database) -> Path:
    """Where they are: one folder for each address, whatever its password."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "tuner" / "studies" / hashlib.sha256(database.shown.encode()).hexdigest()[:12]


def pull(database: Database, name: str, copies: Path) -> None:
    """Bring the copy of a study up to date; where there is none of that name, the journals of all, by which they are known.
    Raises StoreFailure."""
    study = DatabaseStudy(database, name)
    if study.is_there():
        study.pull(StudyFolder(copies / name))
    else:
        pull_journals(database, copies)


def pull_journals(database: Database, copies: Path) -> None:
    """Of all its studies; a copy of what is not there any more is no study. Raises StoreFailure."""
    there = names(database)
    for name in there:
        DatabaseStudy(database, name).pull_journal(StudyFolder(copies / name))
    for journal in copies.glob("*/journal.jsonl"):
        if journal.parent.name not in there:
            journal.unlink()
