"""One study of a database: who decides what it runs, its journal's lines, and its files."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tuner.errors import InputError, StoreFailure
from tuner.files import write
from tuner.trials.database.connection import Cursor, Database
from tuner.trials.folder import StudyFolder
from tuner.units import format_seconds

LIVES_S = 30.0
"""So long after it was heard of last, by the database's clock, whoever decides what a study runs counts as gone."""
_BEATS_EVERY_S = 5.0
_ASKED_AGAIN_AFTER_S = 1.0
_OUTCOMES = ("trial", "early")
"""Lines of a journal that hold a trial."""
_FILES = ("inputs.json", "answers.json", "best.yaml", "report.json", "report.html")
"""Files of a study's folder, besides its inputs and its trials', that are kept: the rest can be made again from them."""


class DatabaseStudy:
    """Implements `tuner.trials.journal.Truth` for whoever holds it."""

    def __init__(self, database: Database, name: str, *, lives_s: float = LIVES_S) -> None:
        self._database = database
        self._lives_s = lives_s
        self._holder = ""
        self._folder: StudyFolder | None = None
        self.name = name

    def is_there(self) -> bool:
        """Whether it has begun."""
        found = self._database.rows("SELECT 1 FROM tuner_line WHERE study = %s AND number = 0", [self.name])
        return bool(found)

    def unheard_s(self) -> float:
        """So long ago whoever decides what it runs was heard of last; 0 of a study that nobody began."""
        found = self._database.rows(
            "SELECT extract(epoch FROM now() - beat) FROM tuner_study WHERE name = %s", [self.name]
        )
        return float(found[0][0]) if found else 0.0

    def is_over(self) -> bool:
        """Whether whoever decides what it runs has ended it."""
        return bool(self._database.rows("SELECT 1 FROM tuner_study WHERE name = %s AND is_over", [self.name]))

    @contextmanager
    def held(self, folder: StudyFolder | None = None, *, patience_s: float = 0.0) -> Iterator[None]:
        """By this process, which alone writes the journal meanwhile. `folder`: whose files of a trial are kept together
        with the trial. `patience_s`: so long another that has it is waited for. Raises InputError where another has it."""
        self._folder = folder
        self._holder = secrets.token_hex(8)
        end = time.monotonic() + patience_s
        while not self._take():
            if time.monotonic() > end:
                self._holder = ""
                raise self._held_by_another()
            time.sleep(_ASKED_AGAIN_AFTER_S)
        try:
            with self._database.beating(self._beat, min(_BEATS_EVERY_S, self._lives_s / 3)):
                yield
        finally:
            with suppress(StoreFailure):
                self._let_go()

    def end(self) -> None:
        """Workers need not wait for more. Raises StoreFailure."""
        statement = "UPDATE tuner_study SET is_over = true WHERE name = %s AND holder = %s"
        self._database.change(statement, [self.name, self._holder])

    # the journal

    def lines(self) -> bytes:
        """All lines so far. Raises StoreFailure where one is missing."""
        found = self._database.rows("SELECT number, line FROM tuner_line WHERE study = %s ORDER BY number", [self.name])
        if [number for number, _ in found] != list(range(len(found))):
            raise StoreFailure(
                f"{self._database.shown}: lines of study {self.name} are missing; restore them from a copy"
            )
        return b"".join(bytes(line) for _, line in found)

    def append(self, number: int, line: bytes) -> None:
        """It is in the database when this returns. Raises StoreFailure, also where another holds the study by now."""
        if not self._database.transact(lambda cursor: self._append(cursor, number, line)):
            raise StoreFailure(
                f"{self._database.shown}: another tuner took study {self.name} over, which was not heard of for "
                f"{format_seconds(self._lives_s)}; what was finished is kept"
            )

    def _append(self, cursor: Cursor, number: int, line: bytes) -> bool:
        """Done again after a commit whose answer was lost, it finds its own line."""
        cursor.execute(
            b"INSERT INTO tuner_line (study, number, line) SELECT name, %s, %s FROM tuner_study "
            b"WHERE name = %s AND holder = %s FOR UPDATE ON CONFLICT DO NOTHING",
            [number, line, self.name, self._holder],
        )
        if cursor.rowcount == 1:
            ended = _ended(line)
            if ended is not None and self._folder is not None:
                self.put_trial(cursor, self._folder, ended)
            return True
        cursor.execute(
            b"SELECT line = %s FROM tuner_line JOIN tuner_study ON name = study WHERE study = %s AND number = %s "
            b"AND holder = %s",
            [line, self.name, number, self._holder],
        )
        return cursor.fetchone() == (True,)

    # files

    def push(self, folder: StudyFolder) -> None:
        """Keep what is new or changed of all files but those of trials that others run. Raises StoreFailure."""
        paths = [folder.root / name for name in _FILES]
        paths += sorted(path for place in (folder.inputs, folder.root / "trials") for path in place.rglob("*"))
        self._database.transact(lambda cursor: self._put(cursor, folder, paths))

    def put_trial(self, cursor: Cursor, folder: StudyFolder, number: int) -> None:
        """Keep the files of a trial, and the right answers where it told them: as a part of a transaction."""
        self._put(cursor, folder, [folder.answers, *sorted(folder.trial(number).rglob("*"))])

    def _put(self, cursor: Cursor, folder: StudyFolder, paths: Iterable[Path]) -> None:
        for path in paths:
            if path.is_file() and not path.name.endswith(".partial"):
                content = path.read_bytes()
                cursor.execute(
                    b"INSERT INTO tuner_file (study, path, content, digest) VALUES (%s, %s, %s, %s) "
                    b"ON CONFLICT (study, path) DO UPDATE SET content = excluded.content, digest = excluded.digest "
                    b"WHERE tuner_file.digest <> excluded.digest",
                    [self.name, path.relative_to(folder.root).as_posix(), content, _digest(content)],
                )

    def pull(self, folder: StudyFolder, trials: Iterable[int] | None = None) -> None:
        """Bring a copy of the study up to date: its journal and its files, of trials those of some; None: of all. Raises
        StoreFailure."""
        wanted = "" if trials is None else "|".join(folder.trial(number).name for number in trials) or "none"
        known = self._database.rows(
            "SELECT path, digest FROM tuner_file WHERE study = %s AND (path NOT LIKE 'trials/%%' OR path ~ %s)",
            [self.name, f"^trials/({wanted})/" if wanted else ""],
        )
        for path, digest in known:
            place = _below(folder.root, path)
            if not place.is_file() or _digest(place.read_bytes()) != digest:
                ((content,),) = self._database.rows(
                    "SELECT content FROM tuner_file WHERE study = %s AND path = %s", [self.name, path]
                )
                write(place, bytes(content), private=True)
        self.pull_journal(folder)

    def pull_journal(self, folder: StudyFolder) -> None:
        lines = self.lines()
        if lines and (not folder.journal.exists() or folder.journal.read_bytes() != lines):
            write(folder.journal, lines, private=True)

    # inside

    def _take(self) -> bool:
        told = f"process {os.getpid()} on {socket.gethostname()}"
        taken = self._database.change(
            "INSERT INTO tuner_study (name, holder, holder_told) VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE "
            "SET holder = excluded.holder, holder_told = excluded.holder_told, beat = now(), is_over = false "
            "WHERE tuner_study.holder IN ('', excluded.holder) OR tuner_study.beat < now() - %s * interval '1 second'",
            [self.name, self._holder, told, self._lives_s],
        )
        return bool(taken)

    def _held_by_another(self) -> InputError:
        found = self._database.rows(
            "SELECT holder_told, extract(epoch FROM now() - beat) FROM tuner_study WHERE name = %s", [self.name]
        )
        who, ago_s = found[0] if found else ("another tuner", 0.0)
        fix = f"wait for it, end it, or start one of another name; once it is gone, it counts as such {LIVES_S:.0f} s later"
        message = f"{who} runs this study, heard of {format_seconds(float(ago_s))} ago"
        return InputError.at(f"study {self.name} of {self._database.shown}", message, fix)

    def _beat(self, database: Database) -> None:
        statement = "UPDATE tuner_study SET beat = now() WHERE name = %s AND holder = %s"
        database.change(statement, [self.name, self._holder])

    def _let_go(self) -> None:
        statement = "UPDATE tuner_study SET holder = '' WHERE name = %s AND holder = %s"
        self._database.change(statement, [self.name, self._holder])


def names(database: Database) -> list[str]:
    """Of the studies that have begun."""
    return [str(name) for (name,) in database.rows("SELECT study FROM tuner_line WHERE number = 0 ORDER BY study")]


def _ended(line: bytes) -> int | None:
    """The number of the trial that a line tells the outcome of; None: of none."""
    record = json.loads(line)
    return int(record["data"]["number"]) if record["kind"] in _OUTCOMES else None


def held(database: Database, lives_s: float = LIVES_S) -> frozenset[str]:
    """Of the studies that somebody runs now."""
    query = "SELECT name FROM tuner_study WHERE holder <> '' AND beat > now() - %s * interval '1 second'"
    return frozenset(str(name) for (name,) in database.rows(query, [lives_s]))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _below(root: Path, name: str) -> Path:
    """Raises StoreFailure for what would lie elsewhere: the database is not to write where it likes."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise StoreFailure(f"{name}: no file of a study is called so; somebody else wrote it")
    return root / path
