"""A recorder on a thread of its own: the study never waits for a store, and a store never disturbs a measurement."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from tuner.search.model import Outlook
from tuner.study.model import Proposal, Recorder, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Trial
from tuner.uri import masked

_LONGEST_PAUSE_S = 60.0


class Gate:
    """Closed while a measurement window runs: what would disturb it waits. The `Quiet` of `tuner.trials`."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()

    def pause(self) -> None:
        self._open.clear()

    def resume(self) -> None:
        self._open.set()

    def wait(self) -> None:
        """Return when it is open."""
        self._open.wait()


class Background:
    """Passes calls on to `recorder`, in order, on a worker thread, and only while `gate` is open.

    `notice` is told, in words, the first time the recorder fails and at the end if anything is missing from it (from
    the worker's or the caller's thread). After a failure calls are passed over for 1, 2, 4 ... 60 s: what they would
    have written the recorder's `closed` writes, or `tune sync`, for both are given every trial. The thread is a daemon:
    a store that hangs holds up `closed` for `deadline_s` and the program's exit not at all.
    """

    def __init__(
        self,
        recorder: Recorder,
        gate: Gate,
        notice: Callable[[str], None],
        *,
        study: str,
        deadline_s: float = 20.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._gate = gate
        self._notice = notice
        self._study = study
        self._deadline_s = deadline_s
        self._now = now
        self._calls: deque[tuple[str, Callable[[], None]]] = deque()
        self._changed = threading.Condition()
        self._idle = True
        self._failures = 0
        self._again_at = 0.0
        self._noticed = False
        self._written: set[int] = set()
        self._complete = False
        threading.Thread(target=self._work, name="recorder", daemon=True).start()

    def started(self, start: StudyStart) -> None:
        self._put("started", lambda: self._recorder.started(start))

    def proposed(self, proposal: Proposal) -> None:
        self._put("proposed", lambda: self._recorder.proposed(proposal))

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._put("foreseen", lambda: self._recorder.foreseen(so_far, outlook))

    def stage(self, number: int, stage: str) -> None:
        self._put("stage", lambda: self._recorder.stage(number, stage))

    def finished(self, trial: Trial) -> None:
        def write() -> None:
            self._recorder.finished(trial)
            self._written.add(trial.number)

        self._put("finished", write)

    def closed(self, summary: Summary) -> None:
        """Returns when all is written or `deadline_s` has passed; then says what is missing."""

        def write() -> None:
            self._recorder.closed(summary)
            self._complete = True

        self._gate.resume()
        self._put("closed", write)
        if not self.drain(self._deadline_s) or not self._complete:
            self._notice(self._missing(summary))

    def drain(self, timeout_s: float) -> bool:
        """Wait until every call so far was passed on (or over); False when `timeout_s` did not suffice."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle and not self._calls, timeout_s)

    def _missing(self, summary: Summary) -> str:
        left = sum(trial.number not in self._written for trial in summary.trials)
        what = f"{left} of {len(summary.trials)} trials" if left else "the summary and the Pareto tags"
        verb = "were" if left != 1 else "was"
        return f"{what} {verb} not written to the store; `tune sync {self._study}` writes what is missing"

    def _put(self, name: str, call: Callable[[], None]) -> None:
        with self._changed:
            self._calls.append((name, call))
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._calls)
                name, call = self._calls.popleft()
                self._idle = False
            self._gate.wait()
            if name == "closed" or self._now() >= self._again_at:
                self._pass_on(call)

    def _pass_on(self, call: Callable[[], None]) -> None:
        try:
            call()
            self._failures = 0
        except Exception as error:
            self._again_at = self._now() + min(2.0**self._failures, _LONGEST_PAUSE_S)
            self._failures += 1
            if not self._noticed:
                self._noticed = True
                self._notice(f"not recorded for now, the study goes on: {masked(str(error))}")
