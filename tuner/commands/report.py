"""A study's page: made from its folder as it is now, or served while it goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuner.commands.knowledge import with_knowledge
from tuner.errors import EnvironmentFailure
from tuner.files import write
from tuner.space.model import SearchSpace
from tuner.study.model import Summary
from tuner.trials.folder import StudyFolder


def page(folder: StudyFolder, *, live: bool = False) -> str:
    """What its trials taught is worked out where the study has not, but for a `live` page: whoever looks at a study must
    not take CPU time from what it measures. Raises InputError, StoreFailure."""
    from tuner.report.study.page import study_page

    summary, space = _read(folder)
    return study_page(folder, summary if live else with_knowledge(folder, summary), space, live=live)


def write_outputs(folder: StudyFolder, to: Path) -> None:
    """What the study found, a file each in the folder `to`, its page and its data beside. Raises EnvironmentFailure where
    it has not ended, or nothing was measured."""
    from tuner.report.outputs import is_measured, outputs

    summary, _ = _read(folder)
    if not is_measured(summary):
        why = summary.ended_because if summary.state == "ended" else f"it is {summary.state}"
        raise EnvironmentFailure(f"study {folder.name} has nothing to go on from: {why or 'nothing was measured'}")
    best = folder.best_manifest
    texts = outputs(summary, best.read_text() if best.is_file() else "")
    for name, text in texts.items():
        write(to / name, text.encode(), private=True)
    write(to / folder.page.name, page(folder).encode(), private=True)
    if folder.report.is_file():
        write(to / folder.report.name, folder.report.read_bytes(), private=True)


def follow(folder: StudyFolder, port: int, say: Callable[[str], None]) -> None:
    """Serve the page, as it is at every moment, until interrupted. `say` hears its address, and what goes wrong."""
    from tuner.report.follow import Page, serving

    with suppress(OSError):
        os.nice(19)  # the study goes first
    looked_at = Page(lambda: page(folder, live=True), lambda: _version(folder.journal))
    with serving(looked_at, port, lambda error: say(f"the page could not be made: {error}")) as address:
        say(f"{address}   (Ctrl-C ends it; the study does not notice)")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


def _read(folder: StudyFolder) -> tuple[Summary, SearchSpace | None]:
    """None: another version wrote the copy of the search space."""
    from tuner.space.file.read import read
    from tuner.study.summary import summarize
    from tuner.trials.journal import read as read_journal

    space, _ = read(folder.space) if folder.space.is_file() else (None, ())
    return summarize(read_journal(folder.journal)), space


def _version(file: Path) -> str:
    """Changes whenever the file does."""
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns}"
