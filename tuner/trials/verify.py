"""Is what runs what was asked for, and does it answer as the baseline did?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tuner.backends.model import Running
from tuner.errors import StoreFailure, TrialFailure
from tuner.files import write
from tuner.load.control.answers import same_answer
from tuner.load.control.smoke import smoke
from tuner.load.model import Exchange, Protocol, Request

_SHOWN = 200


def verify_configuration(running: Running) -> None:
    """Raises TrialFailure (`ConfigurationDiffers`) when the live pods are not what was rendered."""
    differences = running.differences()
    if differences:
        listed = "; ".join(f"{d.what} is {d.found}, asked for {d.asked}" for d in differences)
        raise TrialFailure(
            stage="verify", kind="ConfigurationDiffers", reason=f"what runs is not what was rendered: {listed}"
        )


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

    def verify(
        self,
        urls: Sequence[str],
        requests: Sequence[Request],
        protocol: Protocol,
        timeout_s: float,
        exchange: Exchange,
    ) -> None:
        """Send every request to every replica once, by `exchange`.

        Raises TrialFailure (`WrongAnswer`) when one is not answered correctly, or not as it was first answered.
        """
        for url in urls:
            answers = [smoke(url, request, protocol, timeout_s, exchange) for request in requests]
            if self._expected is None:
                self._record(answers)
                continue
            for index, (expected, found) in enumerate(zip(self._expected, answers, strict=True)):
                if not same_answer(expected, found):
                    raise TrialFailure(
                        stage="verify",
                        kind="WrongAnswer",
                        reason=f"{url} answers request {index + 1} differently from the baseline: "
                        f"{_short(found)} instead of {_short(expected)}",
                    )

    def _record(self, answers: list[object]) -> None:
        self._expected = answers
        if self._path is not None:
            write(self._path, json.dumps(answers).encode())


def _short(answer: object) -> str:
    text = json.dumps(answer)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
