"""What an MLflow run holds of a trial or a study, as plain values: names, units, tables. Pure; knows no MLflow.

Metric names say their unit. Latencies and the start-up time are in milliseconds, because MLflow's pages show three
decimals; everything else is in the SI unit of the journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.front import pareto
from tuner.front.model import Candidate
from tuner.measure.model import Measurement, Window
from tuner.record.wording import constraint_text, objective_text, outcome_text
from tuner.space.metrics import METRICS, Unit
from tuner.space.model import Objective, SearchSpace
from tuner.statistics.model import Estimate
from tuner.study.model import StudyStart, Summary, display
from tuner.trials.model import Measured, Trial
from tuner.workload.arrivals import described

_SUFFIX: Mapping[Unit, str] = {
    "rate": "_rps",
    "seconds": "_s",
    "ratio": "",
    "money_per_hour": "_per_hour",
    "cores": "_cores",
    "bytes": "_bytes",
}
_UNSAFE = re.compile(r"[^\w.\-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One metric value. `step` is the offered rate (rounded) on the curve, 0 elsewhere."""

    name: str
    value: float
    step: int = 0


def safe(name: str) -> str:
    """`name` with what MLflow does not take in a name replaced by ``_``."""
    return _UNSAFE.sub("_", name)


def metric_name(metric: str) -> str:
    """The MLflow name of a metric: ``latency_p99`` becomes ``latency_p99_ms``."""
    return f"{metric}_ms" if METRICS[metric].unit == "seconds" else _column(metric)


def _column(metric: str) -> str:
    """Its name in a table, whose values are in SI units."""
    return metric + _SUFFIX[METRICS[metric].unit]


def _points(metric: str, estimate: Estimate, step: int = 0, prefix: str = "") -> Iterable[Point]:
    scale = 1000.0 if METRICS[metric].unit == "seconds" else 1.0
    name = prefix + metric_name(metric)
    for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high)):
        if value is not None:
            yield Point(name=name + end, value=value * scale, step=step)


def trial_points(trial: Trial) -> list[Point]:
    """Every metric of a trial, with intervals as ``_low`` and ``_high``, and the curve under ``curve/``."""
    points = [
        Point(name="duration_s", value=trial.duration_s),
        Point(name="overhead_ms", value=trial.overhead_s * 1000),
    ]
    measurement = trial.measurement
    if measurement is None:
        return points
    for metric, estimate in measurement.estimates().items():
        points += _points(metric, estimate)
    points += [Point(name=name, value=value) for name, value in _resources(measurement).items() if value is not None]
    for window in measurement.curve:
        points += _curve_points(window)
    return points


def _resources(measurement: Measurement) -> dict[str, float | None]:
    """Of what is replayed nothing was sent, and nobody watched it: that is absent."""
    sent = measurement.at_rate.requests > 0
    return {
        "requested_cores": measurement.requested_cores,
        "requested_memory_bytes": measurement.requested_memory_bytes,
        "requested_gpus": measurement.requested_gpus,
        "cost_per_million_requests": measurement.cost_per_million,
        "cpu_throttled_ratio": measurement.usage.throttled_ratio,
        "restarts": float(measurement.usage.restarts) if sent else None,
        "gpu_utilization_ratio": measurement.usage.gpu_utilization_ratio,
        "gpu_memory_bytes": measurement.usage.gpu_memory_bytes,
        "generator_lateness_p99_ms": measurement.at_rate.lateness_p99_s * 1000 if sent else None,
        "generator_cpu_ratio": measurement.at_rate.generator_cpu_ratio if sent else None,
    }


def _curve_points(window: Window) -> Iterable[Point]:
    step = round(window.offered_rps)
    for metric, estimate in window.latency_s.items():
        yield from _points(metric, Estimate(value=estimate.value), step, "curve/")
    yield Point(name="curve/achieved_rps", value=window.achieved_rps, step=step)
    yield Point(name="curve/error_ratio", value=window.error_ratio.value, step=step)


def trial_params(trial: Trial) -> dict[str, str]:
    """The knobs as they are: numbers in their text form, quantities in their spelling."""
    return {safe(name): str(value) for name, value in trial.configuration.values.items()}


