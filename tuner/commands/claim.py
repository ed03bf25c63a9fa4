"""Where a study is kept: a folder and its journal, that no other process can have meanwhile; and, of a study in a database,
its truth there, of which the folder is a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import InputError, StoreFailure
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import Journal

if TYPE_CHECKING:
    from tuner.trials.database.connection import Database
    from tuner.trials.database.study import DatabaseStudy


_MORE_S = 10.0


@dataclass(frozen=True, slots=True)
class Claim:
    folder: StudyFolder
    journal: Journal
    study: DatabaseStudy | None = None
    """Of a study in a database."""

    def keep(self) -> None:
        """The files of the folder are kept where the study is. Raises StoreFailure."""
        if self.study is not None:
            self.study.push(self.folder)


@contextmanager
def new(studies: Path, name: str | None, default: str, database: Database | None) -> Iterator[Claim]:
    """A study that has not begun: of the name asked for, or of the default with the next free number. Raises InputError,
    StoreFailure."""
    if database is None:
        folder, journal = _claimed(studies, name, default)
        with journal:
            yield Claim(folder, journal)
        return
    from tuner.trials.database.study import DatabaseStudy
    from tuner.trials.folder import checked_name

    wanted = [checked_name(name)] if name is not None else _numbered(default)
    for one in wanted:
        study = DatabaseStudy(database, one)
        if study.is_there():
            continue
        folder = StudyFolder(studies / one)
        with study.held(folder):
            if study.is_there():
                continue
            shutil.rmtree(folder.root, ignore_errors=True)  # a copy, of another study that is gone
            with Journal.open(folder.journal, study) as journal:
                yield Claim(folder, journal, study)
            return
    fix = f"go on with `tune resume {name}`, or choose another name"
    raise InputError.at(database.shown, f"a study {name} is there already", fix)


@contextmanager
def taken_up(folder: StudyFolder, database: Database | None, *, patient: bool = False) -> Iterator[Claim]:
    """A study that has begun. `patient`: one that had it may have died a moment ago, which is waited for. Raises InputError
    where another process has it, StoreFailure."""
    if database is None:
        with Journal.open(folder.journal) as journal:
            yield Claim(folder, journal)
        return
    from tuner.trials.database.study import LIVES_S, DatabaseStudy

    study = DatabaseStudy(database, folder.name)
    with study.held(folder, patience_s=LIVES_S + _MORE_S if patient else 0.0):
        study.pull(folder)
        with Journal.open(folder.journal, study) as journal:
            yield Claim(folder, journal, study)


def _numbered(name: str) -> Iterator[str]:
    return (name if number == 1 else f"{name}-{number}" for number in count(1))


def _claimed(studies: Path, name: str | None, default: str) -> tuple[StudyFolder, Journal]:
    """A folder in which no study has begun, and its journal, which no other process can have: of the name asked for,
    or of the space's with the next free number. Raises InputError, StoreFailure."""
    from tuner.trials.folder import checked_name

    if name is not None:
        folder = StudyFolder(studies / checked_name(name))
        journal = _unbegun(folder)
        if journal is None:
            fix = f"go on with `tune resume {name}`, or choose another name"
            raise InputError.at(folder.root, "a study is there already", fix)
        return folder, journal
    for folder in (StudyFolder(studies / free) for free in _numbered(default)):
        try:
            journal = _unbegun(folder)
        except (InputError, StoreFailure):  # another process has just taken it; or it is damaged, and not ours to mend
            if not folder.journal.exists():
                raise
            continue
        if journal is not None:
            return folder, journal
    raise AssertionError  # numbers do not end


def _unbegun(folder: StudyFolder) -> Journal | None:
    """The journal of a folder, where none is in it or one that was killed before its first line; None: a study, or
    something else, is there."""
    if (
        not folder.journal.exists()
        and folder.root.exists()
        and not folder.space.exists()
        and any(folder.root.iterdir())
    ):
        return None
    journal = Journal.open(folder.journal)
    if journal.start is None:
        return journal
    journal.close()
    return None
