"""What the pods tell of their node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.refusals import NotAllowed
from tuner.backends.kubernetes.pods.conditions import NodeMeter, NodeReading, limit_of, parse


def said(busy: int, steal: int = 0, own_us: int = 0, waited_us: int = 0, cpus: str = "0-3") -> str:
    return (
        f"==> /sys/fs/cgroup/cpu.stat <==\nusage_usec {own_us}\nuser_usec 1\n\n"
        f"==> /proc/stat <==\ncpu  {busy} 0 0 900 10 0 0 {steal} 0 0\ncpu0 1 0 0 2 0 0 0 0 0 0\nintr 5 1 2\n\n"
        f"==> /proc/pressure/cpu <==\nsome avg10=0.00 avg60=0.00 avg300=0.00 total={waited_us}\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n\n"
        f"==> /sys/devices/system/cpu/online <==\n{cpus}\n"
    )


class Pods:
    """Says the next of these texts each time something is run in a container."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)
        self.commands: list[Sequence[str]] = []

    def execute(self, pod: str, container: str, command: Sequence[str], *, any_status: bool) -> str:
        self.commands.append(command)
        return self._texts.pop(0)


class Closed:
    def execute(self, *_: object, **__: object) -> str:
        raise NotAllowed("pods/exec is not allowed")


def meter(api: object, limit: float | None = 1.0, at_s: Sequence[float] = (0.0, 0.0, 0.0, 10.0, 10.0)) -> NodeMeter:
    times = iter(at_s)
    key = ("iris-0", "classifier")
    return NodeMeter(cast("Api", api), [key], {"iris-0": "node-1"}, {key: limit}, clock=lambda: next(times))


def test_others_are_what_the_node_did_less_the_pods_own() -> None:
    pods = Pods(said(1000), said(3500, steal=200, own_us=5_000_000, waited_us=2_500_000))
    told = meter(pods).stop()
    assert told.window_s == 10.0
    assert (told.cpus, told.allowed_cores, told.set_aside) == (4.0, 1.0, False)
    assert (told.own_cores, told.others_cores, told.steal_cores) == pytest.approx((0.5, 2.0, 0.2))
    assert told.pressure_ratio == pytest.approx(0.25)
    assert told.speed == 1.0, "there is enough left for the limit"
    assert not told.disturbance
    assert any("no probe" in sentence for sentence in told.not_told)


def test_a_full_node_disturbs() -> None:
    told = meter(Pods(said(0), said(3950, own_us=4_000_000)), limit=None).stop()
    assert told.allowed_cores == 4.0
    assert told.others_cores == pytest.approx(3.55)
    assert told.disturbance.startswith("other programs took 88.8 %")


def test_without_the_right_it_is_said() -> None:
    told = meter(Closed(), at_s=(0.0, 0.0, 10.0)).stop()
    assert told.speed is None
    assert not told.disturbance
    assert "pods/exec is not allowed" in told.not_told[0]


def test_pods_that_show_nothing_of_their_node() -> None:
    told = meter(Pods("", ""), at_s=(0.0, 0.0, 0.0, 10.0, 10.0, 10.0)).stop()
    assert "do not show" in told.not_told[0]


def test_what_is_read() -> None:
    assert parse(said(1200, steal=30, waited_us=500_000, cpus="0-1,4,8-9")) == NodeReading(
        busy_s=12.0, steal_s=0.3, pressure_s=0.5, cpus=5
    )
    assert parse("==> /proc/stat <==\ncpu  1 2 3\n") is None


def test_a_containers_limit() -> None:
    assert limit_of({"resources": {"limits": {"cpu": "500m"}}}) == 0.5
    assert limit_of({"resources": {}}) is None
