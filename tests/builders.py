"""Nouns written by hand, for what is judged rather than computed; whoever builds one says only what he is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.errors import Where
from tuner.measure.model import Measurement, Usage, Window
from tuner.space.model import Budget, Configuration, Constraint, Domain, Objective, Parameter, Rule, SearchSpace
from tuner.space.rules import parse_rule
from tuner.statistics.model import Estimate
from tuner.trials.model import Outcome, StudyStart, Trial
from tuner.workload.model import WorkloadSpec

HERE = Where(file="space.yaml", line=1)
THROUGHPUT = Objective(metric="throughput", direction="maximize")
COST = Objective(metric="cost", direction="minimize")


def parameter(name: str, domain: Domain, *targets: str, line: int = 7, **others: Any) -> Parameter:
    """Without targets, an environment variable of its name."""
    where = Where(file="space.yaml", line=line)
    return Parameter(name=name, domain=domain, targets=targets or (f"env/{name}",), where=where, **others)


def space_of(parameters: Sequence[Parameter], rules: Sequence[str | Rule] = (), **others: Any) -> SearchSpace:
    values: dict[str, Any] = {
        "name": "toy",
        "file": Path("space.yaml"),
        "manifest": Path("deployment.yaml"),
        "parameters": tuple(parameters),
        "workload": WorkloadSpec(protocol="http", requests=()),
        "objectives": (THROUGHPUT, COST),
        "rules": tuple(parse_rule(rule, HERE) if isinstance(rule, str) else rule for rule in rules),
    }
    return SearchSpace(**(values | others))


def window(**changes: Any) -> Window:
    """A fine window at 100/s: p50 5 ms, p99 20 ms (18 to 23), no errors."""
    values: dict[str, Any] = {
        "offered_rps": 100.0,
        "achieved_rps": 100.0,
        "latency_s": {
            "latency_p50": Estimate(value=0.005, low=0.0048, high=0.0052),
            "latency_p99": Estimate(value=0.020, low=0.018, high=0.023),
        },
        "error_ratio": Estimate(value=0.0, low=0.0, high=0.0008),
        "errors": {},
        "requests": 5000,
        "warm_up_s": 0.0,
        "lateness_p99_s": 0.0001,
        "generator_cpu_ratio": 0.1,
        "replica_share": (1.0,),
        "backlog_rps": Estimate(value=0.1, low=-0.5, high=0.7),
    }
    return Window(**(values | changes))


def measurement(at_rate: Window, **changes: Any) -> Measurement:
    values: dict[str, Any] = {
        "at_rate": at_rate,
        "curve": (at_rate,),
        "throughput_rps": Estimate(value=400.0, low=400.0, high=430.0),
        "throughput_note": "",
        "usage": Usage(cpu_cores=0.5, memory_peak_bytes=100 * 2**20),
        "startup_s": 2.0,
        "requested_cores": 1.0,
        "requested_memory_bytes": 2**28,
        "requested_gpus": 0.0,
        "cost_per_hour": 0.04,
        "currency": "USD",
        "cost_per_million": 0.03,
    }
    return Measurement(**(values | changes))


def trial(number: int, outcome: Outcome, configuration: Configuration, **changes: Any) -> Trial:
    values: dict[str, Any] = {
        "number": number,
        "purpose": "search",
        "configuration": configuration,
        "manifest_digest": configuration.digest,
        "outcome": outcome,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "duration_s": 10.0,
        "overhead_s": 0.1,
    }
    return Trial(**(values | changes))


def study_start(**changes: Any) -> StudyStart:
    values: dict[str, Any] = {
        "name": "iris",
        "study_id": "0a1b2c3d",
        "space_file": "/spaces/iris/space.yaml",
        "input_digest": "d1",
        "objectives": (THROUGHPUT, COST),
        "slo": (Constraint(metric="latency_p99", bound=0.1),),
        "budget": Budget(trials=20, time_s=600.0),
        "backend": "process",
        "sampler": "tpe",
        "seed": 7,
        "pick": "knee",
        "storage_url": "sqlite:///optuna.db",
        "tracking_uri": None,
        "tuner_version": "1",
        "started_at": "2026-01-01T00:00:00+00:00",
        "machine": {"cpus": "2"},
    }
    return StudyStart(**(values | changes))
