from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.load.arrivals import arrival, schedule
from tuner.load.model import LoadWindow
from tuner.workload.intensity import Intensity

GAPS = ("constant", "poisson", "gamma")


def stage(kind: str, rate: float = 100.0, duration: float = 5.0, seed: int = 0, **more: object) -> LoadWindow:
    return LoadWindow(arrival=kind, rate_rps=rate, duration_s=duration, connections=1, seed=seed, **more)  # type: ignore[arg-type]


@st.composite
def profiles(draw: st.DrawFn) -> tuple[tuple[float, float], ...]:
    """Ascending corners within two seconds, some at one instant, with a rate above 0 somewhere."""
    times = sorted(draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 2.0]), min_size=1, max_size=6)))
    rates = draw(st.lists(st.sampled_from([0.0, 1.0, 7.3, 50.0]), min_size=len(times), max_size=len(times)))
    rates[draw(st.integers(0, len(times) - 1))] = 40.0
    return tuple(zip(times, rates, strict=True))


def one_by_one(wanted: LoadWindow, count: int) -> list[float]:
    process, elapsed, instants = arrival(wanted), 0.0, []
    for _ in range(count):
        elapsed = process.next(elapsed)
        instants.append(elapsed)
    return instants


def test_a_constant_rate_offers_exactly_rate_times_duration() -> None:
    due = schedule(stage("constant"))
    assert len(due) == 500
    assert due[0] == pytest.approx(0.01)
    assert due[-1] == pytest.approx(5.0)
    assert np.diff(due) == pytest.approx(0.01)


@pytest.mark.parametrize("kind", GAPS)
@settings(max_examples=50)
@given(profile=profiles(), seed=st.integers(0, 2**31), cv=st.sampled_from([0.2, 1.0, 3.0]))
def test_the_schedule_is_what_next_gives_one_by_one_whatever_the_rate_does(
    kind: str, profile: tuple[tuple[float, float], ...], seed: int, cv: float
) -> None:
    wanted = stage(kind, duration=2.0, seed=seed, profile=profile, cv=cv)
    due = schedule(wanted)
    *found, beyond = one_by_one(wanted, len(due) + 1)
    # counted in requests: where the rate nears 0, an instant is as uncertain as the rounding of its count is long
    intensity = Intensity(profile)
    assert intensity.due(np.array(found)) == pytest.approx(intensity.due(due), abs=1e-6)
    assert beyond > 2.0 - 1e-6


@given(st.floats(1, 5000), st.floats(0.01, 2), st.integers(0, 2**31), st.sampled_from(GAPS))
def test_a_schedule_ascends_within_the_window_and_depends_on_the_seed_alone(
    rate: float, duration: float, seed: int, kind: str
) -> None:
    due = schedule(stage(kind, rate, duration, seed, cv=2.0))
    assert (np.diff(due) >= 0).all()
    assert ((due > 0) & (due <= duration * (1 + 1e-9))).all()
    assert np.array_equal(due, schedule(stage(kind, rate, duration, seed, cv=2.0)))


@given(profiles())
def test_constant_gaps_offer_exactly_what_the_rate_adds_up_to_everywhere(
    profile: tuple[tuple[float, float], ...],
) -> None:
    due = schedule(stage("constant", duration=3.0, profile=profile))
    intensity = Intensity(profile)
    assert len(due) == math.floor(float(intensity.due(3.0)) + 1e-9)
    assert intensity.due(due) == pytest.approx(np.arange(1, len(due) + 1), abs=1e-6)


def test_random_gaps_follow_the_rate_over_time() -> None:
    profile = ((0.0, 0.0), (2.0, 1000.0), (2.0, 100.0), (3.0, 100.0), (3.0, 0.0), (4.0, 0.0), (4.0, 500.0))
    parts = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    expected = np.array([250.0, 750.0, 100.0, 0.0, 500.0])
    for kind in ("poisson", "gamma"):
        schedules = [schedule(stage(kind, duration=5.0, seed=seed, profile=profile, cv=2.0)) for seed in range(100)]
        counts = np.array([np.histogram(due, parts)[0] for due in schedules])
        spread = 5.0 * 2.0 * np.sqrt(np.maximum(expected, 1.0) / 100)
        assert (np.abs(counts.mean(axis=0) - expected) <= spread).all()
        assert counts[:, 3].sum() == 0, "nothing is due while the rate is 0"


