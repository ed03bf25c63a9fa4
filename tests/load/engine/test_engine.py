"""The engine against real sockets."""

from __future__ import annotations

import asyncio
import select
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import pytest

from tests.load.sending import closed, constant, one_window, run, statuses
from tests.load.servers import CLOSING, GOOD, UNTIL_CLOSE, Server, answer, chunked
from tuner.errors import GeneratorFailure
from tuner.load.engine.engine import Engine
from tuner.load.engine.loops import ClosedLoop
from tuner.load.http1.connection import Connection
from tuner.load.model import LoadWindow, Request, Target
from tuner.measure.samples import Status

REQUEST = Request(method="POST", path="/api/v1.0/predictions", headers={}, body=b'{"data": {"ndarray": [[1]]}}')


def target(*urls: str, requests: Sequence[Request] = (REQUEST,), protocol: str = "seldon") -> Target:
    return Target(urls=urls, protocol=protocol, requests=tuple(requests))


def test_every_column_of_an_open_window() -> None:
    with Server() as server:
        (samples,) = run(target(server.url), constant())
    assert len(samples) == 50
    assert samples.scheduled_s == pytest.approx(np.arange(1, 51) / 200, abs=1e-6)
    assert statuses(samples) == {200: 50}
    assert (samples.sent_s >= samples.scheduled_s).all()
    assert (samples.first_byte_s >= samples.sent_s).all()
    assert (samples.finished_s >= samples.first_byte_s).all()
    assert (samples.replica == 0).all()
    assert samples.offered_rps == 200
    assert samples.window_s == 0.25
    assert samples.connections <= 4
    assert samples.connects == samples.connections == server.connections
    assert 0 < samples.generator_cpu_s < samples.generator_elapsed_s + 0.1
    assert server.requests[0].startswith(b"POST /api/v1.0/predictions HTTP/1.1\r\nHost: 127.0.0.1:")
    assert server.requests[0].endswith(REQUEST.body)


def test_every_column_of_a_closed_window() -> None:
    with Server(delay_s=0.005) as server:
        (samples,) = run(target(server.url), closed(connections=3))
    assert set(statuses(samples)) == {200}
    assert len(samples) == len(server.requests)
    assert (np.diff(samples.scheduled_s) >= 0).all()
    assert (samples.scheduled_s <= 0.2).all()
    kept = ~samples.waited
    assert kept.sum() == len(samples) - 3
    assert (samples.sent_s[kept] == samples.scheduled_s[kept]).all()
    assert samples.offered_rps == 0
    assert samples.connections == 3
    assert max(server.by_connection.values()) - min(server.by_connection.values()) < len(samples) / 3
    in_flight = [
        int(((samples.scheduled_s <= at) & (samples.finished_s > at)).sum()) for at in np.linspace(0.02, 0.18, 50)
    ]
    assert max(in_flight) == 3


def test_connections_stay_open_between_stages() -> None:
    with Server() as server:
        first, second, third = run(target(server.url), constant(), constant(), closed())
        assert server.connections == 4
    assert first.connects == 4
    assert second.connects == third.connects == 0
    assert second.connections == third.connections == 4


def test_a_frozen_server_cannot_hide_its_stall() -> None:
    """Coordinated omission: each request due during the stall waited until its end, the first ones longest."""
    with Server() as server:
        server.freeze_at(20, 0.5)
        (samples,) = run(target(server.url), constant(rate=200, duration=1.0, connections=64))
    assert statuses(samples) == {200: 200}
    latency = samples.finished_s - samples.scheduled_s
    stalled = 20 + np.flatnonzero(latency[20:] > 0.01)  # those before may be slow on a busy machine, too
    assert len(stalled) >= 90
    ends = samples.finished_s[stalled[:90]]
    assert np.ptp(ends) < 0.2  # all at the end of the stall, so that the latencies fall along a line
    slope = np.polyfit(samples.scheduled_s[stalled[:90]], latency[stalled[:90]], 1)[0]
    assert slope == pytest.approx(-1, abs=0.25)
    assert latency[stalled[0]] >= 0.48


def test_the_stall_counts_just_so_when_there_are_few_connections() -> None:
    with Server() as server:
        server.freeze_at(20, 0.5)
        (samples,) = run(target(server.url), constant(rate=200, duration=1.0, connections=2))
    latency = samples.finished_s - samples.scheduled_s
    assert statuses(samples) == {200: 200}
    assert (latency > 0.1).sum() >= 75
    assert samples.waited.sum() >= 90


