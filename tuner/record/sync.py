"""From the journal into MLflow: what a store missed while it was away."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.record.mlflow.recorder import MlflowRecorder
from tuner.study.model import StudyStart, Summary
from tuner.trials.model import Trial


def sync(start: StudyStart, trials: Sequence[Trial], recorder: MlflowRecorder, summary: Summary | None = None) -> int:
    """Write the trials that are missing or only partly there; returns how many. Calling it again writes nothing.

    With a `summary` (a study that has ended) the Pareto tags of all runs, the front and the choice are put right too.
    Raises StoreFailure.
    """
    recorder.started(start)
    written = recorder.write_missing(trials)
    if summary is not None:
        recorder.closed(summary)
    return written
