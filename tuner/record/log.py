"""The log of a study as JSON, an object a line: for CI and for whoever collects logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from tuner.record.progress import Progress, closing, headline
from tuner.record.wording import settings_text
from tuner.search.model import Outlook
from tuner.space.model import Configuration, SearchSpace
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Trial


class JsonLog:
    """Implements `Recorder`. Every line has ``time`` (ISO 8601, UTC) and ``event``, the name of what happened:

    ``started``, ``proposed``, ``stage``, ``finished``, ``closed``, and ``notice`` for a sentence; most have their ``text``.
    Metrics are in SI units.
    `trial_s`: what a trial is expected to take; None: nobody can tell.
    """

    def __init__(
        self,
        space: SearchSpace,
        to: TextIO,
        *,
        trial_s: float | None = None,
        date: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._progress = Progress(space, time.monotonic, trial_s)
        self._to = to
        self._date = date
        self._baseline: Configuration | None = None

    def started(self, start: StudyStart) -> None:
        self._progress.started(start)
        self._say(
            "started",
            study=start.name,
            study_id=start.study_id,
            space=start.space_file,
            backend=start.backend,
            sampler=start.sampler,
            seed=start.seed,
            text=headline(start),
        )

    def proposed(self, proposal: Proposal) -> None:
        self._progress.proposed(proposal)
        values = dict(proposal.configuration.values)
        self._say(
            "proposed",
            trial=proposal.number,
            purpose=proposal.purpose,
            configuration=values,
            text=self._settings(proposal),
        )

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._progress.foreseen(so_far, outlook)

    def stage(self, number: int, stage: str) -> None:
        self._say("stage", trial=number, stage=stage)

    def finished(self, trial: Trial) -> None:
        self._progress.finished(trial)
        measurement = trial.measurement
        estimates = {} if measurement is None else measurement.estimates()
        left_s = self._progress.left_s()
        self._say(
            "finished",
            trial=trial.number,
            purpose=trial.purpose,
            outcome=type(trial.outcome).__name__.lower(),
            slo=trial.state,
            metrics={name: estimate.value for name, estimate in estimates.items()},
            lower_bounds=[name for name, estimate in estimates.items() if estimate.is_least],
            duration_s=round(trial.duration_s, 3),
            text=self._progress.result(trial),
            share=round(self._progress.share(), 4),
            left_s=None if left_s is None else round(left_s, 1),
        )

    def closed(self, summary: Summary) -> None:
        chosen = None if summary.choice is None else summary.choice.candidate.trial
        told = closing(summary)
        self._say("closed", because=summary.ended_because, trials=len(summary.trials), chosen=chosen, text=told)

    def notice(self, text: str) -> None:
        """A sentence for the user."""
        self._say("notice", text=text)

    def _settings(self, proposal: Proposal) -> str:
        """What differs from the baseline."""
        text = settings_text(proposal.configuration, self._baseline)
        if proposal.purpose == "baseline":
            self._baseline = proposal.configuration
        return text

    def _say(self, event: str, **data: Any) -> None:
        line = {"time": self._date().isoformat(timespec="milliseconds"), "event": event, **data}
        self._to.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        self._to.flush()


def plain(event: Mapping[str, Any]) -> str:
    """A line of the log in words."""
    of = f"trial {event['trial']}" if "trial" in event else ""
    match event["event"]:
        case "proposed":
            return f"{of} ({event.get('purpose')}): {event.get('text')}"
        case "stage":
            return f"{of}: {event.get('stage')}"
        case "finished":
            return f"{of}: {event.get('text')}"
    return str(event.get("text", event["event"]))