@pytest.mark.parametrize("cv", [0.25, 1.0, 2.0, 5.0])
def test_gamma_gaps_have_the_coefficient_of_variation_asked_for(cv: float) -> None:
    gaps = np.diff(schedule(stage("gamma", 1000.0, 200.0, seed=1, cv=cv)))
    assert gaps.mean() == pytest.approx(1e-3, rel=0.1)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1)


def test_poisson_counts_vary_as_poisson_counts_do() -> None:
    counts = np.array([len(schedule(stage("poisson", 1000.0, 1.0, seed))) for seed in range(200)])
    assert counts.mean() == pytest.approx(1000, abs=5 * math.sqrt(1000 / 200))
    assert counts.var() == pytest.approx(1000, rel=0.5)
    assert len(set(counts)) > 50


def test_a_trace_is_replayed_exactly() -> None:
    recorded = (0.0, 0.1, 0.1, 0.25, 3.0)
    wanted = stage("trace", duration=3.0, due_s=recorded)
    assert schedule(wanted).tolist() == list(recorded)
    assert one_by_one(wanted, 6) == [*recorded, math.inf]
    assert schedule(stage("trace", duration=1.0, due_s=recorded)).tolist() == list(recorded[:4])


@given(profiles(), st.floats(0, 3))
def test_the_inverse_of_an_intensity_is_the_first_instant_until_which_so_many_are_due(
    profile: tuple[tuple[float, float], ...], at_s: float
) -> None:
    intensity = Intensity(profile)
    due = intensity.due(at_s)
    first = float(intensity.instant(due))
    assert float(intensity.due(first)) == pytest.approx(float(due), abs=1e-6)
    assert first <= at_s + 1e-6


@given(profiles())
def test_an_intensity_is_the_integral_of_its_rate(profile: tuple[tuple[float, float], ...]) -> None:
    intensity = Intensity(profile)
    edges = np.union1d(np.linspace(0.0, 3.0, 25), [at_s for at_s, _ in profile])
    for low, high in pairwise(edges):
        middle = (low + high) / 2  # linear in between: the rate in the middle is the mean
        assert float(intensity.due(high) - intensity.due(low)) == pytest.approx(
            float(intensity.rate(middle)) * (high - low), abs=1e-6
        )


def test_where_no_more_is_due_the_next_instant_never_comes() -> None:
    ends = stage("constant", profile=((0.0, 10.0), (1.0, 10.0), (1.0, 0.0)))
    assert one_by_one(ends, 11)[-2:] == [pytest.approx(1.0), math.inf]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_cannot_be_offered_is_refused(rate: float) -> None:
    for refused in (stage("poisson", rate), stage("gamma", profile=((0.0, rate), (1.0, rate)))):
        for made in (arrival, schedule):
            with pytest.raises(ValueError, match=r"cannot be offered|non-negative"):
                made(refused)


@pytest.mark.parametrize("cv", [0.0, -1.0, math.nan, math.inf])
def test_gaps_that_cannot_be_drawn_are_refused(cv: float) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        schedule(stage("gamma", cv=cv))


@pytest.mark.parametrize("due_s", [(), (1.0, 0.5), (-1.0, 0.0), (0.0, math.nan)])
def test_a_trace_that_cannot_be_replayed_is_refused(due_s: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        schedule(stage("trace", due_s=due_s))


@settings(max_examples=30)
@given(profile=profiles())
def test_corners_out_of_order_are_refused(profile: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        Intensity((*profile, (-0.0, 1.0)) if profile[-1][0] > 0 else ((1.0, 1.0), *profile))


def test_a_closed_loop_has_no_arrival_times() -> None:
    for refused in (arrival, schedule):
        with pytest.raises(ValueError, match="closed"):
            refused(stage("closed"))
