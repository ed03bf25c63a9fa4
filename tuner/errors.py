"""Every exception the tuner raises, and the problem list that bad input is reported with.

TunerError                  anything the tuner itself reports
├── InputError              the user's file, manifest or option is wrong; nothing was started (exit 2)
├── EnvironmentFailure      this machine, cluster or store cannot do what was asked (exit 3)
│   ├── BackendFailure      the place where trials run failed, not the configuration on trial
│   ├── GeneratorFailure    the load generator failed, not the server under load
│   │   └── ConnectionLost  the way to it broke; it may be started again
│   └── StoreFailure        the journal, the study's store or MLflow could not be read or written
└── TrialFailure            one configuration failed; becomes a `Failed` outcome, never reaches the user as an exception

Mistake                     a value that cannot be used; whoever knows where it stands makes a `Problem` of it (`at`)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tuner.printable import last_bytes, printable, shortened

_LONGEST_MESSAGE = 1500
_LONGEST_LOG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A place in a user's file. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in the input: where it stands, what is wrong (with the value), and what to do."""

    where: Where
    message: str
    fix: str

    @classmethod
    def at(cls, file: str | Path, message: str, fix: str, *, line: int = 0) -> Self:
        """In a file, or in what else the user gave, such as the option ``--rate``."""
        return cls(where=Where(file=str(file), line=line), message=message, fix=fix)

    def __str__(self) -> str:
        return shortened(printable(f"{self.where}: {self.message}; {self.fix}"), _LONGEST_MESSAGE)


class Mistake(ValueError):
    """A value that cannot be used: what is wrong (with the value) and what to do, apart. Raised by parsers."""

    def __init__(self, message: str, fix: str) -> None:
        self.message = message
        self.fix = fix
        super().__init__(f"{message}; {fix}")

    def at(self, where: Where, subject: str = "") -> Problem:
        """The problem it is at this place; `subject`, where given, says of what: ``rate: '5' has no unit``."""
        return Problem(where=where, message=f"{subject}: {self.message}" if subject else self.message, fix=self.fix)


class TunerError(Exception):
    """Base of all errors of the tuner; its text is fit to print as it is."""


class InputError(TunerError):
    """The input is wrong. Holds every problem found, so that all are reported at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def at(cls, file: str | Path, message: str, fix: str, *, line: int = 0) -> Self:
        """A single problem: ``raise InputError.at("--rate", "...", "...")``."""
        return cls([Problem.at(file, message, fix, line=line)])


class EnvironmentFailure(TunerError):
    """The machine, cluster or store cannot do what was asked."""


class BackendFailure(EnvironmentFailure):
    """The place where trials run failed, whatever the configuration."""


class GeneratorFailure(EnvironmentFailure):
    """The load generator failed; says nothing about the server under load."""


class ConnectionLost(GeneratorFailure):
    """The connection to the load generator broke, which ends it: what it was doing has to be done again."""


class StoreFailure(EnvironmentFailure):
    """A journal, study store or MLflow store could not be read or written."""


class TrialFailure(TunerError):
    """One configuration on trial failed in a known way.

    `stage` is the stage of the trial's life it failed in (`deploy`, `ready`, `verify`, `warm-up`, `measure`),
    `reason` a sentence for the user, `kind` a word to count by (`OOMKilled`, `Crashed`, `NotReady`, `WrongAnswer`,
    `ConfigurationDiffers`, `Unschedulable`, ...). Both texts may quote a server: they are made printable and bounded.
    """

    def __init__(self, *, stage: str, kind: str, reason: str, logs: str = "") -> None:
        self.stage = stage
        self.kind = kind
        self.reason = shortened(printable(reason), _LONGEST_MESSAGE)
        self.logs = logs
        super().__init__(self.reason)

    @property
    def logs(self) -> str:
        """The last that the server wrote."""
        return self._logs

    @logs.setter
    def logs(self, text: str) -> None:
        self._logs = last_bytes(printable(text), _LONGEST_LOG_BYTES)
