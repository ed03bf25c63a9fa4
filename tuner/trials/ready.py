"""From a deployment to a server that is ready, is what was rendered and answers rightly, with its load generator."""

from __future__ import annotations

from collections.abc import Callable

from tuner.backends.model import Running
from tuner.load.model import Generator, Protocol, Request, Target
from tuner.load.requests import secured
from tuner.load.requests import target as target_of
from tuner.space.model import WorkloadSpec
from tuner.trials.verify import ExpectedAnswers, verify_configuration


def target(
    urls: tuple[str, ...],
    workload: WorkloadSpec,
    protocol: Protocol,  # noqa: ARG001
    requests: tuple[Request, ...],
    cpus: tuple[int, ...] = (),
) -> Target:
    """Whom the workload's generator sends to, and what. Raises InputError where its token cannot be read any more."""
    return target_of(urls, workload, requests, cpus)


def ready(
    running: Running,
    generator: Generator,
    workload: WorkloadSpec,
    protocol: Protocol,
    requests: tuple[Request, ...],
    expected: ExpectedAnswers,
    on_stage: Callable[[str], None],
) -> float:
    """Wait until it serves and verify it; returns the seconds it took to start. Raises TrialFailure."""
    on_stage("wait until ready")
    startup_s = running.wait_ready(workload.ready_timeout_s)
    on_stage("verify")
    verify_configuration(running)
    expected.verify(secured(running.endpoint.urls, workload), requests, protocol, workload.timeout_s, generator.ask)
    return startup_s
