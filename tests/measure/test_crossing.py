from __future__ import annotations

import math

import numpy as np
import pytest

from tests.measure.queues import Server, exponential, samples
from tuner.measure.crossing import Exceeded, crossing, exceeded
from tuner.space.model import Constraint

MU, BOUND = 1000.0, 0.02
TRUTH = MU - math.log(100) / BOUND
"""Of an M/M/1 queue: p99 is ln(100) / (MU - rate)."""


def told(rate: float, over: int, requests: int = 1000, time: float = 1.0) -> tuple[float, Exceeded]:
    one = Exceeded(metric="latency_p99", allowed=0.01, over=over, requests=requests, time=time, cautious=time)
    return rate, one


def test_exact_shares_of_a_queue_give_its_exact_knee() -> None:
    rates = [0.8 * TRUTH, 0.95 * TRUTH, 1.1 * TRUTH]
    seen = [told(rate, round(1e6 * math.exp(-(MU - rate) * BOUND)), 1_000_000) for rate in rates]
    found = crossing(seen)
    assert found is not None
    assert found.rate_rps == pytest.approx(TRUTH, rel=0.02)
    assert found.low_rps is not None
    assert found.high_rps is not None
    assert found.low_rps <= found.rate_rps <= found.high_rps


def test_the_interval_widens_with_the_correlation() -> None:
    widths = []
    for time in (1.0, 10.0):
        found = crossing([told(700.0, 4, time=time), told(770.0, 10, time=time), told(850.0, 40, time=time)], 1000.0)
        assert found is not None
        assert found.high_rps is not None
        widths.append(found.high_rps - (found.low_rps or 0.0))
    assert widths[1] > 1.5 * widths[0]


def test_intervals_cover_the_knee() -> None:
    slo = [Constraint(metric="latency_p99", bound=BOUND)]
    covered, runs = 0, 60
    server = Server(exponential(1.0 / MU))
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        windows = [(share * TRUTH, server.open_loop(rng, share * TRUTH, 3.0)) for share in (0.7, 0.9, 0.97, 1.03, 1.1)]
        found = crossing([(rate, exceeded(seen, slo)[0]) for rate, seen in windows], MU)
        covered += found is None or (found.low_rps or 0.0) <= TRUTH <= (found.high_rps or math.inf)
    assert covered / runs >= 0.9


@pytest.mark.parametrize(
    "seen", [[], [told(500.0, 0), told(900.0, 0)], [told(500.0, 10)], [told(500.0, 900), told(600.0, 1000)]]
)
def test_what_cannot_be_told(seen: list[tuple[float, Exceeded]]) -> None:
    assert crossing(seen) is None


def test_what_lies_beyond_a_bound() -> None:
    due = np.arange(1000) / 100
    latency = np.full(1000, 0.01)
    latency[500:520] = 0.05
    latency[700] = 99.0
    status = np.full(1000, 200)
    status[100:105] = 503
    seen = samples(due, due + latency, window_s=10.0, offered_rps=100.0, status=status, timeout_s=5.0)
    slo = [
        Constraint(metric="latency_p95", bound=0.02),
        Constraint(metric="error_ratio", bound=0.01),
        Constraint(metric="cost", bound=1.0),
    ]
    slow, failed = exceeded(seen, slo)
    assert (slow.metric, slow.over, slow.requests) == ("latency_p95", 21, 995)
    assert slow.allowed == pytest.approx(0.05)
    assert slow.cautious > 5
    assert (failed.over, failed.requests, failed.allowed) == (6, 1000, 0.01)
    assert exceeded(seen, slo, from_s=6.0)[0].over == 1
    assert exceeded(samples(np.zeros(0), np.zeros(0), window_s=1.0, offered_rps=1.0), slo)[0].share == 0.0
