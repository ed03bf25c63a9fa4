from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tests.measure.queues import Server, constant, exponential, samples
from tests.measure.timed import rows
from tuner.measure.errors import wilson
from tuner.measure.model import Usage
from tuner.measure.samples import Samples, Status
from tuner.measure.window import Trust, hidden_spread, summarize, to_judge
from tuner.space.model import Constraint


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def even(rng: np.random.Generator, n: int = 2000, window_s: float = 4.0, **kw) -> Samples:
    scheduled = np.arange(n) * window_s / n
    latency = kw.pop("latency", None)
    latency = rng.exponential(0.01, n) if latency is None else latency
    return samples(scheduled, scheduled + latency, window_s=window_s, offered_rps=n / window_s, **kw)


def test_a_good_window(rng: np.random.Generator) -> None:
    window = summarize(even(rng))
    assert window.untrusted == ()
    assert window.warnings == ()
    assert window.offered_rps == 500.0
    assert window.achieved_rps == pytest.approx(500.0, rel=0.02)
    assert list(window.latency_s) == ["latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_p99.9"]
    p50 = window.latency_s["latency_p50"]
    assert p50.low is not None
    assert p50.high is not None
    assert p50.low < 0.01 * math.log(2) < p50.high
    assert window.error_ratio.value == 0.0
    assert window.error_ratio.high == pytest.approx(3.84 / 2000, rel=0.02)
    assert window.replica_share == (1.0,)
    assert window.generator_cpu_ratio == pytest.approx(0.2)


def test_the_warm_up_is_cut_in_seconds(rng: np.random.Generator) -> None:
    latency = rng.exponential(0.01, 2000)
    latency[:300] += 0.1
    window = summarize(even(rng, latency=latency))
    assert window.warm_up_s == pytest.approx(0.6, abs=0.1)
    assert window.requests == pytest.approx(1700, abs=50)
    assert window.latency_s["latency_p99"].value < 0.1


def test_errors_are_counted_by_kind_and_leave_the_latencies_alone(rng: np.random.Generator) -> None:
    status = np.full(2000, 200)
    status[100:2000:100] = 503
    status[[550, 1550]] = Status.WRONG_ANSWER
    status[[650]] = Status.CONNECTION_LOST
    latency = rng.exponential(0.01, 2000)
    latency[status != 200] = 1e-6
    window = summarize(even(rng, latency=latency, status=status))
    assert window.errors == {"http 503": 19, "wrong answer": 2, "connection lost": 1}
    assert window.error_ratio.value == pytest.approx(22 / 2000)
    assert window.error_ratio.low is not None
    assert window.error_ratio.low > 0.005
    assert window.achieved_rps == pytest.approx(500 * (1 - 22 / 2000), rel=0.02)
    assert window.latency_s["latency_p50"].value > 0.005


def test_dropping_slow_requests_makes_a_server_slow_not_fast(rng: np.random.Generator) -> None:
    latency = rng.exponential(0.01, 2000)
    latency[10::50] = 9.0
    window = summarize(even(rng, latency=latency, timeout_s=1.0))
    assert window.errors == {"timed out": 40}
    assert "latency_p99" not in window.latency_s
    assert window.beyond_s == pytest.approx({"latency_p99": 1.0, "latency_p99.9": 1.0})
    assert "latency_p95" in window.latency_s


def test_what_was_never_sent_waited_until_the_end(rng: np.random.Generator) -> None:
    base = even(rng)
    lost = np.arange(2000) % 20 == 0
    never = dataclasses.replace(
        base,
        status=np.where(lost, Status.NOT_SENT, base.status),
        sent_s=np.where(lost, np.nan, base.sent_s),
        finished_s=np.where(lost, np.nan, base.finished_s),
        replica=np.where(lost, -1, base.replica),
        waited=lost,
    )
    window = summarize(never)
    assert window.errors == {"not sent": 100}
    assert "latency_p99" in window.beyond_s
    assert window.replica_share == (1.0,)


def test_a_late_generator_is_no_measurement(rng: np.random.Generator) -> None:
    window = summarize(even(rng, late_s=np.where(np.arange(2000) % 40 == 0, 0.02, 0.0)))
    assert window.generator_limited
    assert window.lateness_p99_s == pytest.approx(0.02)
    (reason,) = window.untrusted
    assert reason.startswith("the load generator was late: p99 of its lateness is 20 ms, of the latency ")


