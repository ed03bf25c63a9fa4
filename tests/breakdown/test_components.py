from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.timed import samples
from tuner.breakdown.components import components, latency, server_timings, split
from tuner.measure.samples import Samples, Status

_STEP = st.floats(min_value=0.0, max_value=100.0)


@st.composite
def _windows(draw: st.DrawFn) -> Samples:
    """Anything the engine may record of a request: late, waiting, connecting, tried again, or never answered."""
    rows = draw(
        st.lists(
            st.tuples(
                _STEP, _STEP, _STEP, _STEP, st.booleans(), st.one_of(st.none(), _STEP), st.one_of(st.none(), _STEP)
            ),
            max_size=40,
        )
    )
    table = np.array([[row[0], row[1], row[2], row[3]] for row in rows], dtype=np.float64).reshape(-1, 4)
    due, sent, first, finished = np.cumsum(table, axis=1).T
    optional = [[np.nan if row[i] is None else row[i] for row in rows] for i in (5, 6)]
    status = [draw(st.sampled_from([200, 500, Status.WRONG_ANSWER, Status.TIMED_OUT])) for _ in rows]
    return samples(
        len(rows),
        scheduled_s=due,
        sent_s=sent,
        first_byte_s=first,
        finished_s=finished,
        waited=np.array([row[4] for row in rows], dtype=np.bool_),
        status=np.array(status, dtype=np.int64),
        connect_s=np.array(optional[0], dtype=np.float64) if draw(st.booleans()) else None,
        noticed_s=due + np.array(optional[1], dtype=np.float64) if draw(st.booleans()) else None,
    )


@settings(deadline=None, max_examples=50)
@given(_windows())
def test_the_parts_of_every_request_add_up_to_its_latency_and_none_is_negative(window: Samples) -> None:
    parts = split(window)
    np.testing.assert_allclose(np.sum([*parts.values()], axis=0), latency(window), rtol=0, atol=1e-9)
    assert all((values >= 0).all() for values in parts.values())


@settings(deadline=None, max_examples=50)
@given(_windows())
def test_the_mean_parts_add_up_to_the_mean_latency(window: Samples) -> None:
    found = components(window)
    answered = latency(window)
    if not len(answered):
        assert found == ()
        return
    assert sum(part.mean_s for part in found) == pytest.approx(answered.mean(), abs=1e-9)
    if answered.mean() > 0:
        assert sum(part.share for part in found) == pytest.approx(1.0)


def test_each_part_is_what_it_says() -> None:
    nan = np.nan
    window = samples(
        4,
        scheduled_s=np.array([0.0, 1.0, 2.0, 3.0]),
        noticed_s=np.array([nan, 1.1, 2.0, 3.0]),  # the second was looked at late, and then had to wait
        sent_s=np.array([0.2, 1.5, 2.7, 3.4]),
        waited=np.array([False, True, True, True]),
        connect_s=np.array([nan, nan, 0.6, 9.0]),  # the last one's is of a second try, after the first send
        first_byte_s=np.array([1.0, 2.0, 3.0, 4.0]),
        finished_s=np.array([1.25, 2.25, 3.25, 4.25]),
        status=np.full(4, 200),
    )
    parts = {name: values.tolist() for name, values in split(window).items()}
    assert parts == {
        "queue": pytest.approx([0.0, 0.4, 0.1, 0.0]),
        "connect": pytest.approx([0.0, 0.0, 0.6, 0.4]),
        "send": pytest.approx([0.2, 0.1, 0.0, 0.0]),
        "wait": pytest.approx([0.8, 0.5, 0.3, 0.6]),
        "receive": pytest.approx([0.25, 0.25, 0.25, 0.25]),
    }


def test_connects_that_nobody_recorded_are_not_guessed() -> None:
    assert list(split(samples(connect_s=None))) == ["queue and connect", "send", "wait", "receive"]


def test_only_what_was_answered_counts_wrong_answers_too() -> None:
    status = np.array([200, 500, Status.WRONG_ANSWER, Status.TIMED_OUT, Status.NOT_SENT, Status.CONNECTION_LOST])
    finished = np.array([1.0, 1.0, 1.0, np.nan, np.nan, np.nan])
    window = samples(6, status=status, finished_s=finished)
    assert len(latency(window)) == 3
    assert {part.count for part in components(window)} == {3}


def test_quantiles_stand_with_their_intervals_and_only_where_the_samples_carry_them() -> None:
    rng = np.random.default_rng(7)
    base = samples(2000)
    window = samples(2000, finished_s=base.first_byte_s + rng.exponential(0.01, 2000))
    receive = {part.name: part for part in components(window)}["receive"]
    assert receive.p50 is not None
    assert receive.p99 is not None
    assert receive.p50.low is not None
    assert receive.p50.high is not None
    assert receive.p50.low < 0.01 * np.log(2) < receive.p50.high
    few = {part.name: part for part in components(samples(20))}["wait"]
    assert few.p99 is None


def test_server_timing_is_over_the_requests_that_hold_it() -> None:
    told = np.full(1000, np.nan)
    told[::2] = 0.004
    (db,) = server_timings(samples(server_timing_s={"db": told, "cache": np.full(1000, np.nan)}))
    assert (db.name, db.count, db.mean_s) == ("db", 500, pytest.approx(0.004))
    assert db.share == pytest.approx(0.004 / 0.01005)
