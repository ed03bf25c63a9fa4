"""The formulas against what is known exactly, and against what any queue does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.backends.replay.queueing import Station, scaled

SERVICE = st.floats(min_value=1e-4, max_value=1.0)


def test_service_of_fixed_length_takes_that_long_at_no_load() -> None:
    assert Station(capacity_rps=100.0, service_s=0.01, spread=0.0).latency_s(0.0, 0.99) == pytest.approx(0.01)


def test_waiting_at_one_server_is_that_of_an_exponential_queue() -> None:
    """M/M/1: the mean wait of those that wait is service / (1 - load), and a share `load` of all waits."""
    station = Station(capacity_rps=100.0, service_s=0.01, spread=1.0)
    waiting = station.latency_s(50.0, 0.99) - station.latency_s(0.0, 0.99)
    assert waiting == pytest.approx(0.02 * math.log(0.5 / 0.01))


@given(SERVICE, st.floats(min_value=1.0, max_value=64.0), st.floats(min_value=0.05, max_value=0.9))
def test_more_load_is_never_quicker_and_the_capacity_is_the_end(service_s: float, lanes: float, load: float) -> None:
    station = Station(capacity_rps=lanes / service_s, service_s=service_s)
    rate = load * station.capacity_rps
    assert station.latency_s(rate, 0.5) <= station.latency_s(rate, 0.99)
    assert station.latency_s(rate / 2.0, 0.99) <= station.latency_s(rate, 0.99)
    assert station.latency_s(station.capacity_rps, 0.99) == math.inf


@given(SERVICE, st.floats(min_value=1.0, max_value=64.0), st.floats(min_value=1.1, max_value=50.0))
def test_the_highest_rate_keeps_its_bound_and_no_higher_one_does(service_s: float, lanes: float, times: float) -> None:
    station = Station(capacity_rps=lanes / service_s, service_s=service_s)
    bound_s = times * station.latency_s(0.0, 0.99)
    rate = station.highest_rate(0.99, bound_s)
    assert station.latency_s(rate, 0.99) <= bound_s
    assert station.latency_s(min(rate * 1.001, station.capacity_rps), 0.99) > bound_s


def test_what_is_too_slow_without_load_has_no_rate() -> None:
    assert Station(capacity_rps=100.0, service_s=0.01).highest_rate(0.99, 0.001) == 0.0


def test_lanes_that_contend_gain_less_and_at_last_lose() -> None:
    assert scaled(8, 0.0, 0.0) == 8
    assert scaled(8, 0.1, 0.0) < 8
    assert scaled(64, 0.05, 0.01) < scaled(8, 0.05, 0.01)