def test_waiting_for_a_connection_is_not_the_generators_lateness(rng: np.random.Generator) -> None:
    waited = np.arange(2000) % 4 == 0
    window = summarize(even(rng, late_s=np.where(waited, 0.05, 0.0), waited=waited))
    assert window.untrusted == ()
    assert window.lateness_p99_s == 0.0


def test_a_verdict_forgives_lateness_that_is_little_beside_the_bound(rng: np.random.Generator) -> None:
    late = even(rng, late_s=np.where(np.arange(2000) % 40 == 0, 0.02, 0.0))
    slo = [Constraint(metric="latency_p99", bound=0.5), Constraint(metric="latency_p95", bound=0.25)]
    assert summarize(late, to_judge(Trust(), slo)).untrusted == ()
    assert summarize(late, to_judge(Trust(), [Constraint(metric="latency_p99", bound=0.1)])).generator_limited
    assert to_judge(Trust(), [Constraint(metric="error_ratio", bound=0.5)]) == Trust()
    assert summarize(even(rng, cpu_ratio=0.97), to_judge(Trust(), slo)).generator_limited


def test_lateness_that_drowns_in_the_latency_is_forgiven(rng: np.random.Generator) -> None:
    assert summarize(even(rng, latency=rng.exponential(1.0, 2000), late_s=0.02)).untrusted == ()


def test_a_busy_generator_is_no_measurement(rng: np.random.Generator) -> None:
    window = summarize(even(rng, cpu_ratio=0.97))
    assert window.generator_limited
    assert window.untrusted == (
        "the load generator was at its limit: it ran or waited for a CPU in 97 % of the time, more than 90 %; "
        "lower the rate, or give it more CPUs",
    )


def test_too_few_requests(rng: np.random.Generator) -> None:
    window = summarize(even(rng, n=12))
    assert not window.generator_limited
    assert window.untrusted[0].startswith("too few requests: 12, at least 30 are needed")
    assert summarize(even(rng, n=12), Trust(requests=10)).untrusted == ()


def test_an_empty_window_knows_nothing() -> None:
    window = summarize(samples(np.zeros(0), np.zeros(0), window_s=1.0, offered_rps=5.0))
    assert window.untrusted
    assert (window.error_ratio.low, window.error_ratio.high) == (0.0, 1.0)
    assert window.latency_s == {}
    assert window.achieved_rps == 0.0
    assert window.replica_share == ()


def test_a_window_that_settles_late_is_not_steady(rng: np.random.Generator) -> None:
    latency = rng.exponential(0.01, 2000) + np.where(np.arange(2000) < 1300, 0.1, 0.0)
    window = summarize(even(rng, latency=latency))
    assert window.warm_up_s == 0.0
    assert "was never steady" in window.untrusted[0]
    assert not window.generator_limited


def test_a_closed_loop_has_neither_lateness_nor_backlog(rng: np.random.Generator) -> None:
    window = summarize(Server(exponential(0.002), 2).closed_loop(rng, 8, 2.0))
    assert window.offered_rps == 0.0
    assert window.achieved_rps == pytest.approx(1000, rel=0.1)
    assert window.lateness_p99_s == 0.0
    assert window.backlog_rps is None


def test_an_overloaded_server_has_a_growing_backlog_and_answers_what_it_can(rng: np.random.Generator) -> None:
    window = summarize(Server(constant(0.002)).open_loop(rng, 600, 4.0))
    assert window.backlog_rps is not None
    assert window.backlog_rps.low is not None
    assert window.backlog_rps.low > 0
    assert window.backlog_rps.value == pytest.approx(100, rel=0.4)
    # Drained answers do not count: the server ends 500/s, however many were due.
    assert window.achieved_rps == pytest.approx(500, rel=0.02)
    assert window.untrusted == ()
    assert window.warnings[0].startswith("the backlog grew by ")


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_a_steady_queue_has_no_growing_backlog(load: float) -> None:
    server = Server(exponential(0.001))
    seen = [summarize(server.open_loop(np.random.default_rng(seed), load * 1000, 2.0)) for seed in range(100)]
    grown = [one for one in seen if one.backlog_rps is not None and (one.backlog_rps.low or 0) > 0]
    assert len(grown) <= 5


def test_lopsided_replicas_are_told(rng: np.random.Generator) -> None:
    lopsided = summarize(even(rng, replica=(np.arange(2000) % 10 < 8).astype(np.int64)))
    assert lopsided.replica_share == pytest.approx((0.2, 0.8), abs=0.01)
    assert lopsided.warnings == (
        "the replicas answered unequal shares of the requests: 20 %, 80 %; even would be 50 % each: "
        "the answers do not tell why",
    )
    assert summarize(even(rng, replica=rng.integers(0, 2, 2000))).warnings == ()
    assert summarize(even(rng, n=40, replica=(np.arange(40) % 5 < 3).astype(np.int64))).warnings == ()