def outcome_name(trial: Trial) -> str:
    """One word: ``measured``, ``stopped``, ``infeasible``, ``failed`` or ``interrupted``."""
    return type(trial.outcome).__name__.lower()


def trial_tags(trial: Trial) -> dict[str, str]:
    tags = {
        "feasible": _flag(trial.feasible),
        "baseline": _flag(trial.purpose == "baseline"),
        "purpose": trial.purpose,
        "outcome": outcome_name(trial),
        "slo": trial.state or "",
        "reason": "" if trial.feasible else outcome_text(trial),
        "digest": trial.manifest_digest,
    }
    measurement = trial.measurement
    if measurement is not None:
        tags["currency"] = measurement.currency
        tags["throughput_note"] = measurement.throughput_note
        tags["lower_bounds"] = ", ".join(name for name, one in measurement.estimates().items() if one.is_least)
        tags["warnings"] = "; ".join(measurement.warnings)
        tags["not_enforced"] = "; ".join(measurement.not_enforced)
        tags["admitted"] = "; ".join(measurement.admitted)
        tags["images"] = "; ".join(measurement.images)
        tags["load_from"] = measurement.load_from
    return tags


def verdict_tags(summary: Summary) -> dict[int, dict[str, str]]:
    """By trial, ``pareto`` and ``chosen``: they belong to a configuration, so every measured run of it carries them."""
    digests = {trial.number: trial.manifest_digest for trial in summary.trials}
    members = {digests.get(member.trial) for member in summary.front.members}
    chosen = digests.get(summary.choice.candidate.trial) if summary.choice else None
    return {
        trial.number: {
            "pareto": _flag(measured and trial.manifest_digest in members),
            "chosen": _flag(measured and trial.manifest_digest == chosen),
        }
        for trial in summary.trials
        for measured in [isinstance(trial.outcome, Measured)]
    }


def undominated(trials: Sequence[Trial], objectives: Sequence[Objective]) -> set[int]:
    """Numbers of the feasible trials that no other feasible one beats: the front as single trials show it so far.

    The study's verdict at its end (`tuner.front`) also knows about restarts and replaces this one.
    """
    candidates = [
        Candidate(trial=trial.number, metrics=trial.measurement.metrics(), feasible=trial.feasible)
        for trial in trials
        if trial.measurement
    ]
    return {candidate.trial for candidate in pareto.undominated(candidates, objectives)}


