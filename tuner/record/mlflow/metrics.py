"""A trial's and a study's metrics as MLflow holds them. Pure.

Names say their unit, which is one everywhere: latencies and times are in milliseconds, memory is in MiB, for MLflow's
pages show three decimals. Values have four significant digits: no measurement here knows more. What a user compares
trials by comes first, for pages that choose a metric themselves take the first; bookkeeping is under ``system/``, which
they keep apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.measure.model import Measurement, Window
from tuner.record.mlflow.params import safe
from tuner.space.metrics import METRICS, Unit
from tuner.space.model import Constraint, Objective
from tuner.study.model import StudyStart, Summary
from tuner.trials.model import Trial

MIB = float(1 << 20)
AGAINST = "vs_baseline_pct/"
"""Prefix of what a metric differs by from the baseline's, in percent of that."""
_SUFFIX: Mapping[Unit, str] = {
    "rate": "_rps",
    "seconds": "_ms",
    "ratio": "",
    "money_per_hour": "_per_hour",
    "cores": "_cores",
    "bytes": "_mib",
}
_SCALE: Mapping[Unit, float] = {"seconds": 1000.0, "bytes": 1.0 / MIB}
_NAMES: Mapping[str, str] = {"cpu": "used_cpu_cores", "memory": "used_memory_mib"}
"""Told from the knobs of these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One metric value. `step` is the offered rate (rounded) on the curve, 0 elsewhere."""

    name: str
    value: float
    step: int = 0


def metric_name(metric: str) -> str:
    """The MLflow name of a metric: ``latency_p99`` becomes ``latency_p99_ms``."""
    return _NAMES.get(metric, metric + _SUFFIX[METRICS[metric].unit])


def in_its_unit(metric: str, value: float) -> float:
    """A metric's value, given in the SI unit, in the unit of its MLflow name."""
    return rounded(value * _SCALE.get(METRICS[metric].unit, 1.0))


def rounded(value: float) -> float:
    """To four significant digits."""
    return float(f"{value:.4g}")


def aims(start: StudyStart) -> list[str]:
    """The metrics a study aims at or bounds, as a reader wants them: the first objective, latencies, cost, the rest."""
    objectives: Sequence[Objective | Constraint] = start.objectives
    named = dict.fromkeys(one.metric for one in (*objectives, *start.slo))
    first = [one.metric for one in start.objectives[:1]]

    def place(metric: str) -> int:
        return 0 if metric in first else 1 if METRICS[metric].unit == "seconds" else 2 if metric == "cost" else 3

    return sorted(named, key=place)


def trial_points(trial: Trial, start: StudyStart, baseline: Trial | None = None) -> list[Point]:
    """Every metric of a trial, with intervals as ``_low`` and ``_high``, what it differs by from the baseline, and the
    curve under ``curve/``. `baseline`: None where it is not known, or not measured."""
    measurement = trial.measurement
    if measurement is None:
        return _bookkeeping(trial)
    estimates = measurement.estimates()
    first = [metric for metric in aims(start) if metric in estimates]
    points: list[Point] = [_point(metric, estimates[metric].value) for metric in first]
    points += differences(trial, start, baseline)
    points += [_point(metric, one.value) for metric, one in estimates.items() if metric not in first]
    for metric, estimate in estimates.items():
        ends = {"_low": estimate.low, "_high": estimate.high}
        points += [_point(metric, value, end) for end, value in ends.items() if value is not None]
    points += _of(_resources(measurement))
    for window in measurement.curve:
        points += _curve_points(window)
    return points + _bookkeeping(trial)


def differences(trial: Trial, start: StudyStart, baseline: Trial | None) -> list[Point]:
    """What its objectives and latencies differ by from the baseline's, in percent; of what is only known as a lower
    bound, on either side, that cannot be told. None of the baseline itself."""
    if trial.measurement is None or baseline is None or baseline.measurement is None or trial.purpose == "baseline":
        return []
    own, other = trial.measurement.estimates(), baseline.measurement.estimates()
    told = [one for one in aims(start) if one in own and one in other and one != "error_ratio"]
    return [
        Point(name=f"{AGAINST}{metric}", value=rounded((own[metric].value / other[metric].value - 1.0) * 100.0))
        for metric in told
        if other[metric].value > 0.0 and not own[metric].is_least and not other[metric].is_least
    ]


def study_points(summary: Summary) -> list[Point]:
    points = [
        Point(name="trials", value=float(len(summary.trials))),
        Point(name="feasible_trials", value=float(sum(trial.feasible for trial in summary.trials))),
        Point(name="undecided_trials", value=float(sum(trial.state == "undecided" for trial in summary.trials))),
        Point(name="front_size", value=float(len(summary.front.members))),
    ]
    if summary.front.hypervolume is not None:
        points.append(Point(name="hypervolume", value=rounded(summary.front.hypervolume)))
    points += [
        Point(name=f"chosen_over_baseline/{safe(c.metric)}", value=rounded(c.ratio)) for c in summary.comparisons
    ]
    floors = summary.noise_floor.items()
    return points + [Point(name=f"noise_floor/{safe(name)}", value=rounded(value)) for name, value in floors]


def _point(metric: str, value: float, end: str = "", step: int = 0, prefix: str = "") -> Point:
    return Point(name=f"{prefix}{metric_name(metric)}{end}", value=in_its_unit(metric, value), step=step)


def _of(values: Mapping[str, float | None]) -> list[Point]:
    return [Point(name=name, value=rounded(value)) for name, value in values.items() if value is not None]


def _resources(measurement: Measurement) -> dict[str, float | None]:
    gpu_memory = measurement.usage.gpu_memory_bytes
    return {
        "requested_cores": measurement.requested_cores,
        "requested_memory_mib": measurement.requested_memory_bytes / MIB,
        "requested_gpus": measurement.requested_gpus,
        "cost_per_million_requests": measurement.cost_per_million,
        "cpu_throttled_ratio": measurement.usage.throttled_ratio,
        "gpu_utilization_ratio": measurement.usage.gpu_utilization_ratio,
        "gpu_memory_mib": None if gpu_memory is None else gpu_memory / MIB,
    }


def _bookkeeping(trial: Trial) -> list[Point]:
    """How it was measured. Of what is replayed nothing was sent, and nobody watched it: that is absent."""
    values: dict[str, float | None] = {"duration_s": trial.duration_s, "overhead_ms": trial.overhead_s * 1000.0}
    measurement = trial.measurement
    if measurement is not None and measurement.at_rate.requests > 0:
        values["restarts"] = float(measurement.usage.restarts)
        values["generator_lateness_p99_ms"] = measurement.at_rate.lateness_p99_s * 1000.0
        values["generator_cpu_ratio"] = measurement.at_rate.generator_cpu_ratio
        values["machine_speed"] = measurement.speed
    return _of({f"system/{name}": value for name, value in values.items()})


def _curve_points(window: Window) -> Iterable[Point]:
    """None of a closed loop: it offers no rate."""
    if window.offered_rps <= 0.0:
        return
    step = round(window.offered_rps)
    for metric, estimate in window.latency_s.items():
        yield _point(metric, estimate.value, step=step, prefix="curve/")
    yield Point(name="curve/achieved_rps", value=rounded(window.achieved_rps), step=step)
    yield Point(name="curve/error_ratio", value=rounded(window.error_ratio.value), step=step)
