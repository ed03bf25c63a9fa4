"""The note of a run, in Markdown: what a reader wants to know first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.record.mlflow.metrics import aims, differences
from tuner.record.wording import comparison_lines, constraint_text, metric_text, outcome_text
from tuner.study.model import StudyStart, Summary
from tuner.trials.model import Trial

NOTE = "mlflow.note.content"


def study_note(page: str) -> str:
    """Of an experiment. `page`: path of the page that compares the trials."""
    return (
        f"[**Compare the trials**]({page[1:]}), best first.\n\n"
        "The run named *study* holds the report and one run a trial; `tags.pareto = 'true'` leaves the Pareto front "
        "(also `feasible`, `baseline`, `chosen`). Latencies and times are in milliseconds, memory is in MiB; `_low` and "
        "`_high` hold the truth with 95 % confidence; `curve/...` is latency against the offered rate, which is the "
        "step; `vs_baseline_pct/...` is the difference to the baseline in percent.\n"
    )


def trial_note(trial: Trial, start: StudyStart, baseline: Trial | None, first: int | None, called: str) -> str:
    """Of a trial: how it ended, how it stands with the SLO and the baseline, what to mistrust, how to take it away.

    `first`: number of the first trial of the same manifest; `called`: what the commands know the study by.
    """
    parts = [f"**{_sentence(trial, start)}**"]
    if trial.purpose in ("confirm", "again") and first not in (None, trial.number):
        parts.append(f"A fresh start of the very manifest of trial {first}.")
    if trial.measurement is not None:
        parts.append(_figures(trial, start, baseline))
        parts += _listed("Read with care", _doubts(trial))
    parts.append(f"Take its manifest away: `tune export {called} --trial {trial.number} -o manifest.yaml`")
    return "\n\n".join(parts) + "\n"


def running_note(called: str) -> str:
    """Of a study that has not ended."""
    return f"**Not ended yet.** In a terminal: `tune show {called}`\n"


def summary_note(summary: Summary, called: str) -> str:
    """Of a study that has ended."""
    chosen, *compared = comparison_lines(summary)
    parts = [f"**{_capital(_plain(chosen))}.**", *_listed("Against the baseline", compared)]
    parts.append(f"Ended: {_plain(summary.ended_because)}.")
    if summary.choice is not None:
        parts.append(f"Take it away: `tune export {called} -o manifest.yaml`")
    parts.append(f"In a terminal: `tune show {called}`")
    return "\n\n".join(parts) + "\n"


def _sentence(trial: Trial, start: StudyStart) -> str:
    bounds = ", ".join(constraint_text(one) for one in start.slo)
    said = f"meets the SLO ({bounds})" if bounds else "measured"
    text = said if trial.feasible else outcome_text(trial)
    return f"{_capital(_plain(text))}."


def _figures(trial: Trial, start: StudyStart, baseline: Trial | None) -> str:
    """A list: the page of a run shows no tables."""
    against = None if trial.purpose == "baseline" else baseline
    told = {point.name.rpartition("/")[2]: f": {point.value:+.3g} %" for point in differences(trial, start, against)}
    lines = []
    for name in aims(start):
        other = "" if against is None else f", baseline {metric_text(against, name)}"
        lines.append(f"- {_plain(name)} **{_plain(metric_text(trial, name))}**{_plain(other + told.get(name, ''))}")
    return "\n".join(lines)


def _doubts(trial: Trial) -> list[str]:
    measurement = trial.measurement
    if measurement is None:
        return []
    least = [name for name, one in measurement.estimates().items() if one.is_least]
    return [
        *(f"{name} is a lower bound: {measurement.throughput_note}" for name in least if name == "throughput"),
        *measurement.warnings,
        *(f"not enforced: {text}" for text in measurement.not_enforced),
        *(f"admission: {text}" for text in measurement.admitted),
    ]


def _listed(title: str, lines: Iterable[str]) -> list[str]:
    items = [f"- {_plain(line)}" for line in lines]
    return [f"{title}:\n\n" + "\n".join(items)] if items else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    """On one line, and with nothing that Markdown would read as markup: it may be what a server wrote."""
    line = " ".join(text.split()).replace("<=", "≤").replace(">=", "≥").replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "*_`[]\\" else letter for letter in line)