def test_more_than_the_connections_carry_waits_in_order_and_is_not_sent_when_its_time_is_over() -> None:
    samples = one_window(Server(delay_s=0.02), target, constant(rate=1000, duration=0.3, connections=2, timeout=0.2))
    found = statuses(samples)
    assert found[Status.NOT_SENT] > 150
    assert samples.waited.sum() > 250
    sent = np.isfinite(samples.sent_s)
    assert (np.diff(samples.sent_s[sent]) >= 0).all()
    never = samples.status == Status.NOT_SENT
    assert (samples.replica[never] == -1).all()
    for times in (samples.sent_s, samples.first_byte_s, samples.finished_s):
        assert np.isnan(times[never]).all()


def test_a_request_times_out_from_the_instant_it_was_due() -> None:
    samples = one_window(Server(delay_s=30), target, constant(rate=100, duration=0.2, connections=64, timeout=0.1))
    assert statuses(samples) == {Status.TIMED_OUT: 20}
    assert samples.timeout_s == 0.1
    assert samples.waits_s == pytest.approx(0.1)
    assert np.isnan(samples.finished_s).all()
    assert np.isfinite(samples.sent_s).all()


def test_a_closed_loop_goes_on_after_time_outs() -> None:
    with Server() as server:
        server.freeze_at(3, 0.15)
        (samples,) = run(target(server.url), closed(duration=0.4, connections=2, timeout=0.05))
    found = statuses(samples)
    assert found[Status.TIMED_OUT] >= 2
    assert found[200] >= 4
    assert set(found) <= {200, Status.TIMED_OUT}


@pytest.mark.parametrize("stage", [constant(rate=300, duration=0.3, connections=6), closed(connections=6)])
def test_load_is_spread_evenly_over_the_replicas(stage: LoadWindow) -> None:
    with Server(delay_s=0.001) as a, Server(delay_s=0.001) as b, Server(delay_s=0.001) as c:
        (samples,) = run(target(a.url, b.url, c.url), stage)
    share = np.bincount(samples.replica, minlength=3) / len(samples)
    assert share == pytest.approx([1 / 3] * 3, abs=0.05 if stage.arrival == "constant" else 0.2)
    assert [server.connections for server in (a, b, c)] == [2, 2, 2]


def test_every_replica_gets_a_connection_though_fewer_were_asked_for() -> None:
    with Server() as a, Server() as b:
        (samples,) = run(target(a.url, b.url), constant(connections=1))
    assert set(samples.replica) == {0, 1}


@pytest.mark.parametrize("stage", [constant(), closed()])
@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_a_server_that_closes_after_each_answer_costs_connects_but_no_errors(
    stage: LoadWindow, one_at_a_time: bool
) -> None:
    """As a gunicorn sync worker does; it also serves nobody while it waits for a connection's request."""
    with Server(CLOSING, close=True, one_at_a_time=one_at_a_time) as server:
        first, second = run(target(server.url), stage, stage)
    for samples in (first, second):
        assert set(statuses(samples)) == {200}
        assert samples.connects == len(samples)
        assert samples.waited.all()
    assert server.connections == len(first) + len(second)


@pytest.mark.parametrize("stage", [constant(), closed()])
def test_a_request_that_a_closing_server_took_is_lost(stage: LoadWindow) -> None:
    """Sent right after the answer, it may be there before the server closes: nobody can tell whether it was read."""
    samples = one_window(Server(close=True), target, stage)
    assert set(statuses(samples)) <= {200, Status.CONNECTION_LOST}
    assert statuses(samples)[200] > 0
    assert samples.resent <= samples.connects


def test_a_request_that_met_a_closed_connection_is_sent_once_more_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's end of the connection is here when the request goes out, and the loop has not seen it yet."""
    free = ClosedLoop.free

    def free_later(self: ClosedLoop, connection: Connection, now: float) -> None:
        select.select([connection._fd], [], [], 5)
        free(self, connection, now)

    monkeypatch.setattr(ClosedLoop, "free", free_later)
    with Server(close=True) as server:
        (samples,) = run(target(server.url), closed())
    assert set(statuses(samples)) == {200}
    assert samples.resent > 0
    assert samples.connects == 4 + samples.resent
    assert len(server.requests) == len(samples)
    assert (samples.sent_s >= samples.scheduled_s).all()


