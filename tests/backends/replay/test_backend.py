"""The replay against what holds of every backend, and what is its own: nothing runs, failures are told again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import parameter, space_of
from tests.conformance.backend import PlaceConformance
from tuner.backends.model import Backend, Deployment, HoldsMeasurements
from tuner.backends.replay import ReplayBackend
from tuner.backends.replay.table import Table
from tuner.errors import BackendFailure, TrialFailure
from tuner.manifests.model import Container, PodSet, Rendered
from tuner.space.model import Configuration, IntRange, Prices
from tuner.trials.replayed import replayed

SPACE = space_of((parameter("workers", IntRange(low=1, high=9)),), slo=())
ROWS = (
    "workers,throughput,latency_p99,outcome,kind,stage,reason,duration,speed,rate\n"
    "1,100,0.1,,,,,30,0.5,50\n"
    "2,,,failed,OOMKilled,ready,the limit is 64 Mi,12,,\n"
    "3,,>=5,stopped,,,too slow,20,,50\n"
)


@pytest.fixture
def backend(tmp_path: Path) -> ReplayBackend:
    file = tmp_path / "table.csv"
    file.write_text(ROWS)
    return ReplayBackend(Table.open(file, SPACE, 0))


def deployment(workers: int) -> Deployment:
    configuration = Configuration(values={"workers": workers})
    container = Container(name="server", image="server:1")
    pods = PodSet(
        kind="Deployment",
        name="server",
        replicas=1,
        containers=(container,),
        serving="server",
        port=8080,
        configuration=configuration,
    )
    return Deployment(study="abcd", trial=0, rendered=Rendered(text="", objects=()), pods=pods)


class TestReplay(PlaceConformance):
    def deployment(self) -> Deployment:
        return deployment(1)


def test_it_holds_measurements_and_runs_nothing(backend: ReplayBackend) -> None:
    assert isinstance(backend, HoldsMeasurements)
    place: Backend = backend
    with pytest.raises(BackendFailure, match="nothing runs in a replay"), place.deploy(deployment(1)):
        pass


def test_what_was_recorded_is_told_and_its_time_passes(backend: ReplayBackend) -> None:
    recorded = backend.recorded(deployment(1))
    assert recorded.metrics["throughput"].value == 100
    assert (recorded.speed, recorded.rate_rps, recorded.cut_short) == (0.5, 50, "")
    assert backend.passed_s == 30
    assert backend.usual_s == 20


def test_a_failure_is_told_again(backend: ReplayBackend) -> None:
    with pytest.raises(TrialFailure) as raised:
        backend.recorded(deployment(2))
    assert (raised.value.kind, raised.value.stage, raised.value.reason) == ("OOMKilled", "ready", "the limit is 64 Mi")


def test_what_was_cut_short_says_why(backend: ReplayBackend) -> None:
    recorded = backend.recorded(deployment(3))
    assert (recorded.cut_short, dict(recorded.beyond_s)) == ("too slow", {"latency_p99": 5.0})


def test_what_has_no_row_is_infeasible(backend: ReplayBackend) -> None:
    assert backend.infeasible(deployment(9).pods) == "table.csv has no row of workers=9"


def test_the_recorded_speed_is_that_of_every_metric(backend: ReplayBackend) -> None:
    measurement = replayed(backend.recorded(deployment(1)), deployment(1).pods, Prices())
    assert (measurement.speed, measurement.speed_of("latency_p99"), measurement.disturbance) == (0.5, 0.5, "")


def test_what_was_not_recorded_is_absent(backend: ReplayBackend) -> None:
    measurement = replayed(backend.recorded(deployment(1)), deployment(1).pods, Prices())
    assert measurement.metrics().keys() == {"throughput", "latency_p99", "cost"}
