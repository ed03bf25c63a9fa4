from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.breakdown import expositions as tell
from tests.breakdown.test_known_metrics import counted
from tests.measure.timed import samples
from tuner.breakdown.counters import Increase, Scrape, difference
from tuner.breakdown.waterfall import Row, Waterfall, waterfall
from tuner.load.control.scrape import parse
from tuner.measure.samples import Status, Tokens

UNACCOUNTED = "network, and what no side accounts for"


def means(found: Waterfall) -> dict[str, float | None]:
    return {row.name: row.mean_s if row.mean_s is None else pytest.approx(row.mean_s) for row in found.rows}  # type: ignore[misc]


def row(found: Waterfall, name: str) -> Row:
    (only,) = (row for row in found.rows if row.name == name)
    return only


def served(*tellers: Callable[[int], str], n: int = 1000) -> Increase:
    return counted(*tellers, n=n)


def test_the_client_alone() -> None:
    found = waterfall(samples())
    assert [(row.name, row.source, row.depth) for row in found.rows] == [
        (name, "client", 0) for name in ("queue", "connect", "send", "wait", "receive")
    ]
    assert found.latency is not None
    assert found.latency.mean_s == pytest.approx(0.01005)
    assert sum(row.share or 0.0 for row in found.rows) == pytest.approx(1.0)
    assert row(found, "receive").begin_s == pytest.approx(0.00905)
    assert found.notes == ()


def test_a_proxy_and_the_server_behind_it_nest() -> None:
    found = waterfall(samples(), served(tell.executor, partial(tell.mlserver, total_s=0.0065, infer_s=0.005)))
    assert [(row.name, row.depth) for row in found.rows][5:] == [
        (UNACCOUNTED, 1),
        ("seldon executor", 1),
        ("seldon executor itself", 2),
        ("server behind it", 2),
        ("between seldon executor and the server behind it", 3),
        ("MLServer (iris)", 3),
        ("model, its queues included", 4),
        ("MLServer itself", 4),
    ]
    assert means(found) == {
        "queue": 0.0,
        "connect": 0.0,
        "send": 0.00005,
        "wait": 0.009,
        "receive": 0.001,
        UNACCOUNTED: 0.002,
        "seldon executor": 0.008,
        "seldon executor itself": 0.001,
        "server behind it": 0.007,
        "between seldon executor and the server behind it": 0.0005,
        "MLServer (iris)": 0.0065,
        "model, its queues included": 0.005,
        "MLServer itself": 0.0015,
    }
    assert found.notes == ()
    assert [(match.server, match.told, match.sent) for match in found.matches] == [
        ("seldon executor", 1000, 1000),
        ("MLServer (iris)", 1000, 1000),
    ]
    (length,) = found.lengths
    assert length.mean == pytest.approx(1.0, abs=0.01)


def test_queue_proxy_executor_and_server_in_one_line() -> None:
    tellers = [
        tell.queue_proxy,
        partial(tell.executor, total_s=0.0085, call_s=0.008),
        partial(tell.mlserver, total_s=0.007, infer_s=0.006),
    ]
    found = waterfall(samples(remote_s=0.013), served(*tellers))
    rests = {row.name: pytest.approx(row.mean_s) for row in found.rows if row.source == "difference"}
    assert rests == {
        UNACCOUNTED: 0.001,
        "Knative queue-proxy itself": 0.003,
        "between Knative queue-proxy and the server behind it": 0.0005,
        "seldon executor itself": 0.0005,
        "between seldon executor and the server behind it": 0.001,
        "MLServer itself": 0.001,
    }
    depths = [row.depth for row in found.rows if row.source == "server"]
    assert depths == sorted(depths)


def test_a_proxy_that_tells_its_call_alone_has_no_time_of_its_own() -> None:
    def call(n: int) -> str:
        return tell.histogram("kn_serving_invocation_duration_seconds", "", [0.009] * n, [0.01])

    found = waterfall(samples(), served(call, tell.kserve))
    assert [(row.name, row.depth, row.source) for row in found.rows][5:8] == [
        (UNACCOUNTED, 1, "difference"),
        ("Knative queue-proxy: server behind it", 1, "server"),
        ("between Knative queue-proxy and the server behind it", 2, "difference"),
    ]
    assert means(found)[UNACCOUNTED] == pytest.approx(0.001)
    assert means(found)["between Knative queue-proxy and the server behind it"] == pytest.approx(0.009 - 0.0055)


def test_stages_without_a_whole_leave_the_rest_to_the_network() -> None:
    found = waterfall(samples(), served(tell.kserve))
    assert means(found)[UNACCOUNTED] == pytest.approx(0.010 - 0.0055)
    assert [row.name for row in found.rows if row.source == "server"] == [
        "KServe: pre-processing",
        "KServe: model",
        "KServe: post-processing",
    ]
    assert "KServe itself" not in means(found)


def test_milestones_and_timers_stand_beside_and_are_not_added_up() -> None:
    found = waterfall(samples(remote_s=2.5, connections=400), served(tell.vllm))
    assert not row(found, "first token").adds_up
    assert means(found)["vLLM itself"] == pytest.approx(0.05)
    timers = waterfall(samples(), served(tell.microservice))
    assert [row.adds_up for row in timers.rows if row.source == "server"] == [False]
    assert all(row.source != "difference" for row in timers.rows)
    assert timers.matches == ()


