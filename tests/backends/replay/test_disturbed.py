"""A machine that wanders changes rates one way and times the other; a seed repeats it."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import parameter, space_of
from tuner.backends.replay.disturbed import Disturbance, Disturbed
from tuner.backends.replay.table import Table
from tuner.backends.replay.wander import Machine, Wander
from tuner.space.model import Configuration, IntRange

ONE = Configuration(values={"workers": 1})
SPACE = space_of((parameter("workers", IntRange(low=1, high=2)),), slo=())


def disturbed(tmp_path: Path, disturbance: Disturbance, seed: int = 0) -> Disturbed:
    file = tmp_path / "table.csv"
    file.write_text("workers,throughput,latency_p99,cost\n1,100,0.1,5\n")
    return Disturbed(Table.open(file, SPACE, seed), disturbance, seed)


def test_a_machine_left_alone_has_the_speed_one() -> None:
    assert {Machine(Wander(), seed).speed(at) for seed in range(5) for at in (0.0, 1e3, 1e6)} == {1.0}


def test_a_wave_keeps_its_height() -> None:
    speeds = [Machine(Wander(wave=0.3), 1).speed(float(at)) for at in range(0, 5000, 10)]
    assert max(speeds) == pytest.approx(1.3, rel=0.01)
    assert min(speeds) == pytest.approx(1.0 / 1.3, rel=0.01)


@given(st.integers(min_value=0, max_value=1000))
def test_jumps_go_down_and_back(seed: int) -> None:
    wander = Wander(jump=2.0, every_s=100.0, lasts_s=100.0)
    forward = Machine(wander, seed)
    speeds = [forward.speed(float(at)) for at in range(0, 20_000, 10)]
    assert set(speeds) == {1.0, 0.5}
    assert 0.2 < speeds.count(0.5) / len(speeds) < 0.8
    again = Machine(wander, seed)
    assert [again.speed(float(at)) for at in range(19_990, -10, -10)] == speeds[::-1], "whatever is asked first"


def test_the_speed_scales_rates_and_times_and_can_be_seen(tmp_path: Path) -> None:
    source = disturbed(tmp_path, Disturbance(wander=Wander(wave=0.3, period_s=300.0)))
    for _ in range(10):
        start = source.start(ONE)
        assert start.speed is not None
        assert start.metrics["throughput"].value == pytest.approx(100.0 * start.speed)
        assert start.metrics["latency_p99"].value == pytest.approx(0.1 / start.speed)
        assert start.metrics["cost"].value == 5.0
        source.pass_time(start.duration_s or 0.0)


def test_what_nobody_looks_at_is_not_told(tmp_path: Path) -> None:
    assert disturbed(tmp_path, Disturbance(wander=Wander(wave=0.3), observed=False)).start(ONE).speed is None
    assert disturbed(tmp_path, Disturbance(noise=0.1)).start(ONE).speed is None


def test_restarts_differ_by_the_noise(tmp_path: Path) -> None:
    source = disturbed(tmp_path, Disturbance(noise=0.07))
    logs = [math.log(source.start(ONE).metrics["throughput"].value) for _ in range(2000)]
    assert stdev(logs) == pytest.approx(0.07, rel=0.1)
    assert mean(logs) == pytest.approx(math.log(100.0), abs=0.01)


def test_a_study_taken_up_finds_the_machine_as_it_would_have_been(tmp_path: Path) -> None:
    wanders = Disturbance(noise=0.05, wander=Wander(wave=0.3, jump=2.0, every_s=60.0, lasts_s=60.0))
    whole, taken_up = disturbed(tmp_path, wanders), disturbed(tmp_path, wanders)
    for _ in range(5):
        whole.pass_time(whole.start(ONE).duration_s or 0.0)
    taken_up.take_up([ONE] * 5)
    assert taken_up.at_s == whole.at_s
    assert taken_up.start(ONE) == whole.start(ONE)