def test_an_idle_connection_that_the_server_closed_is_opened_again() -> None:
    with Server() as server:

        def close_idle() -> None:
            done = asyncio.run_coroutine_threadsafe(cut(), server._loop)
            done.result(5)

        async def cut() -> None:
            for writer in tuple(server._writers):
                writer.close()

        first, second = run(target(server.url), constant(), constant(), between=close_idle)
    assert statuses(first) == statuses(second) == {200: 50}
    assert second.connects >= 1


@pytest.mark.parametrize("abort", [False, True])
@pytest.mark.parametrize("stage", [constant(), closed()])
def test_a_request_that_the_server_took_and_dropped_is_an_error(stage: LoadWindow, abort: bool) -> None:
    with Server(lose_each=5, abort=abort) as server:
        (samples,) = run(target(server.url), stage)
    found = statuses(samples)
    assert set(found) == {200, Status.CONNECTION_LOST}
    assert samples.resent == 0
    assert len(server.requests) == len(samples)
    assert (samples.sent_s >= samples.scheduled_s).all()


@pytest.mark.parametrize("stage", [constant(), closed()])
def test_a_new_connection_that_is_lost_is_an_error(stage: LoadWindow) -> None:
    with Server(lose_each=1) as server:
        (samples,) = run(target(server.url), stage)
    assert set(statuses(samples)) == {Status.CONNECTION_LOST}
    assert np.isnan(samples.finished_s).all()
    assert len(server.requests) == len(samples)


@pytest.mark.parametrize("stage", [constant(duration=0.5), closed(duration=0.3)])
def test_a_server_that_dies_in_the_middle(stage: LoadWindow) -> None:
    with Server() as server:
        server.die_at(25)
        (samples,) = run(target(server.url), stage)
    found = statuses(samples)
    assert found[200] >= 20
    assert found[Status.CONNECT_FAILED] >= 10
    assert set(found) <= {200, Status.CONNECT_FAILED, Status.CONNECTION_LOST}
    refused = samples.status == Status.CONNECT_FAILED
    assert np.isnan(samples.finished_s[refused]).all()


@pytest.mark.parametrize("stage", [constant(), closed()])
def test_nobody_listens(stage: LoadWindow) -> None:
    with Server() as server:
        url = server.url
    (samples,) = run(target(url), stage)
    assert set(statuses(samples)) == {Status.CONNECT_FAILED}
    assert (samples.replica == -1).all()
    assert np.isnan(samples.sent_s).all()


@pytest.mark.parametrize("stage", [constant(timeout=0.1), closed(timeout=0.1)])
def test_a_connection_that_is_never_made_times_out(stage: LoadWindow) -> None:
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # room for one connection; the others get no answer at all
        for _ in range(4):
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        (samples,) = run(target(f"http://127.0.0.1:{full.getsockname()[1]}"), stage)
    assert set(statuses(samples)) <= {Status.TIMED_OUT, Status.NOT_SENT}
    assert statuses(samples)[Status.TIMED_OUT] >= 4
    assert np.isnan(samples.sent_s).all()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (chunked(), 200),
        (answer(b"{}"), Status.WRONG_ANSWER),
        (answer(b"not json"), Status.WRONG_ANSWER),
        (answer(b'{"status": {"status": "FAILURE", "info": "no"}}'), Status.WRONG_ANSWER),
        (answer(b"busy", "503 Service Unavailable"), 503),
        (answer(b"", "302 Found"), 302),
        (answer(GOOD, "201 Created"), 201),
        (b"220 mail.example.org ESMTP\r\n\r\n", Status.MALFORMED),
        (answer() + b"more than was asked for", 200),
    ],
)
@pytest.mark.parametrize("stage", [constant(rate=100), closed(duration=0.1)])
def test_what_is_recorded_of_an_answer(reply: bytes, status: int, stage: LoadWindow) -> None:
    samples = one_window(Server(reply), target, stage)
    assert set(statuses(samples)) == {status}


@pytest.mark.parametrize("stage", [constant(rate=100), closed(duration=0.1)])
@pytest.mark.parametrize("half_close", [False, True])
def test_an_answer_that_ends_with_the_connection(stage: LoadWindow, half_close: bool) -> None:
    samples = one_window(Server(UNTIL_CLOSE, close=not half_close, half_close=half_close), target, stage)
    assert set(statuses(samples)) == {200}
    assert np.isfinite(samples.finished_s).all()