class FrontSoFar:
    """`undominated` of the trials as they come: one that was beaten never comes back, so that each new one is compared
    with the front alone."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._front: list[Trial] = []

    @property
    def numbers(self) -> set[int]:
        return {trial.number for trial in self._front}

    def add(self, trials: Iterable[Trial], objectives: Sequence[Objective]) -> None:
        """Those that were added before are passed over."""
        new = [trial for trial in trials if trial.number not in self._seen]
        self._seen.update(trial.number for trial in new)
        kept = undominated([*self._front, *new], objectives) if new else self.numbers
        self._front = [trial for trial in (*self._front, *new) if trial.number in kept]


def digest_of(trials: Sequence[Trial], number: int) -> str | None:
    return next((trial.manifest_digest for trial in trials if trial.number == number), None)


def trial_name(trial: Trial) -> str:
    """``0003 cpu=500m workers=2``: the number first, so that names sort; the knobs, so that a list can be read."""
    prefix = f"{trial.number:04d}" if trial.purpose == "search" else f"{trial.number:04d} {trial.purpose}"
    return f"{prefix} {display(trial.configuration)}"[:120].rstrip()


def curve_table(measurement: Measurement) -> dict[str, Any]:
    """The latency-against-rate table in the shape that MLflow shows and `mlflow.load_table` reads; SI units."""
    latencies = [metric for metric in METRICS if metric.startswith("latency_")]
    columns = ["offered_rps", "achieved_rps", "requests", "error_ratio"]
    for metric in latencies:
        columns += [_column(metric) + end for end in ("", "_low", "_high")]
    rows = []
    for window in measurement.curve:
        row: list[Any] = [window.offered_rps, window.achieved_rps, window.requests, window.error_ratio.value]
        for metric in latencies:
            estimate = window.latency_s.get(metric)
            row += [estimate.value, estimate.low, estimate.high] if estimate else [None, None, None]
        rows.append(row)
    return {"columns": columns, "data": rows}


def front_table(summary: Summary) -> dict[str, Any]:
    """The Pareto front, best first in the first objective: trial, knobs, metrics in SI units."""
    by_number = {trial.number: trial for trial in summary.trials}
    metrics = [m for m in METRICS if any(m in member.metrics for member in summary.front.members)]
    knobs = sorted({name for trial in summary.trials for name in trial.configuration.values})
    chosen = summary.choice.candidate.trial if summary.choice else None
    rows: list[list[Any]] = []
    for member in summary.front.members:
        values = by_number[member.trial].configuration.values if member.trial in by_number else {}
        rows.append(
            [member.trial, member.trial == chosen, member.replicates]
            + [values.get(knob) for knob in knobs]
            + [member.metrics.get(metric) for metric in metrics]
            + [", ".join(member.least)]
        )
    columns = ["trial", "chosen", "restarts", *knobs, *map(_column, metrics), "lower_bounds"]
    return {"columns": columns, "data": rows}


def comparison_table(summary: Summary) -> dict[str, Any]:
    """The chosen configuration against the baseline; SI units."""
    rows = [
        [c.metric, c.baseline, c.chosen, c.ratio, c.verdict, _sign(c.baseline_is_least), _sign(c.chosen_is_least)]
        for c in summary.comparisons
    ]
    return {"columns": ["metric", "baseline", "chosen", "ratio", "verdict", "baseline_is", "chosen_is"], "data": rows}


def _sign(is_least: bool) -> str:
    return ">=" if is_least else "="


def study_params(start: StudyStart, space: SearchSpace) -> dict[str, str]:
    """What is fixed for the whole study."""
    params = {
        "objectives": ", ".join(objective_text(objective) for objective in start.objectives),
        "slo": ", ".join(constraint_text(constraint) for constraint in start.slo),
        "sampler": start.sampler,
        "seed": str(start.seed),
        "backend": start.backend,
        "protocol": space.workload.protocol,
        "arrival": described(space.workload),
        "input_digest": start.input_digest,
        "tuner_version": start.tuner_version,
    }
    params |= {f"machine.{safe(name)}": value for name, value in start.machine.items()}
    return {name: value for name, value in params.items() if value}


def trials_view(start: StudyStart, space: SearchSpace) -> dict[str, Any]:
    """State of MLflow's page that lists the trials, best first in the first objective, with the columns that matter.

    Left to itself the page shows one folded row a study and no metric. Sorting by a metric is what unfolds it. The
    shape is that of MLflow 3.17's shared views (tag ``mlflow.sharedViewState.KEY``, link ``?viewStateShareKey=KEY``).
    """
    aims = [*(objective.metric for objective in start.objectives), *(constraint.metric for constraint in start.slo)]
    metrics = [f"metrics.`{metric_name(metric)}`" for metric in dict.fromkeys(aims)]
    params = [f"params.`{safe(parameter.name)}`" for parameter in space.parameters]
    tags = [f"tags.`{name}`" for name in ("pareto", "chosen", "feasible", "outcome")]
    return {
        "orderByKey": metrics[0] if metrics else "attributes.start_time",
        "orderByAsc": not start.objectives or start.objectives[0].direction == "minimize",
        "selectedColumns": [*params, *metrics, *tags],
    }


def study_points(summary: Summary) -> list[Point]:
    points = [
        Point(name="trials", value=float(len(summary.trials))),
        Point(name="feasible_trials", value=float(sum(trial.feasible for trial in summary.trials))),
        Point(name="undecided_trials", value=float(sum(trial.state == "undecided" for trial in summary.trials))),
        Point(name="front_size", value=float(len(summary.front.members))),
    ]
    if summary.front.hypervolume is not None:
        points.append(Point(name="hypervolume", value=summary.front.hypervolume))
    points += [Point(name=f"chosen_over_baseline/{safe(c.metric)}", value=c.ratio) for c in summary.comparisons]
    points += [Point(name=f"noise_floor/{safe(name)}", value=value) for name, value in summary.noise_floor.items()]
    return points


def _flag(value: bool) -> str:
    return "true" if value else "false"
