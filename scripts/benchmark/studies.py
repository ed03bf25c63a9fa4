"""Studies as the experiments need them: real ones, of `tune run`, that go on after whatever interrupted them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tuner.errors import InputError  # noqa: E402
from tuner.study.events import ENDED, SEARCHED, last  # noqa: E402
from tuner.trials.folder import StudyFolder  # noqa: E402
from tuner.trials.journal import JournalContents, read  # noqa: E402
from tuner.trials.model import Trial  # noqa: E402

TUNE = (sys.executable, "-c", "from tuner.cli import main; main()")
_LOOK_S = 1.0
"""How often the end of a study's log is looked at: seldom enough to disturb nothing."""


class Unfinished(Exception):
    """A study could not be run to its end; the text says why."""


@dataclass(frozen=True)
class Studies:
    """A folder of studies."""

    folder: Path

    def contents(self, name: str) -> JournalContents | None:
        """None: it has not begun, or a crash left nothing of its beginning."""
        try:
            return read(self._at(name).journal)
        except InputError:
            return None

    def ended(self, name: str) -> bool:
        """It was searched as its budget says; not one that ended because all failed alike."""
        contents = self.contents(name)
        return contents is not None and all(last(contents.events, kind) is not None for kind in (SEARCHED, ENDED))

    def trials(self, names: Sequence[str]) -> tuple[Trial, ...]:
        found = [contents for name in names if (contents := self.contents(name)) is not None]
        return tuple(trial for contents in found for trial in contents.trials)

    def run(self, name: str, space: Path, *options: str, finished: Callable[[int], None] | None = None) -> None:
        """To its end: from its beginning, or from where it was interrupted; one that ended is left alone.

        `finished` is told how many trials of the search there are, after each. Raises Unfinished, and KeyboardInterrupt once it
        has come to rest.
        """
        if self.ended(name):
            return
        home = ["--studies", str(self.folder)]
        if self.contents(name) is not None:
            command = ["resume", name, *home]
        else:
            shutil.rmtree(self._at(name).root, ignore_errors=True)
            command = ["run", str(space), "--name", name, *home, *options]
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        status = _tune(command, log, finished)
        if status not in (0, 1):  # 1: nothing met the SLO, which is a result like another
            raise Unfinished(f"study {name} ended with status {status}:\n{log.read_text()[-2000:]}")

    def _at(self, name: str) -> StudyFolder:
        return StudyFolder(self.folder / name)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is within like Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {sign: signal.signal(sign, stop) for sign in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


class Pace:
    """When all will be done, from how long what was done since the start took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._done = 0

    def line(self, left: int) -> str:
        """After one more was done, with `left` to come."""
        self._done += 1
        left_s = left * (self._clock() - self._since) / self._done
        until = datetime.now() + timedelta(seconds=left_s)
        return f"{left} to come, about {left_s / 60:.0f} min, until {until:%H:%M}"


def _tune(command: Sequence[str], log: Path, finished: Callable[[int], None] | None) -> int:
    """Its exit status. In a session of its own, so that Ctrl-C reaches it once, through us."""
    with log.open("ab") as output, log.open("rb") as reader:
        reader.seek(0, os.SEEK_END)
        before = None
        child = subprocess.Popen(
            [*TUNE, *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        try:
            while True:
                over = child.poll() is not None
                for line in reader:
                    if finished is not None and (done := done_of(line)) not in (None, before):
                        before = done
                        finished(done)
                if over:
                    return child.returncode
                time.sleep(_LOOK_S)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                child.wait()


def done_of(line: bytes) -> int | None:
    """Of a line of `tune run`'s progress, ``37 of 97 trials, ...``, the first number."""
    words = line.split(maxsplit=3)
    if len(words) == 4 and words[1] == b"of" and words[3].startswith(b"trials") and words[0].isdigit():
        return int(words[0])
    return None
