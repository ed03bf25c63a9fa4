"""What was found, in two sentences, and the baseline beside what was chosen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tuner.report.study.found import Found, counted, name, word
from tuner.space.metrics import METRICS
from tuner.space.model import Constraint
from tuner.study.hopeless import unmeasured
from tuner.study.model import BaselineComparison
from tuner.trials.model import Failed, Infeasible, Stopped
from tuner.units import format_metric, least

_BESIDE = ("latency_p50", "latency_p99", "throughput", "error_ratio", "cost", "cpu", "memory", "startup")
"""Told of both sides besides what was aimed at or bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    tone: str
    """``good``, ``open`` or ``bad``."""
    first: str
    second: str
    notes: tuple[str, ...] = ()


def verdict(found: Found) -> Verdict:
    """No more certain than the noise of restarts allows."""
    choice = found.summary.choice
    if choice is None or found.chosen is None:
        return _nothing(found)
    number, aims = found.chosen, {one.metric for one in found.summary.start.objectives}
    among = f"chosen from {counted(len(found.candidates), 'configuration')} that were measured"
    if found.same:
        tone, first = "open", f"The manifest as it stands was {among}: {_values(found, number)}."
    elif found.baseline is None:
        tone, first = "open", f"Trial {number} was {among}: {_values(found, number)}; the baseline was not measured."
    else:
        told = [one for one in found.summary.comparisons if one.metric in aims]
        against = "; ".join(comparison_text(found, one) for one in told)
        tone = "good" if any(one.verdict == "better" for one in told) else "open"
        first = f"Trial {number} was {among}: {against or _values(found, number)}."
    bounds = " and ".join(constraint_text(found, one) for one in found.summary.start.slo)
    meets = f"It meets the SLO ({bounds}) and" if bounds else "It"
    return Verdict(
        tone=tone,
        first=first,
        second=f"{meets} was chosen by the rule {choice.pick}: {choice.reason}.",
        notes=tuple(
            f"As good within the noise: {found.told(one)}." for one in choice.equals if one in found.candidates
        ),
    )


def comparison_text(found: Found, one: BaselineComparison) -> str:
    """``throughput 439/s against the baseline's 503/s (0.872x, worse)``."""
    unit = METRICS[one.metric].unit
    chosen = least(format_metric(unit, one.chosen, found.currency), is_least=one.chosen_is_least)
    baseline = least(format_metric(unit, one.baseline, found.currency), is_least=one.baseline_is_least)
    return f"{name(one.metric)} {chosen} against the baseline's {baseline} ({one.ratio_text}, {one.verdict})"


def constraint_text(found: Found, one: Constraint) -> str:
    """``latency p99 <= 100 ms``."""
    return f"{name(one.metric)} {'>=' if one.at_least else '<='} {found.amount(one.metric, one.bound)}"


def against_baseline(found: Found) -> list[list[str]]:
    """A metric a row: the baseline's and the choice's with intervals, their ratio, and what it is told to be."""
    if found.chosen is None or found.baseline is None or found.same:
        return []
    told = {one.metric: one for one in found.summary.comparisons}
    rows = []
    for metric in dict.fromkeys([*found.metrics, *_BESIDE]):
        before, after = (found.figures[one].get(metric) for one in (found.baseline, found.chosen))
        if before is None or after is None:
            continue
        ratio = (
            told[metric].ratio_text if metric in told else f"{after.value / before.value:.3g}x" if before.value else ""
        )
        verdict = told[metric].verdict if metric in told else "–"
        shown = [found.figure(metric, one) for one in (found.baseline, found.chosen)]
        rows.append([name(metric), *shown, ratio, verdict])
    return rows


def knobs_changed(found: Found) -> list[list[str]]:
    """A knob a row that differs between baseline and choice."""
    if found.chosen is None or found.same or 0 not in found.trials:
        return []
    before, after = (found.trials[one].configuration.values for one in (0, found.chosen))
    names = sorted(before.keys() | after.keys())
    return [[one, word(before.get(one)), word(after.get(one))] for one in names if before.get(one) != after.get(one)]


def noise_text(found: Found) -> str:
    """By how much restarts of one configuration differed."""
    floors = found.summary.noise_floor
    if not floors:
        return "Restarts of one configuration were not measured, so that no difference can be told from chance."
    told = ", ".join(f"{name(metric)} by {floor:.3g}x" for metric, floor in floors.items())
    return f"Restarts of one configuration differ at most in {told}; a smaller difference counts as none."


def _values(found: Found, number: int) -> str:
    return ", ".join(f"{name(metric)} {text}" for metric in found.metrics if (text := found.short(metric, number)))


def _nothing(found: Found) -> Verdict:
    trials = found.summary.trials
    if not found.candidates:
        why = unmeasured(trials) or "no trial has ended yet"
        return Verdict(
            tone="open" if not trials else "bad", first=f"Nothing was measured: {why}.", second=_endings(found)
        )
    bounds = " and ".join(constraint_text(found, one) for one in found.summary.start.slo)
    first = f"None of the {counted(len(found.candidates), 'configuration')} measured certainly met the SLO ({bounds})."
    return Verdict(tone="bad", first=first, second=_endings(found))


def _endings(found: Found) -> str:
    """How the trials ended, counted."""
    kinds = {Failed: "failed", Infeasible: "could not run here", Stopped: "broke the SLO beyond doubt"}
    states = {"broken": "broke the SLO", "undecided": "left it undecided", "met": "met it"}
    told = Counter(
        kinds.get(type(trial.outcome)) or states.get(trial.state or "", "were interrupted")
        for trial in found.summary.trials
    )
    if not told:
        return "It has just begun."
    return f"Of {counted(sum(told.values()), 'trial')} {', '.join(f'{count} {what}' for what, count in told.items())}."
