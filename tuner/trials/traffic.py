"""What a server is sent, and what it has to answer: what travels together to every system under test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tuner.errors import StoreFailure, TrialFailure
from tuner.files import write
from tuner.load.control.answers import same_answer
from tuner.load.control.smoke import smoke
from tuner.load.model import Exchange, Protocol, Request, Target
from tuner.load.protocols.json_body import shown
from tuner.load.requests import protocol_of, target
from tuner.load.requests import requests as read_requests
from tuner.workload.model import WorkloadSpec


class ExpectedAnswers:
    """The answers every configuration must give: those of the first that was deployed, which is the baseline.

    They are kept in a file of the study, so that a resumed study holds later trials to the same answers.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path` None: there is no study, they are forgotten with this object. Raises StoreFailure."""
        self._path = path
        self._expected: list[object] | None = None
        if path is not None and path.exists():
            try:
                self._expected = json.loads(path.read_text())
            except ValueError as error:
                raise StoreFailure(
                    f"{path}: the recorded answers cannot be read ({error}); delete it to record anew"
                ) from error

    def compare(self, url: str, answers: list[object]) -> None:
        """Hold one replica's answers against the expected ones; the first are recorded. Raises TrialFailure."""
        if self._expected is None:
            self._record(answers)
            return
        for index, (expected, found) in enumerate(zip(self._expected, answers, strict=True)):
            if not same_answer(expected, found):
                raise TrialFailure(
                    stage="verify",
                    kind="WrongAnswer",
                    reason=f"{url} answers request {index + 1} differently from the baseline: "
                    f"{shown(found)} instead of {shown(expected)}",
                )

    def _record(self, answers: list[object]) -> None:
        self._expected = answers
        if self._path is not None:
            write(self._path, json.dumps(answers).encode(), private=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    workload: WorkloadSpec
    protocol: Protocol
    requests: tuple[Request, ...]
    """The workload's, read from their files."""
    expected: ExpectedAnswers

    @classmethod
    def of(cls, workload: WorkloadSpec, answers: Path | None = None) -> Self:
        """Reads the files that the workload names. `answers`: where the expected ones are kept; None: in memory.

        Raises InputError for what cannot be read or encoded, StoreFailure for answers that cannot be read.
        """
        return cls(
            workload=workload,
            protocol=protocol_of(workload),
            requests=read_requests(workload),
            expected=ExpectedAnswers(answers),
        )

    def target(self, urls: tuple[str, ...], cpus: tuple[int, ...] = ()) -> Target:
        """Whom a generator on these CPUs sends it to. Raises GeneratorFailure."""
        return target(urls, self.workload, self.requests, cpus)

    def verify(self, urls: Sequence[str], exchange: Exchange) -> None:
        """Send every request to every replica (as in `Target.urls`) once, by `exchange`.

        Raises TrialFailure (`WrongAnswer`) when one is not answered correctly, or not as it was first answered.
        """
        for url in urls:
            answers = [
                smoke(url, request, self.protocol, self.workload.timeout_s, exchange) for request in self.requests
            ]
            self.expected.compare(url, answers)
