"""Studies in a folder of their own, as `tune report` finds them: a journal's trials, and the manifests they deployed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.record import examples
from tuner.study.events import ENDED
from tuner.study.model import Summary
from tuner.study.summary import summarize
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import JournalContents
from tuner.trials.model import Event, Measured, Trial

__all__ = ["folder_of", "starts", "summary_of"]

_MANIFEST = """\
kind: Deployment
spec:
  containers:
    - env:
        - {{name: DB_PASSWORD, value: hunter2secret}}
        - {{name: WORKERS, value: "{workers}"}}
      resources: {{limits: {{cpu: {cpu}}}}}
"""


def summary_of(trials: Sequence[Trial], *, ended: str | None = "9 of 9 trials were run") -> Summary:
    """What a journal of these trials tells; `ended` None: it goes on."""
    events = () if ended is None else (Event(kind=ENDED, data={"because": ended}),)
    return summarize(JournalContents(start=examples.start(), trials=tuple(trials), events=events))


def folder_of(root: Path, trials: Sequence[Trial]) -> StudyFolder:
    """With the manifest that each of them deployed, in which a password stands."""
    folder = StudyFolder(root / "iris")
    for trial in trials:
        values = trial.configuration.values
        path = folder.manifest(trial.number)
        path.parent.mkdir(parents=True)
        path.write_text(_MANIFEST.format(workers=values["workers"], cpu=values["cpu"]))
    return folder


def starts(*throughputs: float, first: int = 0, values: dict[str, object] | None = None) -> list[Trial]:
    """Fresh starts of one configuration, that of the baseline unless another is given."""
    given = values or dict(examples.SMALL)
    return [
        examples.trial(
            first + place,
            given,  # type: ignore[arg-type]
            Measured(measurement=examples.measurement(throughput, 0.02, 0.016 if values is None else 0.031)),
            "baseline" if first + place == 0 else "search" if place == 0 else "confirm",
        )
        for place, throughput in enumerate(throughputs)
    ]
