"""A server under test, wherever it runs: ready, known to be what was rendered, answering rightly, with its generator.

Every server is brought up here: a trial's, those of `tune bench`, `stress` and `compare`, and the one just applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tuner.backends.model import Backend, Deployment, Running, TellsBlocked, TellsWaiting
from tuner.errors import TrialFailure
from tuner.load.model import Generator, Target
from tuner.trials.traffic import Traffic

LOG_LINES = 200

OnStage = Callable[[str], None]
"""Hears what is being done, in a few words."""
StartGenerator = Callable[[Target], AbstractContextManager[Generator]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One start of a server, ready and its answers verified."""

    running: Running
    generator: Generator
    startup_s: float | None
    """None: nothing was started, somebody else's server is spoken to."""


@contextmanager
def deployed(
    backend: Backend,
    deployment: Deployment,
    traffic: Traffic,
    generator: StartGenerator,
    *,
    on_stage: OnStage,
    on_end: Callable[[Running], None] = lambda _: None,
) -> Iterator[Served]:
    """Deployed anew, and gone when the context is left; `on_end` is called just before, however it ended.

    Raises as `serving` and `Backend.deploy` do; a TrialFailure, also one raised inside, has the server's output.
    """
    on_stage("deploy")
    with backend.deploy(deployment) as running:
        try:
            with serving(running, traffic, generator, cpus=backend.generator_cpus(), on_stage=on_stage) as served:
                yield served
        except TrialFailure as failure:
            _explain(failure, running)
            failure.logs = failure.logs or running.logs(LOG_LINES)
            raise
        finally:
            on_end(running)
            on_stage("take down")


@contextmanager
def serving(
    running: Running, traffic: Traffic, generator: StartGenerator, *, cpus: tuple[int, ...] = (), on_stage: OnStage
) -> Iterator[Served]:
    """What runs already, once it is ready. `cpus`: the generator's. Raises TrialFailure, GeneratorFailure."""
    if isinstance(running, TellsWaiting):
        running.tell_waiting(on_stage)
    to = traffic.target(running.endpoint.urls, cpus)
    with generator(to) as sender:  # its process starts while the server does, so that its start-up costs no time
        on_stage("wait until ready")
        startup_s = running.wait_ready(traffic.workload.ready_timeout_s)
        on_stage("verify")
        _verify_configuration(running)
        traffic.verify(to.urls, sender.ask)
        yield Served(running=running, generator=sender, startup_s=startup_s)


def _explain(failure: TrialFailure, running: Running) -> None:
    """A server that is ready and cannot be reached is not one that does not answer."""
    if failure.kind == "NoAnswer" and isinstance(running, TellsBlocked):
        why = running.blocked()
        if why is not None:
            failure.kind, failure.reason = "Blocked", f"{why}; {failure.reason}"


def _verify_configuration(running: Running) -> None:
    """Raises TrialFailure (`ConfigurationDiffers`) when the live pods are not what was rendered."""
    differences = running.differences()
    if differences:
        listed = "; ".join(f"{d.what} is {d.found}, asked for {d.asked}" for d in differences)
        raise TrialFailure(
            stage="verify", kind="ConfigurationDiffers", reason=f"what runs is not what was rendered: {listed}"
        )
