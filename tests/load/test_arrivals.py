from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load.arrivals import Constant, Poisson, arrival, schedule
from tuner.load.model import Stage


def stage(kind: str, rate: float = 100.0, duration: float = 5.0, seed: int = 0) -> Stage:
    return Stage(arrival=kind, rate_rps=rate, duration_s=duration, connections=1, seed=seed)  # type: ignore[arg-type]


def test_a_constant_rate_offers_exactly_rate_times_duration() -> None:
    due = schedule(stage("constant"))
    assert len(due) == 500
    assert due[0] == pytest.approx(0.01)
    assert due[-1] == pytest.approx(5.0)
    assert np.diff(due) == pytest.approx(0.01)


@pytest.mark.parametrize("kind", ["constant", "poisson"])
def test_the_schedule_is_what_next_gives_one_by_one(kind: str) -> None:
    wanted = stage(kind, seed=3)
    process, elapsed = arrival(wanted), 0.0
    for due in schedule(wanted):
        elapsed = process.next(elapsed)
        assert elapsed == pytest.approx(due, abs=1e-9)


@given(st.floats(1, 5000), st.floats(0.01, 2), st.integers(0, 2**31))
def test_a_poisson_schedule_ascends_within_the_window_and_depends_on_the_seed_alone(
    rate: float, duration: float, seed: int
) -> None:
    due = schedule(stage("poisson", rate, duration, seed))
    assert (np.diff(due) >= 0).all()
    assert ((due > 0) & (due <= duration)).all()
    assert np.array_equal(due, schedule(stage("poisson", rate, duration, seed)))


def test_poisson_counts_vary_as_poisson_counts_do() -> None:
    counts = np.array([len(schedule(stage("poisson", 1000.0, 1.0, seed))) for seed in range(200)])
    assert counts.mean() == pytest.approx(1000, abs=5 * math.sqrt(1000 / 200))
    assert counts.var() == pytest.approx(1000, rel=0.5)
    assert len(set(counts)) > 50


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_cannot_be_offered_is_refused(rate: float) -> None:
    for refused in (lambda: Constant(rate), lambda: Poisson(rate, 0), lambda: schedule(stage("poisson", rate))):
        with pytest.raises(ValueError, match="cannot be offered"):
            refused()


def test_a_closed_loop_has_no_arrival_times() -> None:
    for refused in (arrival, schedule):
        with pytest.raises(ValueError, match="closed"):
            refused(stage("closed"))