def test_both_sides_first_tokens_stand_side_by_side() -> None:
    base = samples(remote_s=2.5)
    rows = np.repeat(np.arange(1000), 2)
    at_s = np.column_stack([base.sent_s + 0.9, base.sent_s + 1.5]).ravel()
    found = waterfall(samples(remote_s=2.5, tokens=Tokens(row=rows, at_s=at_s)), served(tell.vllm))
    first, server = (row for row in found.rows if row.name == "first token")
    assert (first.source, first.mean_s, first.adds_up) == ("client", pytest.approx(0.9), False)
    assert (server.source, server.mean_s, server.adds_up) == ("server", pytest.approx(0.8), False)


def test_the_model_that_was_asked_for_is_in_the_line_and_the_others_beside_it() -> None:
    increase = served(tell.vllm, partial(tell.vllm, model="small"))
    found = waterfall(samples(remote_s=2.5), increase, model="small")
    assert row(found, "vLLM (small)").adds_up
    assert not row(found, "vLLM (llama)").adds_up
    assert [match.server for match in found.matches] == ["vLLM (small)"]


def test_a_server_that_says_it_took_longer_than_the_client_waited_is_inconsistent() -> None:
    found = waterfall(samples(), served(partial(tell.executor, total_s=0.012, call_s=0.007)))
    assert row(found, UNACCOUNTED).mean_s is None
    assert row(found, UNACCOUNTED).share is None
    (note,) = found.notes
    assert note.startswith(
        "inconsistent: seldon executor took 12 ms of a mean request, more than the 10 ms of the client from send to "
        "last byte, which holds it"
    )


def test_parts_that_add_up_to_the_whole_leave_nothing_whatever_the_rounding() -> None:
    def both(n: int) -> str:
        return "".join(
            tell.histogram(f"vllm:{name}_seconds", 'model_name="m"', [seconds] * n, [1.0])
            for name, seconds in (
                ("e2e_request_latency", 0.3),
                ("request_queue_time", 0.1),
                ("request_decode_time", 0.2),
            )
        )

    found = waterfall(samples(remote_s=0.3), served(both))
    assert row(found, "vLLM itself").mean_s == pytest.approx(0.0, abs=1e-12)
    assert row(found, UNACCOUNTED).mean_s == pytest.approx(0.0, abs=1e-12)
    assert found.notes == ()


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0.002, 0.1))
def test_no_difference_is_ever_shown_negative(
    total_s: float, call_s: float, inner_s: float, infer_s: float, remote_s: float
) -> None:
    tellers = (
        partial(tell.executor, total_s=total_s, call_s=call_s),
        partial(tell.mlserver, total_s=inner_s, infer_s=infer_s),
    )
    found = waterfall(samples(20, remote_s=remote_s), served(*tellers, n=20))
    rests = [row.mean_s for row in found.rows if row.source == "difference"]
    assert all(rest is None or rest >= 0.0 for rest in rests)
    assert sum(note.startswith("inconsistent") for note in found.notes) == rests.count(None)
    json.dumps(asdict(found), allow_nan=False)


def test_counts_that_differ_are_told_with_the_likely_reason() -> None:
    more = waterfall(samples(), served(tell.executor, n=1200))
    assert more.notes == (
        "seldon executor counted 1200 requests where 1000 were sent: others ask it too, or it calls itself several "
        "times a request: its figures are of all of them",
    )
    fewer = waterfall(samples(), served(tell.executor, n=500))
    assert "counted 500 requests where 1000 were sent: not every replica was read" in fewer.notes[0]
    assert waterfall(samples(), served(tell.executor, n=1005)).notes == ()


def test_nothing_answered_leaves_no_rows() -> None:
    status = np.full(1000, Status.CONNECT_FAILED)
    found = waterfall(samples(status=status, finished_s=np.full(1000, np.nan)), served(tell.executor, n=1))
    assert found == Waterfall(latency=None, rows=())


def test_server_timing_stands_beside_metrics_and_in_their_place() -> None:
    timing = {"db": np.full(1000, 0.002), "total": np.full(1000, 0.008)}
    alone = waterfall(samples(server_timing_s=timing))
    assert [(row.name, row.depth, row.adds_up) for row in alone.rows][5:] == [
        (UNACCOUNTED, 1, True),
        ("Server-Timing: total", 1, True),
        ("Server-Timing: db", 2, False),
    ]
    assert means(alone)[UNACCOUNTED] == pytest.approx(0.002)
    beside = waterfall(samples(server_timing_s=timing), served(tell.executor))
    assert sum(row.name == UNACCOUNTED for row in beside.rows) == 1
    assert not row(beside, "Server-Timing: total").adds_up


def test_metrics_that_tell_nothing_known_are_told_to_do_so() -> None:
    other = served(lambda n: tell.histogram("my_latency", "", [1.0] * n, [2.0]))
    (note,) = waterfall(samples(), other).notes
    assert note == (
        "http://server-0/metrics: none of its metrics is of a server known here (docs/components.md); it counted my_latency"
    )
    silent = difference([parse("http://s/metrics", "")], [parse("http://s/metrics", "")])
    assert "tells no times of requests" in waterfall(samples(), silent).notes[0]
    gone = difference([Scrape(url="u")], [Scrape(url="u", problem="refused")])
    assert waterfall(samples(), gone).notes == ("u: refused",)
