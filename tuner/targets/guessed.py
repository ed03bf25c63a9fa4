"""Requests that `tune init` guessed, and nobody has edited since nor seen a server answer.

The search space that `init` writes names the digest of its guess. That a request was answered rightly is noted in the
user's state folder, for it is true of this request wherever its file is.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from tuner.files import read_input
from tuner.manifests.survey.traffic import GUESSED, guess_digest
from tuner.space.model import SearchSpace

_MARK = re.compile(re.escape(GUESSED).replace("DIGEST", r"([0-9a-f]{8})"))


def guessed(space: SearchSpace) -> tuple[Path, ...]:
    """The request files of a space that are such guesses."""
    try:
        marks = set(_MARK.findall(read_input(space.file).decode(errors="replace")))
        answered = set(_noted().read_text().split()) if marks and _noted().is_file() else set()
        return tuple(
            source.path
            for source in space.workload.requests
            if marks and (digest := guess_digest(read_input(source.path))) in marks
            if f"{digest}-{_of(space)}" not in answered
        )
    except OSError:
        return ()


def answered(space: SearchSpace) -> None:
    """Note that a server answered the requests of this space rightly. What cannot be noted is asked again."""
    found = guessed(space)
    with suppress(OSError):
        if found:
            _noted().parent.mkdir(parents=True, exist_ok=True)
            with _noted().open("a") as noted:
                noted.writelines(f"{guess_digest(read_input(path))}-{_of(space)}\n" for path in found)


def _of(space: SearchSpace) -> str:
    """Tells spaces apart whose guesses are the same: by the manifest that is asked."""
    return guess_digest(read_input(space.manifest))


def _noted() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "tuner" / "answered"
