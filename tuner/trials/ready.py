"""From a deployment to a server that is ready, is what was rendered and answers rightly, with its load generator."""

from __future__ import annotations

from collections.abc import Callable

from tuner.backends.model import Running
from tuner.load.model import Generator, Protocol, Request
from tuner.load.requests import secured
from tuner.space.model import WorkloadSpec
from tuner.trials.verify import ExpectedAnswers, verify_configuration


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
