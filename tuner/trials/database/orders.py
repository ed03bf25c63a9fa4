"""The trials of a study that workers elsewhere run: offered, taken, and told back.

A worker that is not heard of for a while has lost its trial: it is offered again. Should that worker come back, what it
tells is not taken, for it no longer has the trial.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tuner.errors import EnvironmentFailure, StoreFailure
from tuner.trials.codec import decode, encode
from tuner.trials.database.connection import Cursor, Database
from tuner.trials.database.study import DatabaseStudy
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Proposal, Trial
from tuner.units import format_seconds

if TYPE_CHECKING:
    from types import FrameType


class Withdrawn(BaseException):
    """The trial that this worker was at is no longer its own: it is taken down, and another is waited for."""


LOST_AFTER_S = 45.0
"""So long after it was heard of last, by the database's clock, a worker has lost its trial."""
ABANDONED_S = 900.0
"""So long a worker waits for whoever decides to come back."""
_BEATS_EVERY_S = 5.0
_ASKED_EVERY_S = 0.5
_LEAVES_WITHIN_S = 5.0
_LOST_AT_MOST = 3
"""A trial that so many workers were lost with ends the study: it may be what kills them."""
_NOBODY_S = 60.0
"""So long nobody joins, until that is said."""
_WITHDRAW = signal.SIGUSR1
_SAID_AT_MOST = 50
"""So many of the last things that a trial said are kept for whoever decides."""


class Offered:
    """What the workers of a study run; implements the study's `Workers` for whoever holds it."""

    def __init__(
        self,
        database: Database,
        study: DatabaseStudy,
        folder: StudyFolder,
        number: int,
        *,
        on_stage: Callable[[int, str], None],
        on_rate: Callable[[float], None],
        notice: Callable[[str], None],
        lost_after_s: float = LOST_AFTER_S,
    ) -> None:
        """`folder`: the copy here, which gets what the workers kept of their trials."""
        self.number = number
        self._database = database
        self._study = study
        self._folder = folder
        self._on_stage = on_stage
        self._on_rate = on_rate
        self._notice = notice
        self._lost_after_s = lost_after_s
        self._running: dict[int, int] = {}
        """By its number, how much of what a trial said was heard."""
        self._told: list[int] = []
        self._nobody_since = time.monotonic()

    def start(self, proposal: Proposal) -> None:
        """One that ended while nobody decided is not run again: its outcome is waiting."""
        attempt = json.dumps({"attempt": encode(proposal.attempt), "digest": proposal.rendered.digest})
        self._database.change(
            "INSERT INTO tuner_order (study, number, attempt, state) VALUES (%s, %s, %s, 'open') "
            "ON CONFLICT (study, number) DO NOTHING",
            [self._study.name, proposal.number, attempt],
        )
        self._running[proposal.number] = 0

    def next(self) -> Trial:
        """Raises EnvironmentFailure for a trial with which several workers were lost, or that one could not run."""
        self._forget_told()
        while True:
            for number, state, said, result in self._orders():
                self._hear(number, json.loads(said) if said else [])
                if state == "ended":
                    del self._running[number]
                    self._told.append(number)
                    self._study.pull(self._folder, [number])
                    return decode(Trial, json.loads(result))
            self._take_back_lost()
            self._say_nobody()
            time.sleep(_ASKED_EVERY_S)

    def withdraw(self) -> None:
        """Whoever runs one of them takes it down; those that nobody took are offered no more. Raises StoreFailure."""
        self._database.change(
            "DELETE FROM tuner_order WHERE study = %s AND state <> 'ended' AND number = ANY(%s)",
            [self._study.name, list(self._running)],
        )

    # inside

    def _orders(self) -> list[tuple[Any, ...]]:
        return self._database.rows(
            "SELECT number, state, said, result FROM tuner_order WHERE study = %s AND number = ANY(%s) "
            "ORDER BY state <> 'ended', beat",
            [self._study.name, list(self._running)],
        )

    def _hear(self, number: int, said: list[Mapping[str, Any]]) -> None:
        for one in said:
            if one["n"] <= self._running[number]:
                continue
            self._running[number] = one["n"]
            if "stage" in one:
                self._on_stage(number, str(one["stage"]))
            elif "rate" in one:
                self._on_rate(float(one["rate"]))
            elif "notice" in one:
                self._notice(str(one["notice"]))
            elif "failed" in one:
                raise EnvironmentFailure(str(one["failed"]))

    def _forget_told(self) -> None:
        """They are in the journal by now."""
        if self._told:
            statement = "DELETE FROM tuner_order WHERE study = %s AND number = ANY(%s)"
            self._database.change(statement, [self._study.name, self._told])
            self._told = []

    def _take_back_lost(self) -> None:
        """Not right after the database was away: then nobody could be heard of."""
        if self._database.reached_s < self._lost_after_s:
            return
        found = self._database.rows(
            "UPDATE tuner_order SET state = 'open', lost = lost + 1, said = '' WHERE study = %s AND state = 'running' "
            "AND beat < now() - %s * interval '1 second' RETURNING number, worker, lost",
            [self._study.name, self._lost_after_s],
        )
        for number, worker, lost in found:
            self._running[number] = 0
            gone = f"worker {worker} was not heard of for {format_seconds(self._lost_after_s)}"
            if lost >= _LOST_AT_MOST:
                raise EnvironmentFailure(
                    f"{lost} workers were lost with trial {number}: {gone}; look what it does to them, then `tune resume` "
                    "goes on"
                )
            self._notice(f"{gone}; trial {number} is offered to others")

    def _say_nobody(self) -> None:
        if self._nobody_since == float("inf") or time.monotonic() - self._nobody_since < _NOBODY_S:
            return
        self._nobody_since = float("inf")
        there = self._database.rows(
            "SELECT 1 FROM tuner_worker WHERE study = %s AND beat > now() - %s * interval '1 second'",
            [self._study.name, self._lost_after_s],
        )
        if not there:
            after = format_seconds(_NOBODY_S)
            self._notice(f"no worker has joined within {after}: start some with `tune worker {self._study.name}`")


