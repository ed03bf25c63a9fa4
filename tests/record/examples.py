"""A small study with every kind of outcome, built from the real nouns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import builders
from tests.builders import parameter
from tuner.front.model import Candidate, Choice, Front
from tuner.manifests.model import Rendered
from tuner.measure.model import Measurement, Usage, Window
from tuner.space.model import Budget, Choices, Condition, Configuration, Constraint, IntRange, SearchSpace
from tuner.space.values import Value
from tuner.statistics.model import Estimate
from tuner.study.model import BaselineComparison, Proposal, StudyStart, Summary
from tuner.trials.model import Failed, Infeasible, Interrupted, Measured, Outcome, Purpose, Stopped, Trial
from tuner.workload.model import RequestSource, WorkloadSpec

MIB = 1024.0**2
OBJECTIVES = (builders.THROUGHPUT, builders.COST)
SLO = (Constraint(metric="latency_p99", bound=0.1), Constraint(metric="error_ratio", bound=0.001))
STARTED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def space(folder: Path = Path("/spaces/iris")) -> SearchSpace:
    requests = (RequestSource(path=folder / "request.json"),)
    few_workers = Condition(parameter="workers", values=(1, 2))
    return builders.space_of(
        [
            parameter("workers", IntRange(low=1, high=4), "env/GUNICORN_WORKERS"),
            parameter("threads", IntRange(low=1, high=8, log=True), "env/GUNICORN_THREADS", when=few_workers),
            parameter("cpu", Choices(values=("500m", "1")), "limits/cpu", "requests/cpu"),
        ],
        name="iris",
        file=folder / "space.yaml",
        manifest=folder / "deployment.yaml",
        workload=WorkloadSpec(protocol="seldon", requests=requests, rate_rps=100.0),
        slo=SLO,
        budget=Budget(trials=9, time_s=600.0),
    )


def window(offered_rps: float, p99_s: float, *, errors: float = 0.0) -> Window:
    return builders.window(
        offered_rps=offered_rps,
        achieved_rps=offered_rps * (1 - errors),
        latency_s={
            "latency_p50": Estimate(value=p99_s / 4, low=p99_s / 5, high=p99_s / 3),
            "latency_p99": Estimate(value=p99_s, low=p99_s * 0.9, high=p99_s * 1.2),
            "latency_p99.9": Estimate(value=p99_s * 1.5),
        },
        error_ratio=Estimate(value=errors, low=0.0, high=errors + 0.001),
        errors={"http 503": 3} if errors else {},
        requests=round(offered_rps * 5),
        warm_up_s=0.5,
    )


def measurement(throughput_rps: float | None, p99_s: float, cost: float, *, errors: float = 0.0) -> Measurement:
    at_rate = window(100.0, p99_s, errors=errors)
    rising = (at_rate, window(200.0, p99_s * 1.5), window(400.4, p99_s * 3)) if throughput_rps else (at_rate,)
    throughput = None
    if throughput_rps is not None:
        throughput = Estimate(value=throughput_rps, low=throughput_rps, high=throughput_rps * 1.1)
    return builders.measurement(
        at_rate,
        curve=rising,
        throughput_rps=throughput,
        throughput_note="latency_p99 breaks the SLO above" if throughput_rps else "cut short",
        usage=Usage(cpu_cores=0.42, memory_peak_bytes=round(180 * MIB), throttled_ratio=0.02),
        startup_s=1.9,
        requested_cores=0.5,
        requested_memory_bytes=256 * MIB,
        cost_per_hour=cost,
        cost_per_million=None if throughput_rps is None else cost / throughput_rps / 3600 * 1e6,
        not_enforced=("memory limit: no right to write cgroups",),
        warnings=("few samples beyond p99.9",),
    )


def trial(
    number: int, values: Mapping[str, Value], outcome: Outcome, purpose: Purpose = "search", digest: str | None = None
) -> Trial:
    configuration = Configuration(values=values)
    return builders.trial(
        number,
        outcome,
        configuration,
        purpose=purpose,
        manifest_digest=digest or configuration.digest,
        started_at=STARTED + timedelta(seconds=20 * number),
        duration_s=18.5,
        overhead_s=0.08,
    )


SMALL: Mapping[str, Value] = {"workers": 1, "threads": 1, "cpu": "500m"}
MIDDLE: Mapping[str, Value] = {"workers": 2, "threads": 4, "cpu": "500m"}
LARGE: Mapping[str, Value] = {"workers": 4, "cpu": "1"}


def trials() -> tuple[Trial, ...]:
    return (
        trial(0, SMALL, Measured(measurement=measurement(210.0, 0.020, 0.016)), "baseline"),
        trial(1, MIDDLE, Measured(measurement=measurement(390.0, 0.011, 0.016))),
        trial(2, LARGE, Measured(measurement=measurement(640.0, 0.009, 0.031))),
        trial(
            3,
            {"workers": 3, "cpu": "500m"},
            Measured(measurement=measurement(None, 0.130, 0.016), broken=(("latency_p99", 0.3),)),
        ),
        trial(
            4,
            {"workers": 4, "cpu": "500m"},
            Failed(
                stage="ready",
                kind="OOMKilled",
                reason="replica 0 was killed for memory (limit 256Mi)",
                logs="booting worker\nkilled\n",
            ),
        ),
        trial(5, {"workers": 1, "threads": 8, "cpu": "1"}, Infeasible(reason="requests 4 cores, this machine has 2")),
        trial(
            6,
            {"workers": 1, "threads": 2, "cpu": "500m"},
            Stopped(
                measurement=measurement(None, 0.4, 0.016, errors=0.2),
                broken=(("latency_p99", 3.0),),
                reason="latency_p99 is at least 360 ms, the SLO allows 100 ms",
            ),
        ),
        trial(7, MIDDLE, Measured(measurement=measurement(380.0, 0.012, 0.016)), "confirm"),
        trial(8, {"workers": 2, "threads": 2, "cpu": "1"}, Interrupted(reason="interrupted by the user")),
    )


def start(study_id: str = "a1b2c3d4", name: str = "iris") -> StudyStart:
    return builders.study_start(
        name=name,
        study_id=study_id,
        input_digest="0123456789ab",
        slo=SLO,
        budget=Budget(trials=9),
        storage_url="sqlite:///studies/iris/optuna.db",
        tracking_uri="sqlite:///mlflow.db",
        tuner_version="0.1.0",
        started_at=STARTED.isoformat(),
        machine={"cpus": "2", "cgroup": "v2"},
    )


def summary(study_id: str = "a1b2c3d4", name: str = "iris") -> Summary:
    finished = trials()
    middle = Candidate(
        trial=1, metrics={"throughput": 385.0, "cost": 0.016, "latency_p99": 0.0115}, feasible=True, replicates=2
    )
    large = Candidate(trial=2, metrics={"throughput": 640.0, "cost": 0.031, "latency_p99": 0.009}, feasible=True)
    return Summary(
        start=start(study_id, name),
        trials=finished,
        front=Front(
            objectives=OBJECTIVES,
            members=(large, middle),
            hypervolume=12.5,
            reference={"throughput": 0.0, "cost": 0.05},
        ),
        choice=Choice(candidate=middle, pick="knee", reason="the most throughput for its cost"),
        baseline=0,
        comparisons=(
            BaselineComparison(metric="throughput", baseline=210.0, chosen=385.0, ratio=385 / 210, verdict="better"),
            BaselineComparison(metric="cost", baseline=0.016, chosen=0.016, ratio=1.0, verdict="no difference"),
            BaselineComparison(metric="latency_p99", baseline=0.02, chosen=0.0115, ratio=0.575, verdict="better"),
        ),
        noise_floor={"throughput": 1.03, "latency_p99": 1.3},
        rate_rps=100.0,
        ended_because="9 of 9 trials were run",
    )


def proposal(number: int, values: Mapping[str, Value] = MIDDLE, purpose: Purpose = "search") -> Proposal:
    rendered = Rendered(text="", objects=())
    return Proposal(number=number, purpose=purpose, configuration=Configuration(values=values), rendered=rendered)
