"""What servers say of their own time: the header's syntax, and that it ends up in the samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.sending import closed, constant, one_window, statuses
from tests.load.servers import GOOD, Server, answer
from tuner.load.model import LoadWindow, Request, Target
from tuner.load.recording.columns import Columns
from tuner.load.recording.server_timing import durations

REQUEST = Request(method="POST", path="/", headers={}, body=b"{}")


def to(url: str) -> Target:
    return Target(urls=(url,), protocol="seldon", requests=(REQUEST,))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"", {}),
        (b"miss", {}),
        (b"db;dur=53, app;dur=47.2", {"db": 0.053, "app": 0.0472}),
        (b'cache;desc="Cache; read, all";dur=23.2', {"cache": 0.0232}),
        (b'a;desc="say \\"dur=1\\"";dur=2', {"a": 0.002}),
        (b"a;DUR=5", {"a": 0.005}),
        (b'a;dur="5"', {"a": 0.005}),
        (b"a;dur=1;dur=2", {"a": 0.001}),
        (b"a;dur=1,a;dur=2", {"a": 0.001}),
        (b" a ; dur = 1 ,\tb;dur=2", {"a": 0.001, "b": 0.002}),
        (b"a;dur=x,b;dur=,c;dur,d;dur=nan,e;dur=1e400,f;dur=1e-3", {"f": 1e-6}),
        (b",,;dur=1,(;dur=1,b;dur=2", {"b": 0.002}),
        (b"a;dur=1 junk;x=y,b;dur=2", {"a": 0.001, "b": 0.002}),
        (b'a;desc="open,b;dur=1', {}),
        (b"a;;dur=1", {}),
    ],
)
def test_the_header(header: bytes, found: dict[str, float]) -> None:
    assert dict(durations(header)) == pytest.approx(found)


@given(st.binary(max_size=60) | st.text('ab;=," \\dur15.', max_size=60).map(str.encode))
def test_no_header_is_beyond_it(header: bytes) -> None:
    for name, seconds in durations(header):
        assert name
        assert np.isfinite(seconds)


@pytest.mark.parametrize("stage", [constant(), closed(duration=0.1)])
def test_the_samples_hold_what_was_told(stage: LoadWindow) -> None:
    def reply(number: int, request: bytes) -> bytes:
        told = f"Server-Timing: queue;dur={number}\r\nserver-timing: model;dur=2.5\r\n" if number % 2 else ""
        return answer(headers=told)

    samples = one_window(Server(reply), to, stage)
    assert set(statuses(samples)) == {200}
    queue, model = samples.server_timing_s["queue"], samples.server_timing_s["model"]
    told = np.isfinite(queue)
    assert (np.isfinite(model) == told).all()
    assert told.sum() in (len(samples) // 2, len(samples) // 2 + 1)
    assert model[told] == pytest.approx(0.0025)
    assert sorted(queue[told] * 1000) == pytest.approx(range(1, 2 * int(told.sum()), 2))


def test_answers_that_are_all_the_same_still_tell() -> None:
    """Equal answers are known by their bytes and not parsed again, unless they tell something."""
    samples = one_window(Server(answer(headers="Server-Timing: model;dur=2\r\n")), to, constant())
    assert samples.server_timing_s["model"] == pytest.approx(np.full(50, 0.002))


def test_of_chunked_and_of_wrong_answers_too() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer-Timing: a;dur=1\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    samples = one_window(Server(chunked), to, constant())
    assert set(statuses(samples)) == {1}
    assert samples.server_timing_s["a"] == pytest.approx(np.full(50, 0.001))


def test_without_the_header_there_are_no_columns() -> None:
    samples = one_window(Server(answer(GOOD)), to, constant())
    assert samples.server_timing_s == {}
    assert samples.tokens is None


def test_a_server_with_a_name_for_each_answer_does_not_fill_the_memory() -> None:
    columns = Columns(10)
    for row in range(10):
        columns.timing(row, b",".join(b"n%d;dur=1" % (10 * row + n) for n in range(10)))
    assert len(columns.timings) == 32
