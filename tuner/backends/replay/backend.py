"""The backend of a replay: what was recorded, told where others would start servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tuner.backends.model import Deployment, Recorded, Rendering, Running
from tuner.backends.replay.model import Source, Start
from tuner.errors import BackendFailure, Problem, TrialFailure
from tuner.manifests.model import PodSet
from tuner.space.model import Configuration


class ReplayBackend:
    """Tells the starts of a source; implements `tuner.backends.model.Backend` and `HoldsMeasurements`."""

    name = "replay"

    def __init__(self, source: Source) -> None:
        self._source = source
        self._passed_s = 0.0

    def check(self, pods: PodSet) -> tuple[Problem, ...]:  # noqa: ARG002
        return ()

    def check_rendered(self, renderings: Sequence[Rendering]) -> tuple[Problem, ...]:  # noqa: ARG002
        return ()

    @property
    def foreseen(self) -> tuple[str, ...]:
        return self._source.foreseen()

    def infeasible(self, pods: PodSet) -> str | None:
        return self._source.infeasible(_configuration(pods))

    @contextmanager
    def deploy(self, deployment: Deployment) -> Iterator[Running]:
        raise BackendFailure(
            f"trial {deployment.trial}: nothing runs in a replay, so that no load can be sent; "
            "--backend process or kubernetes starts servers"
        )
        yield  # pragma: no cover

    def recorded(self, deployment: Deployment) -> Recorded:
        start = self._source.start(_configuration(deployment.pods))
        if start.duration_s is not None:
            self._passed_s += start.duration_s
            self._source.pass_time(start.duration_s)
        if start.ending == "failed":
            raise TrialFailure(
                stage=start.stage or "ready",
                kind=start.kind or "Failed",
                reason=start.reason or "it failed when it was recorded, and nothing says why",
            )
        return Recorded(
            metrics=start.metrics,
            beyond_s=start.beyond_s,
            cut_short=(start.reason or "it broke the SLO") if start.ending == "stopped" else "",
            rate_rps=start.rate_rps,
            speed=start.speed,
            warnings=_warnings(start),
        )

    def take_up(self, configurations: Sequence[Configuration]) -> None:
        self._source.take_up(configurations)

    @property
    def passed_s(self) -> float:
        return self._passed_s

    @property
    def usual_s(self) -> float:
        return self._source.usual_s

    def clean(self) -> tuple[str, ...]:
        return ()

    def generator_cpus(self) -> tuple[int, ...]:
        return ()

    def describe(self) -> Mapping[str, str]:
        return self._source.describe()


def _configuration(pods: PodSet) -> Configuration:
    if pods.configuration is None:
        raise ValueError("these pods were not rendered from a configuration, so that nothing can be told of them")
    return pods.configuration


def _warnings(start: Start) -> tuple[str, ...]:
    if start.stands_for is None:
        return ()
    values = " ".join(f"{name}={value}" for name, value in start.configuration.values.items())
    return (f"replayed from the nearest row of the table, {values}",)
