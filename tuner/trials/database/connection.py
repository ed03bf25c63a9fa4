"""A connection that comes back: a database that is restarted, or fails over, ends no study."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from tuner.errors import InputError, StoreFailure
from tuner.uri import masked

if TYPE_CHECKING:
    from psycopg import Connection as Session

PATIENCE_S = 120.0
"""So long a database may be away."""
_AGAIN_AFTER_S = 0.5
_CONNECT_WITHIN_S = 10
_ENDS_WITHIN_S = 5.0
_ALIVE: Mapping[str, int] = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""A host that is gone, without a word, is noticed within half a minute."""
_TABLES = """
CREATE TABLE IF NOT EXISTS tuner_study (
    name text PRIMARY KEY,
    holder text NOT NULL DEFAULT '',
    holder_told text NOT NULL DEFAULT '',
    beat timestamptz NOT NULL DEFAULT now(),
    is_over boolean NOT NULL DEFAULT false
);
CREATE TABLE IF NOT EXISTS tuner_line (
    study text NOT NULL REFERENCES tuner_study ON DELETE CASCADE,
    number integer NOT NULL,
    line bytea NOT NULL,
    PRIMARY KEY (study, number)
);
CREATE TABLE IF NOT EXISTS tuner_file (
    study text NOT NULL REFERENCES tuner_study ON DELETE CASCADE,
    path text NOT NULL,
    content bytea NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (study, path)
);
CREATE TABLE IF NOT EXISTS tuner_order (
    study text NOT NULL REFERENCES tuner_study ON DELETE CASCADE,
    number integer NOT NULL,
    attempt text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'running', 'ended')),
    worker text NOT NULL DEFAULT '',
    beat timestamptz NOT NULL DEFAULT now(),
    lost integer NOT NULL DEFAULT 0,
    said text NOT NULL DEFAULT '',
    result text NOT NULL DEFAULT '',
    PRIMARY KEY (study, number)
);
CREATE TABLE IF NOT EXISTS tuner_worker (
    study text NOT NULL REFERENCES tuner_study ON DELETE CASCADE,
    worker text NOT NULL,
    beat timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (study, worker)
);
"""


class Cursor(Protocol):
    """Of a transaction, as DB-API 2.0 (PEP 249) has it."""

    @property
    def rowcount(self) -> int: ...

    @property
    def description(self) -> object: ...

    def execute(self, query: bytes, params: Sequence[object], /) -> object: ...

    def fetchone(self) -> tuple[Any, ...] | None: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Database:
    """One database, spoken to by one session at a time. May be used by several threads."""

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        """Opened when it is first used: then StoreFailure is raised at once where it cannot be reached. Raises InputError
        where the driver is not installed or the address is none."""
        self._url = url
        self._patience_s = patience_s
        self._lock = threading.RLock()
        self._session: Session[Any] | None = None
        self._was_reached = False
        self._opened_at = 0.0
        psycopg = _driver(url)
        self._broken: tuple[type[Exception], ...] = (psycopg.OperationalError, psycopg.InterfaceError)
        self._wrong: type[Exception] = psycopg.Error
        self._connect: Callable[[], Session[Any]] = (
            lambda: psycopg.connect(
                url,
                autocommit=False,
                connect_timeout=_CONNECT_WITHIN_S,
                application_name="tuner",
                prepare_threshold=None,  # nothing outlives a transaction, so that poolers such as PgBouncer may share sessions
                **_ALIVE,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shown(self) -> str:
        """Its address without credentials."""
        return masked(self._url)

    def close(self) -> None:
        """Used again it is opened again."""
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                session.close()

    def transact[T](self, work: Callable[[Cursor], T], *, patience_s: float | None = None) -> T:
        """What `work` returns, in a transaction that is committed. It is done again where the session broke, then by a
        new one, so that it has to be such that being done twice is as being done once. `patience_s`: other than usual.

        Raises StoreFailure when the database was away for too long or refuses.
        """
        patient_s = self._patience_s if patience_s is None else patience_s
        end = time.monotonic() + (patient_s if self._was_reached else 0.0)
        while True:
            try:
                with self._lock:
                    session = self._open()
                    with session.transaction(), session.cursor() as cursor:
                        return work(cursor)
            except self._broken as error:
                self._forget()
                if time.monotonic() > end:
                    raise self._failure(error) from None
                time.sleep(_AGAIN_AFTER_S)
            except self._wrong as error:
                raise self._failure(error) from None

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Of a query, or of what a statement returns."""

        def ask(cursor: Cursor) -> list[tuple[Any, ...]]:
            cursor.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

        return self.transact(ask)

    def change(self, statement: str, values: Sequence[object] = (), *, patience_s: float | None = None) -> int:
        """Of how many rows."""

        def ask(cursor: Cursor) -> int:
            cursor.execute(statement.encode(), values)
            return cursor.rowcount

        return self.transact(ask, patience_s=patience_s)

    @property
    def reached_s(self) -> float:
        """So long it has been reached without a break."""
        return 0.0 if self._session is None else time.monotonic() - self._opened_at

    @contextmanager
    def beating(self, beat: Callable[[Database], object], every_s: float) -> Iterator[None]:
        """Meanwhile `beat` is called every so often, in a thread with a session of its own, so that it waits for nobody.
        One that fails is passed over: the next one may get through."""
        stop = threading.Event()

        def go() -> None:
            with Database(self._url, patience_s=0.0) as own:
                while not stop.wait(every_s):
                    with suppress(StoreFailure):
                        beat(own)

        beats = threading.Thread(target=go, name="heartbeat", daemon=True)
        beats.start()
        try:
            yield
        finally:
            stop.set()
            beats.join(timeout=_ENDS_WITHIN_S)

    # inside

    def _open(self) -> Session[Any]:
        if self._session is None or self._session.closed:
            session = self._connect()
            try:
                with session.transaction():
                    # several may come at once, and the second of two that make a table fails
                    session.execute("SELECT pg_advisory_xact_lock(7484651)")
                    session.execute(_TABLES.encode())
            except BaseException:
                session.close()
                raise
            self._session, self._was_reached, self._opened_at = session, True, time.monotonic()
        return self._session

    def _forget(self) -> None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _failure(self, error: Exception) -> StoreFailure:
        first = masked(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        fix = "see to its address, and that it can be reached from here"
        if self._was_reached:
            fix = "what was finished is kept there, and `tune resume` goes on"
        return StoreFailure(f"{self.shown}: {first}; {fix}")


def _driver(url: str) -> Any:
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        fix = "install psycopg[binary] (the extra `postgres` of tuner)"
        message = f"the driver of {masked(url)} is not installed ({error})"
        raise InputError.at("--studies", message, fix) from None
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        fix = "write postgresql://USER@HOST/DATABASE; a password is better in PGPASSWORD or a .pgpass file"
        raise InputError.at(
            "--studies", f"{masked(url)} is no address of a database ({masked(str(error))})", fix
        ) from None
    return psycopg
