"""Whatever a server does, it is told truly, in bounded time and memory: one request by itself, then a load window."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.load.http1.test_streaming import REQUEST as CHAT
from tests.load.misbehaving import FLOODS, GRPC, GRPC_FLOODS, HTTP, STREAM_FLOODS, STREAMS, TLS, Habit, Misbehaving
from tests.load.sending import constant
from tuner.load.control.exchange import exchange
from tuner.load.model import Request, Target, Unanswered
from tuner.load.process.local import LocalGenerator
from tuner.measure.samples import Samples
from tuner.measure.status import word

PREDICT = Request(method="POST", path="/predict", headers={}, body=b'{"x": [1]}')
CALL = Request(method="POST", path="/test.Echo/Say", headers={}, body=b"\x0a\x01a", grpc=True)
MOST_BYTES = 300e6
"""Of memory, that the generator may take."""


def test_there_are_enough_of_them() -> None:
    names = [one.name for one in (*HTTP, *FLOODS, *STREAMS, *STREAM_FLOODS, *GRPC, *GRPC_FLOODS, *TLS)]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize(
    ("habits", "scheme", "protocol", "request_"),
    [
        pytest.param(HTTP, "http", "http", PREDICT, id="http"),
        pytest.param(FLOODS, "http", "http", PREDICT, id="floods"),
        pytest.param(STREAMS, "http", "openai", CHAT, id="streams"),
        pytest.param(STREAM_FLOODS, "http", "openai", CHAT, id="stream floods"),
        pytest.param(GRPC, "grpc", "grpc", CALL, id="grpc"),
        pytest.param(GRPC_FLOODS, "grpc", "grpc", CALL, id="grpc floods"),
        pytest.param(TLS, "https", "http", PREDICT, id="tls"),
    ],
)
def test_every_habit_is_told(habits: Sequence[Habit], scheme: str, protocol: str, request_: Request) -> None:
    with Misbehaving(habits, once=scheme == "grpc") as servers:
        urls = servers.urls(scheme)
        with ThreadPoolExecutor(8) as threads:
            asked = list(threads.map(lambda url: one_answer(url, request_), urls))
        target = Target(urls=tuple(urls), protocol=protocol, requests=(request_,))
        with LocalGenerator(target) as generator:
            # two requests to each server
            window = constant(rate=2 * len(urls), duration=1.0, connections=2 * len(urls), timeout=3.0)
            samples = generator.run(window)
            peak_bytes = most_memory(generator.pid)
    found = {one.name: (told, counted(samples, row)) for row, (one, told) in enumerate(zip(habits, asked, strict=True))}
    wrong = {
        one.name: found[one.name]
        for one in habits
        if not re.search(one.asked, found[one.name][0]) or not found[one.name][1] <= one.sent
    }
    assert not wrong, "\n".join(f"{name}: {told}" for name, told in wrong.items())
    assert all(0 < len(told) < 600 and told.isprintable() for told in asked)
    assert peak_bytes < MOST_BYTES


def one_answer(url: str, request: Request) -> str:
    """What is told of one request: its status, where it leads and what it holds, or why there is no answer."""
    try:
        told = exchange(url, request, 2.0)
    except Unanswered as unanswered:
        return str(unanswered)
    leads = f" to {told.location}" if told.location else ""
    return f"{told.status}{leads} {told.body[:99]!r}"


def counted(samples: Samples, row: int) -> set[str]:
    """What the requests to this server became."""
    return {"good" if status == 200 else word(int(status)) for status in samples.status[samples.replica == row]}


def most_memory(pid: int) -> float:
    """The most that a process has had in memory, in bytes."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    pytest.skip("this system does not tell how much memory a process has had")
