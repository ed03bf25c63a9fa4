"""Verdicts of changing loads against simulated queues, whose truth follows from arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from tests.measure.queues import constant, exponential, finish_times, samples
from tuner.load.arrivals import schedule
from tuner.load.model import LoadWindow
from tuner.measure.samples import Samples
from tuner.measure.shapes import bursts, recovery
from tuner.workload.shapes import OnOff, Shape, Spike

CAPACITY = 1000.0


def served(shape: Shape, window_s: float, seed: int, *, timeout_s: float = 60.0, slower: float = 0.0) -> Samples:
    """A server that ends CAPACITY requests/s, `slower` by that share of it at the window's end."""
    rng = np.random.default_rng(seed)
    due = schedule(
        LoadWindow(arrival="poisson", profile=shape.corners(window_s), duration_s=window_s, connections=1, seed=seed)
    )
    work = constant(1 / CAPACITY)(rng, len(due)) * (1 + slower * due / window_s)
    finished = finish_times(due, work, 1)
    return samples(due, finished, window_s=window_s, offered_rps=len(due) / window_s, timeout_s=timeout_s)


SPIKE = Spike(base=500.0, peak=3000.0, after_s=5.0, for_s=1.0)
EMPTY_AFTER_S = (3000 - CAPACITY) * 1.0 / (CAPACITY - 500)
"""A second of 2000/s too many leaves a backlog that 500/s of spare capacity work off."""


def emptied(load: Samples) -> float:
    """Seconds after the spike at which the first request found no queue: it differs a little with every draw."""
    at_once = (load.scheduled_s > 6.0) & (load.finished_s - load.scheduled_s < 1.001 / CAPACITY)
    return float(load.scheduled_s[at_once][0]) - 6.0


def test_the_recovery_time_is_that_of_the_backlog() -> None:
    loads = [served(SPIKE, 15.0, seed) for seed in range(20)]
    found = [recovery(load, from_s=5.0, until_s=6.0) for load in loads]
    assert {one.state for one in found} == {"recovered"}
    times = [one.after_s for one in found if one.after_s is not None]
    assert np.median([time.value for time in times]) == pytest.approx(EMPTY_AFTER_S, rel=0.05)
    for time in times:
        assert time.low is not None
        assert time.high is not None
        assert time.low <= time.value <= time.high
    assert np.median([time.high - time.low for time in times]) < 1.5  # type: ignore[operator]
    covered = [time.low <= emptied(load) <= time.high for time, load in zip(times, loads, strict=True)]  # type: ignore[operator]
    assert sum(covered) >= 18
    assert found[0].text.startswith("back after ")


def test_a_window_that_ends_too_early_says_so() -> None:
    found = recovery(served(SPIKE, 8.0, 1), from_s=5.0, until_s=6.0)
    assert (found.state, found.after_s, found.watched_s) == ("not recovered", None, 2.0)
    assert "not recovered within the 2 s watched" in found.text
    assert found.during_s is not None
    assert found.band_s is not None
    assert found.during_s > 100 * found.band_s


def test_requests_that_fail_are_no_recovery() -> None:
    whole = served(SPIKE, 15.0, 1)
    whole.status[whole.scheduled_s > 7.0] = 503
    assert recovery(whole, from_s=5.0, until_s=6.0).state == "not recovered"


def test_a_load_that_is_carried_does_not_disturb() -> None:
    carried = Spike(base=100.0, peak=110.0, after_s=5.0, for_s=1.0)
    found = [recovery(served(carried, 15.0, seed), from_s=5.0, until_s=6.0) for seed in range(20)]
    assert sum(one.after_s is not None and one.after_s.value == 0.0 for one in found) >= 19
    assert {one.state for one in found} <= {"not disturbed", "recovered"}


@pytest.mark.parametrize(("window_s", "base", "word"), [(6.1, 500.0, "watch longer"), (15.0, 1.0, "too few")])
def test_too_few_requests_tell_nothing(window_s: float, base: float, word: str) -> None:
    shape = Spike(base=base, peak=3000.0, after_s=5.0, for_s=1.0)
    found = recovery(served(shape, window_s, 1), from_s=5.0, until_s=6.0)
    assert (found.state, found.after_s) == ("undecided", None)
    assert word in found.text


ON_OFF = OnOff(on=900.0, off=300.0, on_for_s=1.0, off_for_s=1.0)


def phases(count: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    return [(2.0 * n, 2.0 * n + 1.0) for n in range(count)], [(2.0 * n + 1.0, 2.0 * n + 2.0) for n in range(count)]


def test_bursts_are_slower_than_what_is_between_them_and_stay_as_they_are() -> None:
    found = [bursts(served(ON_OFF, 20.0, seed), *phases(10)) for seed in range(20)]
    for one in found:
        assert len(one.on) == len(one.off) == 10
        assert one.slower is not None
        assert one.slower.low is not None
        assert one.slower.low > 1.0
        assert one.growth is not None
    assert sum(one.worsens for one in found) <= 2


def test_bursts_that_get_worse_are_seen() -> None:
    found = bursts(served(ON_OFF, 40.0, 1, slower=0.1), *phases(20))
    assert found.worsens
    assert found.growth is not None
    assert found.growth.value > 0.02
    assert "grows by" in found.text


def test_few_phases_tell_the_ratio_alone() -> None:
    found = bursts(served(ON_OFF, 4.0, 1), *phases(2))
    assert (found.growth, found.worsens) == (None, False)
    assert "cannot be told from 2 phases" in found.text


def test_a_phase_in_which_nothing_was_due_is_none() -> None:
    silent = OnOff(on=900.0, off=0.0, on_for_s=1.0, off_for_s=1.0)
    found = bursts(served(silent, 20.0, 1), *phases(10))
    assert len(found.on) == 10
    assert found.slower is None or len(found.off) < 10


def test_a_service_time_that_varies_widens_the_interval_and_keeps_the_verdict() -> None:
    rng = np.random.default_rng(3)
    due = schedule(LoadWindow(arrival="poisson", profile=SPIKE.corners(20.0), duration_s=20.0, connections=1, seed=3))
    finished = finish_times(due, exponential(1 / CAPACITY)(rng, len(due)), 1)
    found = recovery(samples(due, finished, window_s=20.0, offered_rps=700.0), from_s=5.0, until_s=6.0)
    assert found.state == "recovered"
    assert found.after_s is not None
    assert found.after_s.value == pytest.approx(EMPTY_AFTER_S, rel=0.25)
