"""What a server is sent, and what it has to answer: what travels together to every system under test."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tuner.errors import StoreFailure, TrialFailure
from tuner.files import write
from tuner.load.control.smoke import smoke
from tuner.load.model import Exchange, Protocol, Reference, Request, Target
from tuner.load.requests import protocol_of, target
from tuner.load.requests import requests as read_requests
from tuner.measure.pace import PATIENCE_S
from tuner.workload.answers import clocks, difference, ignored, not_finite_at, tree, varying
from tuner.workload.json_path import parse_path, spelled
from tuner.workload.model import WorkloadSpec

_TIMES = 3
"""So often the first replica is asked for the first answers: a part that is drawn anew each time shows itself."""
_MOST_NAMES = 8


class ExpectedAnswers:
    """The answers every configuration must give: those of the first that was deployed, which is the baseline.

    They are kept in a file of the study, so that a resumed study holds later trials to the same answers.
    """

    def __init__(self, path: Path | None = None, ignore: Sequence[str] = ()) -> None:
        """`path` None: there is no study, they are forgotten with this object. `ignore`: JSON paths of what is not
        compared. Raises StoreFailure."""
        self._path = path
        self._ignore = tuple(ignore)
        self._reference: Reference | None = None
        if path is not None and path.exists():
            try:
                self._reference = _read(json.loads(path.read_text()), self._ignore)
            except (ValueError, KeyError, TypeError) as error:
                raise StoreFailure(
                    f"{path}: the recorded answers cannot be read ({error}); delete it to record anew"
                ) from error

    @property
    def are_known(self) -> bool:
        return self._reference is not None

    @property
    def reference(self) -> Reference:
        """Raises ValueError before there is any."""
        if self._reference is None:
            raise ValueError("no answers were recorded")
        return self._reference

    def record(self, answers: Sequence[Sequence[object]]) -> tuple[str, ...]:
        """Take these for right: by request, what it was answered each time it was asked, at least once.

        What differs between two of them, and times that are about now, are not compared from now on; returns what that
        is, in words.
        """
        left_out = tuple(tuple(dict.fromkeys((*varying(each), *clocks(each[0])))) for each in answers)
        self._reference = Reference(answers=tuple(each[0] for each in answers), left_out=left_out, ignore=self._ignore)
        if self._path is not None:
            kept = {"answers": self._reference.answers, "left_out": left_out}
            write(self._path, json.dumps(kept).encode(), private=True)
        return tuple(_notes(self._reference))

    def compare(self, url: str, answers: Sequence[object]) -> None:
        """Hold one replica's answers against the expected ones. Raises TrialFailure."""
        reference = self.reference
        paths = [parse_path(path) for path in reference.ignore]
        for index, (expected, found) in enumerate(zip(reference.answers, answers, strict=True)):
            places = (*(reference.left_out[index] if reference.left_out else ()), *ignored(paths, expected, found))
            different = difference(expected, found, tree(places))
            if different is None:
                continue
            name = spelled(different.place)
            fix = (
                ""
                if different.not_finite
                else f"; if it may differ between right answers, write check.ignore: [{name}]"
            )
            raise TrialFailure(
                stage="verify",
                kind="WrongAnswer",
                reason=f"{url} answers request {index + 1} differently from the baseline: {different.text}{fix}",
            )


def _read(content: object, ignore: tuple[str, ...]) -> Reference:
    """What `ExpectedAnswers.record` wrote; before answers were asked for several times it was a list of them."""
    if isinstance(content, list):
        return Reference(answers=tuple(content), ignore=ignore)
    if not isinstance(content, dict):
        raise ValueError("no answers stand in it")
    left_out = tuple(tuple(tuple(place) for place in places) for places in content["left_out"])
    return Reference(answers=tuple(content["answers"]), left_out=left_out, ignore=ignore)


def _notes(reference: Reference) -> Iterator[str]:
    """What is not compared, and NaN among the right answers."""
    places = dict.fromkeys(place for each in reference.left_out for place in each)
    if places:
        names = [spelled(place) for place in places]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield (
            "these parts of the answers are not compared, since they are new in each, or times: "
            f"{', '.join(names[:_MOST_NAMES])}{more}"
        )
    for path in reference.ignore:
        if not any(parse_path(path).select(answer) for answer in reference.answers):
            yield f"check.ignore names {path}, and there is nothing in the first answers"
    infinite = next((at for answer in reference.answers if (at := not_finite_at(answer))), "")
    if infinite:
        yield f"the first answers hold NaN or an infinity, at {infinite}: taken for right"


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
            expected=ExpectedAnswers(answers, workload.check.ignore),
        )

    @property
    def patience_s(self) -> float:
        """How long an answer is waited for before it is known what one takes."""
        said = "timeout_s" in self.workload.said
        return self.workload.timeout_s if said else max(self.workload.timeout_s, PATIENCE_S)

    def target(self, urls: tuple[str, ...], cpus: tuple[int, ...] = ()) -> Target:
        """Whom a generator on these CPUs sends it to. Raises GeneratorFailure."""
        return target(urls, self.workload, self.requests, cpus)

    def verify(self, urls: Sequence[str], exchange: Exchange) -> tuple[str, ...]:
        """Send every request to every replica (as in `Target.urls`) once, by `exchange`; where the answers are the
        first, to one replica several times. Returns what of them is not compared, in words, where they are the first.

        Raises TrialFailure (`WrongAnswer`) when one is not answered correctly, or not as it was first answered.
        """
        if self.expected.are_known:
            for url in urls:
                self.expected.compare(url, self._answers(url, exchange))
            return ()
        asked = [*urls, *(urls[0],) * (_TIMES - 1)]
        times = [self._answers(url, exchange) for url in asked]
        return self.expected.record(list(zip(*times, strict=True)))

    def _answers(self, url: str, exchange: Exchange) -> list[object]:
        return [smoke(url, request, self.protocol, self.patience_s, exchange) for request in self.requests]
