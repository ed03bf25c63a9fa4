"""A study's trials in the columns of Seldon's benchmarking chart, for whoever has scripts that read its table.

A row is a trial, a restart of one configuration too. A column that was not measured is empty, and said to be.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuner.manifests.seldon_benchmark.chart import COLUMNS
from tuner.space.model import Configuration, SearchSpace
from tuner.study.model import Summary
from tuner.trials.ended import ended
from tuner.trials.model import Measured, Trial, measured
from tuner.units import format_seconds
from tuner.workload.model import GRPC_PROTOCOLS

Cell = float | int | str | None
"""None: not measured, or nothing that the manifest has."""

_QUANTILES = {"50th": "latency_p50", "90th": "latency_p90", "95th": "latency_p95", "99th": "latency_p99"}
_WHY: Mapping[str, str] = {
    "mean": "the mean latency is not measured: quantiles are, and a mean hides them",
    "throughputAchieved": "no request was counted, as of a replay",
    "success": "no request was counted, as of a replay",
    "errors": "no request was counted, as of a replay",
    "benchmarkCpu": "the load was sent from where the tuner ran, not from CPUs of its own in the cluster",
    "server": "the manifest names no prepackaged server",
    "modelUri": "the manifest names no model",
    "image": "the manifest names no image: Seldon's operator takes its server's",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    rows: tuple[Mapping[str, Cell], ...]
    """By column, all of `COLUMNS`."""
    said: tuple[str, ...]
    """What is empty, and why, a sentence each."""

    def csv(self) -> str:
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return out.getvalue()


def table(summary: Summary, space: SearchSpace, cell: Callable[[Configuration], Mapping[str, str]]) -> Table:
    """`cell`: the columns that a configuration's manifest tells. References, which are no candidates, have no row."""
    trials = [trial for trial in summary.trials if trial.purpose != "reference"]
    asked = _asked(summary, space)
    rows = tuple(_row(summary, trial, {**cell(trial.configuration), **asked}) for trial in trials)
    return Table(rows=rows, said=tuple(_said(trials, rows)))


def _asked(summary: Summary, space: SearchSpace) -> dict[str, str]:
    """How all trials were put under load."""
    workload, start = space.workload, summary.start
    found = {
        "apiType": "grpc" if workload.protocol in GRPC_PROTOCOLS else "rest",
        "concurrency": str(workload.connections),
        "duration": format_seconds(workload.duration_s).replace(" ", ""),
    }
    return found | ({"benchmarkCpu": str(start.load_cpus)} if start.load == "cluster" else {})


def _row(summary: Summary, trial: Trial, cell: Mapping[str, str]) -> Mapping[str, Cell]:
    row: dict[str, Cell] = dict.fromkeys(COLUMNS)
    row |= {column: value for column, value in cell.items() if column in row}
    row["iteration_name"] = f"{summary.start.name}-{trial.number}"
    found = measured(trial)
    if found is None:
        return row
    window, known = found.at_rate, found.metrics()
    row |= {column: _ms(known[metric]) for column, metric in _QUANTILES.items() if metric in known}
    row["rate"] = f"{window.offered_rps:.6g}"
    if window.requests:  # a replay counts none
        failed = sum(window.errors.values())
        row |= {
            "throughputAchieved": round(window.achieved_rps, 6),
            "success": window.requests - failed,
            "errors": failed,
        }
    return row


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 6)


def _said(trials: list[Trial], rows: tuple[Mapping[str, Cell], ...]) -> Iterator[str]:
    for column in COLUMNS:
        without = [trial for trial, row in zip(trials, rows, strict=True) if row[column] is None]
        if rows and len(without) == len(rows):
            yield f"{column} is empty: {_WHY.get(column, 'the manifest does not say it')}"
    again = [str(trial.number) for trial in trials if not trial.searched]
    if again:
        yield f"trials {', '.join(again)} are fresh starts of configurations that have a row already"
    for trial in trials:
        found = measured(trial)
        if found is None and not isinstance(trial.outcome, Measured):
            yield f"trial {trial.number} was not measured: it {ended(trial.outcome)}"
        elif found is not None:
            unknown = [one for one, metric in _QUANTILES.items() if metric not in found.metrics()]
            if unknown:
                beyond = _beyond(found.at_rate.beyond_s, unknown)
                yield f"trial {trial.number}: {_listed(unknown)} could not be told from its samples{beyond}"


def _beyond(beyond_s: Mapping[str, float], unknown: Iterable[str]) -> str:
    known = [(one, beyond_s[_QUANTILES[one]]) for one in unknown if _QUANTILES[one] in beyond_s]
    texts = ", ".join(f"{one} is more than {format_seconds(least)}" for one, least in known)
    return f" ({texts})" if texts else ""


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
