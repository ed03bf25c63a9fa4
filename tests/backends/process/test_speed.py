"""A fixed piece of work on the servers' CPUs, again and again."""

from __future__ import annotations

import os
import threading

import pytest

from tuner.backends.process.container import speed
from tuner.backends.process.container.speed import SpeedProbe

CPU = max(os.sched_getaffinity(0))


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "tuner-probe"]


def test_the_probe_takes_little_and_leaves_this_thread_where_it_is() -> None:
    ours = os.sched_getaffinity(0)
    probe = SpeedProbe((CPU,))
    found = probe.stop()
    assert found.mean_s is not None
    assert 0.0 < found.mean_s < found.spent_s
    assert os.sched_getaffinity(0) == ours
    assert threads() == []


def test_a_cpu_that_is_not_ours_is_not_probed() -> None:
    assert SpeedProbe((100_000,)).stop().mean_s is None
    assert SpeedProbe(()).stop().mean_s is None


def test_of_many_cpus_a_few_are_probed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()
    asked: list[int] = []

    def pinned(_: int, cpus: set[int]) -> None:
        asked.extend(cpus)
        if len(asked) == 5:
            enough.set()

    monkeypatch.setattr(speed, "_EVERY_S", 0.0)
    monkeypatch.setattr(os, "sched_setaffinity", pinned)
    for count, expected in ((1, [0] * 5), (5, [0, 2, 4, 0, 2]), (64, [0, 16, 32, 48, 0])):
        asked.clear()
        enough.clear()
        probe = SpeedProbe(range(count))
        assert enough.wait(10.0)
        probe.stop()
        assert asked[:5] == expected
