from __future__ import annotations

import numpy as np
import pytest

from tests.measure.queues import Server, exponential
from tests.measure.timed import rows
from tuner.measure.distribution import percentiles, slices
from tuner.measure.samples import Samples, Status


def samples(latency_s: list[float], status: list[int] | None = None, window_s: float = 1.0) -> Samples:
    n = len(latency_s)
    scheduled = np.arange(n) * window_s / n
    return rows(
        scheduled, finished_s=scheduled + np.array(latency_s), status=np.array(status or [200] * n), window_s=window_s
    )


def test_levels_are_those_of_the_order_statistics() -> None:
    curve = percentiles(samples([0.004, 0.001, 0.003, 0.002]), 0.0)
    assert np.array(curve) == pytest.approx(np.array([(0.25, 0.001), (0.5, 0.002), (0.75, 0.003), (1.0, 0.004)]))


def test_the_curve_ascends_and_ends_at_the_slowest_request() -> None:
    window = Server(exponential(0.002)).open_loop(np.random.default_rng(1), 200.0, 10.0)
    curve = percentiles(window, 1.0)
    levels, values = zip(*curve, strict=True)
    latency = (window.finished_s - window.scheduled_s)[window.scheduled_s >= 1.0]
    assert list(levels) == sorted(levels)
    assert list(values) == sorted(values)
    assert (levels[-1], values[-1]) == (1.0, latency.max())
    assert 50 < len(curve) <= 121


def test_requests_given_up_on_count_as_slower_than_all() -> None:
    curve = percentiles(samples([0.001, 5.0, 0.002, 0.003], [200, Status.TIMED_OUT, 200, 200]), 0.0)
    assert curve[-1] == pytest.approx((0.75, 0.003))
    assert percentiles(samples([5.0], [Status.TIMED_OUT]), 0.0) == ()


def test_slices_cover_the_window_and_count_every_request() -> None:
    status = [200] * 90 + [503] * 10
    found = slices(samples([0.001] * 100, status, window_s=2.0))
    assert [len(found), found[0].start_s, found[-1].end_s] == [5, 0.0, 2.0]
    assert sum(part.due_rps * (part.end_s - part.start_s) for part in found) == pytest.approx(100)
    assert sum(part.errors for part in found) == 10
    assert found[0].p50_s == found[0].longest_s == pytest.approx(0.001)


def test_a_slice_without_a_good_answer_has_no_latency() -> None:
    (only,) = slices(samples([0.001] * 5, [503] * 5))
    assert (only.p50_s, only.p90_s, only.longest_s, only.errors) == (None, None, None, 5)
    assert slices(samples([])) == ()
