"""The journal: what a study did, one JSON line after the other, on the disk before anything else happens.

    {"n": 7, "kind": "trial", "data": {...}, "crc": "1f0a93c2"}

`n` counts the lines from 0, `crc` is the CRC-32 of the line up to it. So a last line that a crash or a full disk cut
short is recognised and left out, and no other damage is passed over. The first line has the `format` besides.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self

import tuner
from tuner.errors import InputError, StoreFailure
from tuner.files import sync_folder
from tuner.trials.codec import CodecError, decode, encode
from tuner.trials.model import Event, StudyStart, Trial

FORMAT = 2
"""Raised when a tuner of the version before could not read a journal that this one writes. 1: had no number yet."""
_START, _TRIAL = "start", "trial"
_SEAL = re.compile(rb',"crc":"([0-9a-f]{8})"}\Z')
_SEAL_WITHIN = re.compile(rb',"crc":"[0-9a-f]{8}"}.')


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContents:
    """What a journal holds."""

    start: StudyStart
    trials: tuple[Trial, ...]
    """In the order they finished, which is that of their numbers."""
    events: tuple[Event, ...]


def read(path: Path) -> JournalContents:
    """Read a journal, also one that is being written: an unfinished last line is left out.

    Raises InputError when there is none or it holds no study, StoreFailure naming file:line when it is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError.at(path, "there is no journal", "give the folder of a study that `tune run` made") from None
    except OSError as error:
        raise StoreFailure(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return _Replay(path, content).contents()


def holder(path: Path) -> int | None:
    """The process that has a journal open, as it wrote beside it, where it lives; None: no process has."""
    try:
        number = int(_beside(path).read_text())
        os.kill(number, 0)
    except PermissionError:  # it lives, and is another user's
        return number
    except (OSError, ValueError, OverflowError):
        return None
    return number


class Truth(Protocol):
    """Where the lines of a journal are kept, of which the file is then a copy."""

    def lines(self) -> bytes:
        """All so far. Raises StoreFailure."""
        ...

    def append(self, number: int, line: bytes) -> None:
        """Line `number`, counted from 0; it is kept when this returns. Raises StoreFailure."""
        ...


class Journal:
    """The journal of a running study. Only one process at a time has it open."""

    def __init__(self, path: Path, file: int, lock: int, replay: _Replay, truth: Truth | None = None) -> None:
        self._truth = truth
        self._path = path
        self._file = file
        self._lock = lock
        self._replay = replay
        self._end = replay.end

    @classmethod
    def open(cls, path: Path, truth: Truth | None = None) -> Self:
        """Open it for writing, with what it holds; it and its folder are made where they do not exist. `truth`: where its
        lines are kept; None: in the file.

        A torn tail is cut off and kept in a file beside it that ends in ``.torn``. Raises InputError naming the process
        that has it open, StoreFailure when it is damaged or cannot be written.
        """
        try:
            with ExitStack() as opened:
                created = _make_folder(path.parent)
                lock = _lock(path)
                opened.callback(os.close, lock)
                created = created or not path.exists()
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                opened.callback(os.close, file)
                if truth is not None:
                    _make(file, truth.lines())
                if created:
                    sync_folder(path.parent)
                replay = _Replay(path, path.read_bytes())
                _cut(path, file, replay)
                opened.pop_all()
        except OSError as error:
            raise StoreFailure(f"{path}: cannot be opened for writing ({error.strerror})") from error
        return cls(path, file, lock, replay, truth)

    @property
    def torn(self) -> int:
        """Bytes of an unfinished last line that were set aside when it was opened."""
        return len(self._replay.tail)

    @property
    def start(self) -> StudyStart | None:
        """None: no study began in it yet."""
        return self._replay.start

    @property
    def trials(self) -> tuple[Trial, ...]:
        return tuple(self._replay.trials)

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(self._replay.events)

    def contents(self) -> JournalContents:
        """All it holds, also what was written since it was opened. Raises InputError before `begin`."""
        return self._replay.contents()

    def begin(self, start: StudyStart) -> None:
        """Write the first line. Raises ValueError when there is one."""
        if self.start is not None:
            raise ValueError(f"{self._path}: holds the study {self.start.name!r} already")
        self._write(_START, encode(start))
        self._replay.start = start

    def append(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write an event; it is on the disk when this returns.

        Raises StoreFailure, and ValueError for what JSON cannot hold.
        """
        if kind in (_START, _TRIAL):
            raise ValueError(f"an event cannot be called {kind!r}")
        self._write(kind, dict(data))
        self._replay.events.append(Event(kind=kind, data=dict(data)))

    def finish(self, trial: Trial) -> None:
        """Write a finished trial; it is on the disk when this returns.

        Raises StoreFailure, and CodecError (a ValueError) for a number that is not finite.
        """
        self._write(_TRIAL, encode(trial))
        self._replay.trials.append(trial)

    def close(self) -> None:
        """Let others open it. May be called twice."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _write(self, kind: str, data: dict[str, Any]) -> None:
        line = _line(self._replay.count, kind, data)
        if self._truth is not None:
            self._truth.append(self._replay.count, line)
        try:
            written = os.pwrite(self._file, line, self._end)
            if written < len(line):
                raise OSError(0, f"only {written} of them could be")
            os.fsync(self._file)
        except OSError as error:
            self._take_back()
            raise StoreFailure(
                f"{self._path}: {len(line)} bytes could not be written ({error.strerror}); "
                "make room on the disk, then `tune resume` goes on where the study stopped"
            ) from error
        self._end += len(line)
        self._replay.count += 1

    def _take_back(self) -> None:
        """Leave no part of a line behind; should even that fail, the next opening cuts it off."""
        try:
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)
        except OSError:
            pass


class _Replay:
    """A journal's bytes, checked and decoded. `end` is the length of the part that is whole."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.start: StudyStart | None = None
        self.trials: list[Trial] = []
        self.events: list[Event] = []
        self.count = 0
        self.end = 0
        self.tail = b""
        lines = io.BytesIO(content).readlines()
        for index, line in enumerate(lines):
            record = _open(line)
            if record is None:
                self._must_be_tail(lines, index)
                self.tail = content[self.end :]
                return
            self._take(index, record)
            self.end += len(line)

    def contents(self) -> JournalContents:
        if self.start is None:
            message = "it holds no study, only what a crash left of its beginning"
            raise InputError.at(self.path, message, "start anew with `tune run`")
        return JournalContents(start=self.start, trials=tuple(self.trials), events=tuple(self.events))

    def _take(self, index: int, record: dict[str, Any]) -> None:
        kind, data = record["kind"], record["data"]
        if record["n"] != index or (kind == _START) != (index == 0):
            self._damaged(index, f"line {record['n']} ({kind}) of a journal stands here")
        if kind == _START:
            self._must_be_known(record.get("format", 1), data)
        try:
            if kind == _START:
                self.start = decode(StudyStart, data)
            elif kind == _TRIAL:
                self.trials.append(decode(Trial, data))
            else:
                self.events.append(Event(kind=kind, data=data))
        except CodecError as error:
            raise StoreFailure(
                f"{self.path}:{index + 1}: cannot be understood ({error}); another version of the tuner wrote it"
            ) from error
        self.count += 1

    def _must_be_known(self, number: Any, start: Any) -> None:
        """Raises StoreFailure for a format that came after this version."""
        if number not in range(1, FORMAT + 1):
            writer = start.get("tuner_version") if isinstance(start, dict) else None
            raise StoreFailure(
                f"{self.path}:1: a journal of format {number!r}, which tuner {writer or 'of another version'} wrote; "
                f"this is tuner {tuner.__version__}, which reads formats 1 to {FORMAT}: use the version that wrote it"
            )

    def _must_be_tail(self, lines: list[bytes], index: int) -> None:
        """What a crash leaves is the last line alone, without its end or with blocks of NUL that never were written.

        Anything else was whole once, and is not thrown away: an editor, a copy or the disk changed it.
        """
        line = lines[index]
        head = b'{"n":0,"kind":"start"'
        if index == 0 and not (line.startswith(head) or head.startswith(line.rstrip(b"\0"))):
            self._damaged(0, f"this is not a journal of a study: {line[:60]!r}")
        if line.endswith(b"\r\n") and _open(line[:-2] + b"\n") is not None:
            raise StoreFailure(
                f"{self.path}:{index + 1}: its lines end in CR LF, as an editor or a copy to another system makes "
                f"them; bring them back, for example with `sed -i 's/\\r$//' {self.path}`"
            )
        if len(lines) > index + 1 or (b"\0\0" not in line and (line.endswith(b"\n") or _SEAL_WITHIN.search(line))):
            self._damaged(index, f"the line is damaged: {line[:60]!r}")

    def _damaged(self, index: int, what: str) -> NoReturn:
        raise StoreFailure(f"{self.path}:{index + 1}: {what}; restore the file from a copy, or start a new study")


def rewritten(content: bytes, change: Callable[[str], str]) -> bytes:
    """A journal's whole lines with every text in them changed, sealed anew: a copy that others may read.

    An unfinished last line is left out, as by `read`. The content has to be one that `read` takes.
    """
    lines = []
    for line in io.BytesIO(content).readlines():
        record = _open(line)
        if record is not None:
            lines.append(_sealed({**record, "data": with_texts(record["data"], change)}))
    return b"".join(lines)


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Plain JSON with every text in it changed, but for names of members."""
    if isinstance(value, dict):
        return {name: with_texts(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [with_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _line(number: int, kind: str, data: dict[str, Any]) -> bytes:
    record = {"n": number, "kind": kind, "data": data, **({"format": FORMAT} if kind == _START else {})}
    return _sealed(record)


def _sealed(record: dict[str, Any]) -> bytes:
    unsealed = {name: value for name, value in record.items() if name != "crc"}
    body = json.dumps(unsealed, separators=(",", ":"), allow_nan=False).encode()[:-1]
    return b'%s,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def _open(line: bytes) -> dict[str, Any] | None:
    """The line's record; None when it is not whole."""
    seal = _SEAL.search(line[:-1]) if line.endswith(b"\n") else None
    if seal is None or zlib.crc32(line[: seal.start()]) != int(seal[1], 16):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and record.keys() >= {"n", "kind", "data"} else None


def _make(file: int, content: bytes) -> None:
    """Let a file hold nothing else."""
    os.ftruncate(file, 0)
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def _cut(path: Path, file: int, replay: _Replay) -> None:
    """Keep the torn tail aside, then cut it off."""
    if not replay.tail:
        return
    aside_file = os.open(path.with_name(path.name + ".torn"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(aside_file, "wb") as aside:
        aside.write(replay.tail)
        aside.flush()
        os.fsync(aside.fileno())
    os.ftruncate(file, replay.end)
    os.fsync(file)
    sync_folder(path.parent)


def _lock(path: Path) -> int:
    """Take the lock beside the journal, which holds the number of the process that has it."""
    lock = os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        fix = "wait for it, end it, or start one of another name"
        raise InputError.at(path, f"process {holder} is running this study", fix) from None
    except BaseException:
        os.close(lock)
        raise
    return lock


def _beside(path: Path) -> Path:
    """The file of the lock."""
    return path.with_name(path.name + ".lock")


def _make_folder(folder: Path) -> bool:
    """Make it durable, with its parents; says whether anything was made."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)
    return bool(missing)
