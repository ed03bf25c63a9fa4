"""Tables as JSON in the shape that MLflow shows and `mlflow.load_table` reads, in the units of the metrics' names. Pure."""

from __future__ import annotations

from typing import Any

from tuner.measure.model import Measurement
from tuner.record.mlflow.metrics import in_its_unit, metric_name, rounded
from tuner.space.metrics import METRICS
from tuner.study.model import Summary

Table = dict[str, Any]


def curve_table(measurement: Measurement) -> Table:
    """Latency against the offered rate. A closed loop offers none, and is no row."""
    latencies = [name for name in METRICS if any(name in window.latency_s for window in measurement.curve)]
    columns = ["offered_rps", "achieved_rps", "requests", "error_ratio"]
    for metric in latencies:
        columns += [metric_name(metric) + end for end in ("", "_low", "_high")]
    rows = []
    for window in measurement.curve:
        if window.offered_rps <= 0.0:
            continue
        errors = rounded(window.error_ratio.value)
        row: list[Any] = [rounded(window.offered_rps), rounded(window.achieved_rps), window.requests, errors]
        for metric in latencies:
            estimate = window.latency_s.get(metric)
            ends = (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)
            row += [None if value is None else in_its_unit(metric, value) for value in ends]
        rows.append(row)
    return {"columns": columns, "data": rows}


def front_table(summary: Summary) -> Table:
    """The Pareto front, best first in the first objective: trial, knobs, metrics."""
    by_number = {trial.number: trial for trial in summary.trials}
    metrics = [m for m in METRICS if any(m in member.metrics for member in summary.front.members)]
    knobs = sorted({name for trial in summary.trials for name in trial.configuration.values})
    chosen = summary.choice.candidate.trial if summary.choice else None
    rows: list[list[Any]] = []
    for member in summary.front.members:
        values = by_number[member.trial].configuration.values if member.trial in by_number else {}
        known = [member.metrics.get(metric) for metric in metrics]
        rows.append(
            [member.trial, member.trial == chosen, member.replicates]
            + [values.get(knob) for knob in knobs]
            + [None if one is None else in_its_unit(name, one) for name, one in zip(metrics, known, strict=True)]
            + [", ".join(member.least)]
        )
    columns = ["trial", "chosen", "restarts", *knobs, *map(metric_name, metrics), "lower_bounds"]
    return {"columns": columns, "data": rows}


def comparison_table(summary: Summary) -> Table:
    """The chosen configuration against the baseline."""
    rows = [
        [
            metric_name(one.metric),
            in_its_unit(one.metric, one.baseline),
            in_its_unit(one.metric, one.chosen),
            rounded(one.ratio),
            one.verdict,
            _sign(one.baseline_is_least),
            _sign(one.chosen_is_least),
        ]
        for one in summary.comparisons
    ]
    return {"columns": ["metric", "baseline", "chosen", "ratio", "verdict", "baseline_is", "chosen_is"], "data": rows}


def _sign(is_least: bool) -> str:
    return ">=" if is_least else "="
