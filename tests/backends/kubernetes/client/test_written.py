"""What a container writes is followed to its end, each line once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.kubernetes import toys
from tests.cluster.fixture import Cluster
from tuner.backends.kubernetes.client.api import Api
from tuner.backends.kubernetes.client.resources import PODS
from tuner.backends.kubernetes.client.written import _BEGIN, _read, _told, lines
from tuner.manifests.kinds.model import at

MANY = 300
WRITES = f"""
import time
for number in range({MANY}):
    print(number, flush=True)
    time.sleep(0.02)
print("end", end="", flush=True)
"""


@given(
    st.datetimes(min_value=datetime(2000, 1, 1)),
    st.integers(0, 999_999_999),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_the_same_in_any_zone(when: datetime, nanoseconds: int, offset: int) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    there = when.astimezone(timezone(timedelta(minutes=offset)))
    text = (
        f"{there.strftime('%Y-%m-%dT%H:%M:%S')}.{nanoseconds:09d}{there.strftime('%z')[:3]}:{there.strftime('%z')[3:]}"
    )
    assert _read(text) == (when, nanoseconds)
    assert _read(f"{when.strftime('%Y-%m-%dT%H:%M:%S')}.{nanoseconds:09d}Z") == (when, nanoseconds)


def test_fractions_are_as_long_as_they_need_be() -> None:
    stamps = [_read(f"2026-11-30T06:00:00{fraction}Z") for fraction in ("", ".09", ".1")]
    assert [stamp[1] for stamp in stamps if stamp is not None] == [0, 90_000_000, 100_000_000]


def test_what_the_node_says_of_a_container_that_is_gone_is_no_line_of_it() -> None:
    said = [b"2026-11-30T06:00:00.5Z a line", b"unable to retrieve container logs for containerd://0a1b2c", b""]
    assert [line for _, line in _told(said, _BEGIN)] == ["a line"]


def test_each_line_comes_once_though_the_connection_breaks_meanwhile(
    cluster: Cluster, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = {"name": "it", "image": toys.IMAGE, "command": ["python3", "-c", WRITES]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "writes"},
        "spec": {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 0},
    }
    cluster.kubectl("create", "-n", api.namespace, "-f", "-", stdin=json.dumps(pod))
    begun: list[Any] = []
    stream = api.stream

    def noted(*given: Any, **named: Any) -> Any:
        begun.append(stream(*given, **named))
        return begun[-1]

    monkeypatch.setattr(api, "stream", noted)
    found: list[str] = []
    for line in lines(api, "writes", "it", lambda: _phase(api) in ("Succeeded", "Failed")):
        found.append(line)
        if line in ("50", "51", "200"):
            begun[-1].shutdown()
    assert len(begun) > 3
    assert found == [*map(str, range(MANY)), "end"]


def _phase(api: Api) -> str:
    return str(at(api.get(PODS, "writes"), ("status", "phase")))