class Taken:
    """The trials that one worker takes, one at a time."""

    def __init__(
        self,
        database: Database,
        study: DatabaseStudy,
        folder: StudyFolder,
        *,
        lost_after_s: float = LOST_AFTER_S,
        abandoned_s: float = ABANDONED_S,
    ) -> None:
        """`folder`: the copy here, whose files of a trial are kept with its outcome."""
        self._abandoned_s = abandoned_s
        self._database = database
        self._study = study
        self._folder = folder
        self._lost_after_s = lost_after_s
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._number: int | None = None
        self._said: list[dict[str, Any]] = []
        self._count = 0
        self._lock = threading.Lock()

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Heard of by the others; a trial that it still has when it leaves is offered to them. Meanwhile Withdrawn is
        raised in the main thread where its trial is no longer its own."""
        self._greet(self._database)
        signal.signal(_WITHDRAW, _withdraw)
        try:
            with self._database.beating(self._beat, min(_BEATS_EVERY_S, self._lost_after_s / 3)):
                yield
        finally:
            with suppress(StoreFailure):  # without a word they are offered to others a little later
                self._leave()

    def orders(self) -> Iterator[dict[str, Any]]:
        """Each trial that it takes, the copy of the study up to date; ends with the study. Raises EnvironmentFailure where
        nobody decides any more what it runs."""
        while True:
            order = self._database.transact(self._take)
            if order is not None:
                self._study.pull(self._folder, [])
                yield order
            elif self._study.is_over():
                return
            elif self._study.unheard_s() > self._abandoned_s:
                raise EnvironmentFailure(
                    f"nobody has decided what study {self._study.name} runs for {format_seconds(self._abandoned_s)}; "
                    "`tune resume` goes on with it, and this worker can join again"
                )
            else:
                time.sleep(_ASKED_EVERY_S)

    def say(self, message: Mapping[str, Any]) -> None:
        """Pass on what a trial says, if the database is there: else with what it says next, or with its outcome. That ends
        it. For an outcome, and what ends a study, the database is waited for.

        Raises StoreFailure for an outcome of a trial that was lost.
        """
        if "trial" in message:
            self._end(message["trial"])
            return
        with self._lock:
            self._count += 1
            said = {"stage": message["stage"][1]} if "stage" in message else dict(message)
            self._said = [*self._said[1 - _SAID_AT_MOST :], {"n": self._count, **said}]
            number, text = self._number, json.dumps(self._said)
        if number is None:
            return
        statement = (
            "UPDATE tuner_order SET said = %s WHERE study = %s AND number = %s AND worker = %s AND state = 'running'"
        )
        values = [text, self._study.name, number, self.worker]
        if "failed" in message:
            self._database.change(statement, values)
        else:
            with suppress(StoreFailure):
                self._database.change(statement, values, patience_s=0.0)

    # inside

    def _take(self, cursor: Cursor) -> dict[str, Any] | None:
        """One that it has already, where the answer to taking it was lost."""
        cursor.execute(
            b"UPDATE tuner_order SET state = 'running', worker = %s, beat = now(), said = '' "
            b"WHERE study = %s AND number = (SELECT number FROM tuner_order WHERE study = %s "
            b"AND (state = 'open' OR (state = 'running' AND worker = %s)) "
            b"ORDER BY state, number LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING number, attempt",
            [self.worker, self._study.name, self._study.name, self.worker],
        )
        found = cursor.fetchone()
        if found is None:
            return None
        with self._lock:
            self._number, self._said, self._count = int(found[0]), [], 0
        order: dict[str, Any] = json.loads(found[1])
        return order

    def _end(self, trial: Mapping[str, Any]) -> None:
        number, result = int(trial["number"]), json.dumps(trial)
        with self._lock:
            said = json.dumps(self._said)

        def end(cursor: Cursor) -> bool:
            cursor.execute(
                b"UPDATE tuner_order SET state = 'ended', result = %s, said = %s, beat = now() WHERE study = %s "
                b"AND number = %s AND worker = %s AND (state = 'running' OR result = %s)",
                [result, said, self._study.name, number, self.worker, result],
            )
            if cursor.rowcount != 1:
                return False
            self._study.put_trial(cursor, self._folder, number)
            return True

        ended = self._database.transact(end)
        with self._lock:
            self._number = None
        if not ended:
            raise StoreFailure(
                f"trial {number} is no longer this worker's, which was not heard of for "
                f"{format_seconds(self._lost_after_s)}: its outcome is not taken"
            )

    def _beat(self, database: Database) -> None:
        self._greet(database)
        number = self._number
        if number is not None and not self._is_ours(database, number) and number == self._number:
            self._number = None
            os.kill(os.getpid(), _WITHDRAW)

    def _greet(self, database: Database) -> None:
        database.change(
            "INSERT INTO tuner_worker (study, worker) SELECT name, %s FROM tuner_study WHERE name = %s "
            "ON CONFLICT (study, worker) DO UPDATE SET beat = now()",
            [self.worker, self._study.name],
        )

    def _is_ours(self, database: Database, number: int) -> bool:
        return bool(
            database.change(
                "UPDATE tuner_order SET beat = now() WHERE study = %s AND number = %s AND worker = %s "
                "AND state IN ('running', 'ended')",
                [self._study.name, number, self.worker],
            )
        )

    def _leave(self) -> None:
        mine = [self._study.name, self.worker]
        offered = (
            "UPDATE tuner_order SET state = 'open', said = '' WHERE study = %s AND worker = %s AND state = 'running'"
        )
        for statement in (offered, "DELETE FROM tuner_worker WHERE study = %s AND worker = %s"):
            self._database.change(statement, mine, patience_s=_LEAVES_WITHIN_S)


def _withdraw(_number: int, _frame: FrameType | None) -> None:
    raise Withdrawn
