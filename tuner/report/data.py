"""A study's result as plain JSON: everything a report needs, in one file, with nothing left to look up.

Units are the SI units of the nouns; a value that was not measured is null or absent, never a number. `schema` counts
up when a field changes its meaning or goes; new fields may come without it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuner import files
from tuner.search.drift import MOST
from tuner.space.metrics import METRICS
from tuner.space.model import Choices, FloatRange, IntRange, Parameter, SearchSpace
from tuner.study.model import Summary
from tuner.study.wandering import Wandering, wandering
from tuner.trials.model import Measured, Stopped, Trial, measured
from tuner.uri import masked

SCHEMA = 2


def data(summary: Summary, space: SearchSpace | None = None) -> dict[str, Any]:
    """What `summary` found. Without the search space the knobs' domains are absent (`knobs` is null)."""
    start = plain(summary.start)
    start["warm_start"] = [{**one, "trials": len(one["trials"])} for one in start["warm_start"]]
    start["storage_url"] = masked(summary.start.storage_url)
    if summary.start.tracking_uri is not None:
        start["tracking_uri"] = masked(summary.start.tracking_uri)
    machine = wandering(summary.trials, summary.start)
    return {
        "schema": SCHEMA,
        "study": start,
        "metrics": {name: {"unit": m.unit, "better": m.better, "meaning": m.meaning} for name, m in METRICS.items()},
        "knobs": None if space is None else [_knob(parameter) for parameter in space.parameters],
        "rules": None if space is None else [rule.text for rule in space.rules],
        "rate_rps": summary.rate_rps,
        "baseline": summary.baseline,
        "trials": [_trial(trial) for trial in summary.trials],
        "front": plain(summary.front),
        "choice": plain(summary.choice),
        "comparisons": plain(summary.comparisons),
        "noise_floor": dict(summary.noise_floor),
        "machine": _wandering(machine),
        "state": summary.state,
        "ended_because": summary.ended_because,
        "left_out": dict(summary.left_out),
        "knowledge": plain(summary.knowledge),
        "outlook": plain(summary.outlook),
    }


def write(path: Path, summary: Summary, space: SearchSpace | None = None) -> None:
    """Write the data to `path`, whole or not at all. Raises StoreFailure."""
    files.write(path, (json.dumps(data(summary, space), indent=1, allow_nan=False) + "\n").encode(), private=True)


def plain(value: Any) -> Any:
    """Frozen dataclasses, mappings and tuples as JSON values. An infinite or undefined number becomes null."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _trial(trial: Trial) -> dict[str, Any]:
    outcome = {"name": type(trial.outcome).__name__.lower(), **plain(trial.outcome)}
    outcome.pop("measurement", None)
    if isinstance(trial.outcome, Measured | Stopped):
        outcome["broken"] = [{"metric": metric, "excess": excess} for metric, excess in trial.outcome.broken]
    measurement = measured(trial)
    return {
        "number": trial.number,
        "purpose": trial.purpose,
        "configuration": dict(trial.configuration.values),
        "configuration_digest": trial.configuration.digest,
        "manifest_digest": trial.manifest_digest,
        "feasible": trial.feasible,
        "slo": trial.state,
        "outcome": outcome,
        "metrics": {} if measurement is None else plain(measurement.estimates()),
        "measurement": plain(measurement),
        "started_at": trial.started_at.isoformat(),
        "duration_s": trial.duration_s,
        "overhead_s": trial.overhead_s,
    }


def _wandering(found: Wandering) -> dict[str, Any]:
    """How fast the machine was (`speed` 1.0: as a quiet one), and every value that it changed, raw and corrected."""
    return {
        "slowest": found.slowest,
        "fastest": found.fastest,
        "usual": found.usual,
        "put_back": found.put_back,
        "put_back_s": found.put_back_s,
        "again": found.count("again"),
        "references": found.count("reference"),
        "disturbed": list(found.stands),
        "mistrusted": list(found.mistrusted),
        "trusted_factor": MOST,
        "baseline": plain(found.baseline),
        "trials": [
            {
                "trial": one.trial,
                "purpose": one.purpose,
                "at_s": one.at_s,
                "speed": one.speed,
                "disturbance": one.disturbance or None,
                "put_back": list(one.put_back),
                "put_back_s": one.put_back_s,
                "metrics": {
                    metric: {**plain(value), "factor": value.factor, "trusted": value.trusted}
                    for metric, value in one.metrics.items()
                    if value.worth_showing
                },
            }
            for one in found.during
        ],
    }


def _knob(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "domain": _domain(parameter.domain),
        "targets": list(parameter.targets),
        "container": parameter.container,
        "when": plain(parameter.when),
        "where": str(parameter.where),
    }


def _domain(domain: IntRange | FloatRange | Choices) -> dict[str, Any]:
    kinds = {IntRange: "int", FloatRange: "float", Choices: "choices"}
    return {"kind": kinds[type(domain)], **plain(domain)}