def test_why_replicas_are_lopsided_is_told(rng: np.random.Generator) -> None:
    replica = (np.arange(2000) % 10 < 8).astype(np.int64)
    slower = summarize(even(rng, replica=replica, latency=np.where(replica == 0, 0.04, 0.01)))
    assert "replica 0 takes 40 ms where replica 1 takes 10 ms (medians)" in slower.warnings[0]
    status = np.full(2000, 200)
    status[9::100] = Status.CONNECTION_LOST
    failing = summarize(even(rng, replica=replica, status=status))
    assert "replica 0 failed 20 requests" in failing.warnings[0]
    odd = summarize(dataclasses.replace(even(rng, replica=replica), connections=5))
    assert "5 connections cannot be divided evenly among 2 replicas" in odd.warnings[0]


def test_a_spread_behind_one_address_is_seen_in_the_cpu_time(rng: np.random.Generator) -> None:
    window = summarize(even(rng))
    (said,) = hidden_spread(window, Usage(cpu_share=(0.9, 0.1)))
    assert "90 %, 10 %; even would be 50 % each: behind one address" in said
    for share in ((), (1.0,), (0.55, 0.45)):
        assert hidden_spread(window, Usage(cpu_share=share)) == ()
    spread = summarize(even(rng, replica=rng.integers(0, 2, 2000)))
    assert hidden_spread(spread, Usage(cpu_share=(0.9, 0.1))) == ()


def test_error_bursts_widen_the_interval(rng: np.random.Generator) -> None:
    spread, burst = np.full(2000, 200), np.full(2000, 200)
    spread[::20] = 500
    burst[1000:1100] = 500
    widths = []
    for status in (spread, burst):
        ratio = summarize(even(rng, status=status)).error_ratio
        assert ratio.value == pytest.approx(0.05, abs=0.002)
        widths.append((ratio.high or 0) - (ratio.low or 0))
    assert widths[1] > 3 * widths[0]


def test_wilson() -> None:
    found = wilson(5, 100)
    assert (found.low, found.high) == (pytest.approx(0.0215, abs=1e-4), pytest.approx(0.1118, abs=1e-4))
    assert wilson(10, 10).high == 1.0


@pytest.mark.parametrize("connections", [8, 16, 32, 128])
@pytest.mark.parametrize("window_s", [3.0, 7.0, 8.0, 40.0])
def test_a_closed_loop_of_slow_answers_tells_the_servers_throughput_however_short(
    connections: int, window_s: float
) -> None:
    server = Server(constant(2.5), servers=16, timeout_s=math.inf)
    found = summarize(server.closed_loop(np.random.default_rng(1), connections, window_s), Trust(short=True))
    assert found.achieved_rps == pytest.approx(min(connections, 16) / 2.5, rel=1e-6)


def test_slow_answers_count_to_the_window_in_which_they_were_due() -> None:
    server = Server(constant(2.5), servers=16, timeout_s=math.inf)
    samples = server.open_loop(np.random.default_rng(2), 4.0, 8.0)
    found = summarize(samples)
    assert found.achieved_rps == len(samples) / 8.0
    assert found.backlog_rps is not None
    assert found.backlog_rps.value == pytest.approx(0.0, abs=0.15), "what is being served is no backlog"


def test_an_overloaded_slow_server_is_not_told_to_be_able_for_what_it_answered_afterwards() -> None:
    server = Server(constant(2.5), servers=16, timeout_s=math.inf)
    found = [summarize(server.open_loop(np.random.default_rng(seed), 15.0, 8.0)) for seed in range(20)]
    assert np.mean([window.achieved_rps for window in found]) == pytest.approx(6.4, rel=0.08)
    assert np.mean([window.backlog_rps.value for window in found if window.backlog_rps]) == pytest.approx(8.6, rel=0.1)
    assert all(window.requests > 80 and not window.errors for window in found)


def test_a_request_that_was_given_up_was_waited_for_as_long_as_the_time_out() -> None:
    due = np.arange(100) / 12.5
    status = np.where(np.arange(100) % 2, 200, Status.TIMED_OUT)
    finished = np.where(status == 200, due + 0.2, np.nan)
    given_up = rows(due, finished_s=finished, status=status, window_s=8.0, offered_rps=12.5, timeout_s=5.0)
    assert summarize(given_up).beyond_s["latency_p90"] == 5.0
