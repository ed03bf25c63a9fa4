"""A trial's details: its configuration, what it measured, what differs in its manifest, how it failed and what its server
wrote last."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tuner.manifests.secret_values import masked, secret_values
from tuner.report.figures import figure_text
from tuner.report.study.found import Found, name, word
from tuner.space.values import Value
from tuner.statistics.model import Estimate
from tuner.trials.ended import ended
from tuner.trials.model import Failed, Infeasible, Interrupted, Measured, Referenced, Stopped, Trial
from tuner.units import format_seconds

_TAIL_LINES = 40
_LONGEST_TAIL = 4000
"""Characters."""
_LONGEST_DIFF = 200
"""Lines."""
_ALL = 200
"""Of so many trials each is told in full; of more, the choice, the baseline and the front, and the rest in a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    number: int
    title: str
    line: str
    tags: tuple[str, ...]
    outcome: str
    word: str
    """The same in a few words."""
    tone: str
    knobs: list[list[str]]
    metrics: list[list[str]]
    warnings: tuple[str, ...]
    same_as: int | None
    """The earlier trial of the same manifest; None: this is its first."""
    diff: tuple[tuple[str, str], ...]
    """Lines with what they are: ``plus``, ``minus``, ``at`` or empty."""
    log: str
    took: str


def told(found: Found) -> Iterator[Told]:
    """All trials, in their order."""
    front = {one.trial for one in found.summary.front.members} | {found.chosen, found.baseline}
    hide = Hidden(found)
    baseline = found.trials[0].configuration.values if 0 in found.trials else {}
    for trial in found.summary.trials:
        full = len(found.summary.trials) <= _ALL or trial.number in front
        first = found.first_of[trial.manifest_digest]
        yield Told(
            number=trial.number,
            title=f"Trial {trial.number}",
            line=_line(found, trial),
            tags=tuple(_tags(found, trial)),
            outcome=hide.text(outcome(found, trial)),
            word=_word(found, trial),
            tone=_tone(trial),
            knobs=_knobs(trial, baseline) if full else [],
            metrics=_metrics(found, trial) if full else [],
            warnings=tuple(map(hide.text, _warnings(trial))) if full else (),
            same_as=first if first != trial.number else None,
            diff=hide.difference(trial.number) if full and first == trial.number else (),
            log=hide.log(trial) if isinstance(trial.outcome, Failed) and full else "",
            took=format_seconds(trial.duration_s),
        )


def outcome(found: Found, trial: Trial) -> str:
    """How it ended, in a sentence's words."""
    match trial.outcome:
        case Measured(broken=broken, undecided=undecided):
            if broken:
                return f"breaks the SLO: {', '.join(name(metric) for metric, _ in broken)}"
            return f"undecided: {', '.join(map(name, undecided))} could not be told" if undecided else found.well
        case other:
            return ended(other)


def _word(found: Found, trial: Trial) -> str:
    match trial.outcome:
        case Failed(stage=stage, kind=kind):
            return f"failed at {stage}: {kind}"
        case Stopped():
            return "cut short"
        case Referenced():
            return "how fast the machine is"
        case Infeasible():
            return "cannot run here"
        case Interrupted():
            return "interrupted"
        case _:
            return outcome(found, trial)


def _tone(trial: Trial) -> str:
    if trial.feasible:
        return "good"
    return "muted" if isinstance(trial.outcome, Referenced | Interrupted) or trial.state == "undecided" else "bad"


class Hidden:
    """What a study keeps of its servers, without the literal secrets of the manifest."""

    def __init__(self, found: Found) -> None:
        self._folder = found.folder
        self._names = found.summary.start.mask
        self._values = tuple(one.value for one in secret_values(_text(found.folder.manifest(0)), self._names))

    def text(self, text: str) -> str:
        return masked(text, self._names, self._values)

    def difference(self, number: int) -> tuple[tuple[str, str], ...]:
        """The manifest of a trial against the one as it stands; empty: the same, or not kept."""
        before, after = (_text(self._folder.manifest(one)) for one in (0, number))
        if not before or not after:
            return ()
        if self._values:  # a short one would be masked everywhere if it were looked for in lines out of their place
            before, after = (_masked(text, self._names, self._values) for text in (before, after))
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))[2:]
        kinds = {"+": "plus", "-": "minus", "@": "at"}
        return tuple((kinds.get(line[:1], ""), self.text(line)) for line in lines[:_LONGEST_DIFF])

    def log(self, trial: Trial) -> str:
        """The last that its server wrote."""
        text = _text(self._folder.log(trial.number))
        if not text and isinstance(trial.outcome, Failed):
            text = trial.outcome.logs
        return self.text("\n".join(text.splitlines()[-_TAIL_LINES:])[-_LONGEST_TAIL:])


def _line(found: Found, trial: Trial) -> str:
    estimates = {} if trial.measurement is None else trial.measurement.estimates()
    values = [f"{name(one)} {found.amount(one, estimates[one].value)}" for one in found.metrics if one in estimates]
    knobs = " ".join(
        f"{knob}={word(value)}" for knob, value in trial.configuration.values.items() if knob in found.knobs
    )
    return "; ".join(part for part in (", ".join(values), knobs) if part)


def _tags(found: Found, trial: Trial) -> Iterator[str]:
    number = found.group(trial)
    if number == found.chosen:
        yield "chosen"
    if trial.purpose != "search":
        yield {"confirm": "fresh start", "again": "measured again"}.get(trial.purpose, trial.purpose)
    if trial.number in {one.trial for one in found.summary.front.members}:
        yield "front"


def _knobs(trial: Trial, baseline: Mapping[str, Value]) -> list[list[str]]:
    return [
        [knob, word(value), "" if baseline.get(knob) == value else f"baseline: {word(baseline.get(knob))}"]
        for knob, value in trial.configuration.values.items()
    ]


def _metrics(found: Found, trial: Trial) -> list[list[str]]:
    """As this trial measured them, and where there were several starts, over all that count."""
    if trial.measurement is None:
        return []
    own: dict[str, Estimate] = dict(trial.measurement.estimates())
    pooled = found.figures.get(found.group(trial), {})
    order = [*(one for one in found.metrics if one in own), *(one for one in own if one not in found.metrics)]
    return [
        [
            name(metric),
            figure_text(metric, own[metric], found.currency),
            figure_text(metric, pooled[metric], found.currency)
            if metric in pooled and pooled[metric] != own[metric]
            else "",
        ]
        for metric in order
    ]


def _warnings(trial: Trial) -> tuple[str, ...]:
    measurement = trial.measurement
    if measurement is None:
        return ()
    not_enforced = (f"not enforced: {one}" for one in measurement.not_enforced)
    return (*measurement.warnings, *not_enforced, *(f"admission: {one}" for one in measurement.admitted))


@lru_cache(maxsize=1024)
def _masked(text: str, names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return masked(text, names, values)


def _text(path: Path) -> str:
    """The file's text; empty where there is none, for not every trial leaves every file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