def test_an_answer_cut_short_is_a_lost_connection() -> None:
    samples = one_window(Server(answer()[:-5], close=True), target, constant())
    assert set(statuses(samples)) == {Status.CONNECTION_LOST}
    assert np.isfinite(samples.first_byte_s).all()


def test_an_answer_in_dribbles_shows_its_first_byte() -> None:
    samples = one_window(Server(dribble=True), target, constant(rate=50, duration=0.2))
    assert set(statuses(samples)) == {200}
    assert (samples.first_byte_s < samples.finished_s).all()


def test_answers_that_all_differ_are_all_checked() -> None:
    def reply(number: int, request: bytes) -> bytes:
        payload = b"strData" if number % 5 else b"nothing"
        return answer(b'{"%s": "x", "meta": {"puid": "%06d"}}' % (payload, number))

    samples = one_window(Server(reply), target, constant())
    assert statuses(samples) == {200: 40, Status.WRONG_ANSWER: 10}


def test_a_server_that_turns_wrong_is_seen_after_equal_answers() -> None:
    samples = one_window(
        Server(lambda number, request: answer() if number < 30 else answer(GOOD.replace(b"data", b"atad"))),
        target,
        constant(),
    )
    assert statuses(samples) == {200: 30, Status.WRONG_ANSWER: 20}


def test_any_success_will_do_for_plain_http() -> None:
    requests = [Request(method="GET", path="/", headers={}, body=b"")]
    samples = one_window(Server(answer(b"", "202 Accepted")), target, constant(), requests=requests, protocol="http")
    assert statuses(samples) == {200: 50}


def test_head_requests_expect_no_body() -> None:
    requests = [Request(method="HEAD", path="/", headers={}, body=b"")]
    with Server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as server:
        (samples,) = run(target(server.url, requests=requests, protocol="http"), constant())
    assert statuses(samples) == {200: 50}
    assert server.connections <= 4


def test_several_requests_are_drawn_by_weight_and_each_is_known_by_itself() -> None:
    requests = [
        Request(method="POST", path=f"/{name}", headers={}, body=name.encode(), weight=weight)
        for name, weight in (("often", 3.0), ("rare", 1.0))
    ]

    def reply(number: int, request: bytes) -> bytes:
        return answer(request[-5:])

    with Server(reply) as server:
        (samples,) = run(target(server.url, requests=requests, protocol="http"), constant(rate=2000))
        (again,) = run(target(server.url, requests=requests, protocol="http"), constant(rate=2000))
    paths = [request.split(b" ")[1] for request in server.requests]
    assert statuses(samples) == {200: 500}
    assert paths.count(b"/often") / len(paths) == pytest.approx(0.75, abs=0.06)
    assert Counter(paths[:500]) == Counter(paths[500:])  # the draw follows from the seed
    assert len(again) == 500


def test_a_path_in_the_url_is_a_prefix() -> None:
    with Server() as server:
        run(target(f"{server.url}/seldon/ns/model"), constant())
    assert server.requests[0].startswith(b"POST /seldon/ns/model/api/v1.0/predictions HTTP/1.1\r\n")


def test_a_host_name_is_looked_up_once_and_the_address_that_works_is_kept() -> None:
    with Server() as server:
        (samples,) = run(target(server.url.replace("127.0.0.1", "localhost")), constant())
    assert statuses(samples) == {200: 50}


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1:1", "127.0.0.1:1", "http://", "http://a:b", "http://no-such-host.invalid:80"]
)
def test_a_target_that_cannot_be_sent_to(url: str) -> None:
    with pytest.raises(GeneratorFailure, match=r"http://|has no address"):
        Engine(target(url))


def test_a_stage_that_makes_no_sense() -> None:
    with Server() as server:
        with pytest.raises(ValueError, match="at least 1"):
            run(target(server.url), constant(connections=0))
        with pytest.raises(ValueError, match="cannot be offered"):
            run(target(server.url), constant(rate=0))


def test_a_target_needs_a_url_and_a_request() -> None:
    with pytest.raises(ValueError, match="at least one URL"):
        Engine(Target(urls=(), protocol="http", requests=(REQUEST,)))
