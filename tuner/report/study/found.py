"""What the parts of the page share: the summary, what is told of each candidate, and how things are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tuner.front.model import Candidate
from tuner.report.figures import figure_text, of_candidates
from tuner.space.metrics import METRICS
from tuner.space.model import SearchSpace
from tuner.space.values import Value
from tuner.statistics.model import Estimate
from tuner.study.model import Summary, display
from tuner.study.summary import compared
from tuner.trials.folder import StudyFolder
from tuner.trials.model import Trial, measured
from tuner.units import format_metric, least


@dataclass(frozen=True, kw_only=True)
class Found:
    folder: StudyFolder
    summary: Summary
    space: SearchSpace | None
    """As it was when the study began; None: another version wrote it."""

    @cached_property
    def figures(self) -> Mapping[int, Mapping[str, Estimate]]:
        """Of each candidate, by the number of its first trial."""
        return of_candidates(self.summary)

    @cached_property
    def candidates(self) -> Mapping[int, Candidate]:
        return {one.trial: one for one in self.summary.candidates}

    @cached_property
    def trials(self) -> Mapping[int, Trial]:
        return {one.number: one for one in self.summary.trials}

    @cached_property
    def first_of(self) -> Mapping[str, int]:
        """By the digest of a manifest, the number of the first trial of it."""
        found: dict[str, int] = {}
        for trial in self.summary.trials:
            found.setdefault(trial.manifest_digest, trial.number)
        return found

    @property
    def chosen(self) -> int | None:
        return None if self.summary.choice is None else self.summary.choice.candidate.trial

    @property
    def baseline(self) -> int | None:
        return self.summary.baseline

    @property
    def same(self) -> bool:
        """The choice is the manifest as it stands."""
        return self.chosen is not None and self.chosen == self.baseline

    @property
    def well(self) -> str:
        """What a trial is that ended well."""
        return "meets the SLO" if self.summary.start.slo else "measured"

    @cached_property
    def currency(self) -> str:
        return next((trial.measurement.currency for trial in self.summary.trials if trial.measurement), "USD")

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """What the study aims at or bounds, each once."""
        return compared(self.summary.start)

    @cached_property
    def latency(self) -> str:
        """The quantile that is looked at: the one that is bounded or aimed at, else the 99th."""
        return next((name for name in self.metrics if name.startswith("latency_")), "latency_p99")

    @cached_property
    def knobs(self) -> tuple[str, ...]:
        """Those that were not the same in all trials."""
        names = dict.fromkeys(name for trial in self.summary.trials for name in trial.configuration.values)
        every = [trial.configuration.values for trial in self.summary.trials]
        return tuple(name for name in names if len({str(values.get(name)) for values in every}) > 1)

    def group(self, trial: Trial) -> int:
        """The trial that stands for a trial's configuration in charts and tables: its candidate's number, or its own."""
        number = self._candidate_of.get(trial.manifest_digest)
        return trial.number if number is None else number

    @cached_property
    def _candidate_of(self) -> Mapping[str, int]:
        return {self.trials[number].manifest_digest: number for number in self.candidates}

    def configuration(self, number: int) -> str:
        return display(self.trials[number].configuration)

    def figure(self, metric: str, number: int) -> str:
        """A candidate's, with its interval; empty where it was not measured."""
        estimate = self.figures.get(number, {}).get(metric)
        return "" if estimate is None else figure_text(metric, estimate, self.currency)

    def short(self, metric: str, number: int) -> str:
        """The same without the interval."""
        estimate = self.figures.get(number, {}).get(metric)
        return "" if estimate is None else least(self.amount(metric, estimate.value), is_least=estimate.is_least)

    def amount(self, metric: str, value: float) -> str:
        return format_metric(METRICS[metric].unit, value, self.currency)

    def told(self, number: int) -> str:
        """A candidate in a line: its trial, what it measured, its configuration."""
        values = [f"{name(metric)} {text}" for metric in self.metrics if (text := self.short(metric, number))]
        return f"trial {number}: {', '.join(values)}; {self.configuration(number)}"


def name(metric: str) -> str:
    """``latency p99``."""
    return metric.replace("_", " ")


def word(value: Value | Any) -> str:
    """A knob's value as it is written in a manifest; ``–``: it does not exist there."""
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else str(value)


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def speed_of(trial: Trial) -> float | None:
    found = measured(trial)
    return None if found is None else found.speed
