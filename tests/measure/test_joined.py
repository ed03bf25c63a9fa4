from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from tests.measure.queues import Server, constant, exponential
from tuner.measure.joined import join, starts_s
from tuner.measure.samples import Samples, Tokens
from tuner.measure.window import summarize


@pytest.fixture
def parts() -> list[Samples]:
    rng = np.random.default_rng(5)
    server = Server(exponential(0.002))
    return [server.open_loop(rng, 250.0, length) for length in (1.0, 2.0, 4.0)]


def test_the_clock_stands_still_between_windows(parts: list[Samples]) -> None:
    whole = join(parts)
    assert starts_s(parts) == [0.0, 1.0, 3.0]
    assert whole.window_s == 7.0
    assert whole.offered_rps == 250.0
    assert len(whole) == sum(map(len, parts))
    assert (np.diff(whole.scheduled_s) >= 0).all(), "the rows stay in the order scheduled"
    row = 0
    for part, start in zip(parts, (0.0, 1.0, 3.0), strict=True):
        rows = slice(row, row := row + len(part))
        assert (whole.scheduled_s[rows] == part.scheduled_s + start).all()
        assert (whole.finished_s[rows] == part.finished_s + start).all()


def test_one_window_is_itself(parts: list[Samples]) -> None:
    assert join(parts[:1]) is parts[0]
    with pytest.raises(ValueError, match="no window"):
        join([])


def test_columns_that_only_some_windows_have(parts: list[Samples]) -> None:
    one, two, three = parts
    one = replace(one, tokens=Tokens(row=np.array([0, 0]), at_s=np.array([0.1, 0.2])), connect_s=np.zeros(len(one)))
    three = replace(
        three,
        tokens=Tokens(row=np.array([3]), at_s=np.array([0.5])),
        server_timing_s=MappingProxyType({"app": np.ones(len(three))}),
    )
    whole = join([one, two, three])
    assert whole.tokens is not None
    assert list(whole.tokens.row) == [0, 0, len(one) + len(two) + 3]
    assert list(whole.tokens.at_s) == [0.1, 0.2, 3.5]
    assert whole.connect_s is not None
    assert np.isnan(whole.connect_s).sum() == len(two) + len(three)
    assert np.nansum(whole.server_timing_s["app"]) == len(three)


def test_windows_together_tell_what_one_long_window_tells() -> None:
    rng = np.random.default_rng(1)
    server = Server(exponential(0.002))
    several = [server.open_loop(rng, 250.0, 5.0) for _ in range(4)]
    one = summarize(server.open_loop(rng, 250.0, 20.0))
    together = summarize(several[0], more=several[1:])
    assert together.untrusted == ()
    assert together.achieved_rps == pytest.approx(250.0, rel=0.05)
    assert together.requests == pytest.approx(one.requests, rel=0.06)
    for name in ("latency_p50", "latency_p90"):
        assert together.latency_s[name].value == pytest.approx(one.latency_s[name].value, rel=0.2)


def test_an_overloaded_server_stays_overloaded_in_several_windows() -> None:
    """Between windows the backlog drains: its answers count for none of them."""
    rng = np.random.default_rng(2)
    parts = [Server(constant(0.002)).open_loop(rng, 600.0, 2.0) for _ in range(3)]
    window = summarize(parts[0], more=parts[1:])
    assert window.achieved_rps == pytest.approx(500.0, rel=0.03)
    assert window.backlog_rps is not None
    assert window.backlog_rps.low is not None
    assert window.backlog_rps.low > 0.0


def test_an_even_server_under_an_even_load_is_not_overloaded_in_several_windows() -> None:
    """The last request of each window ends after it; that is no growing backlog."""
    rng = np.random.default_rng(3)
    parts = [Server(constant(0.002)).open_loop(rng, 100.0, 1.0, poisson=False) for _ in range(5)]
    shifted = [replace(p, scheduled_s=p.scheduled_s + 0.01, finished_s=p.finished_s + 0.01) for p in parts]
    window = summarize(shifted[0], more=shifted[1:])
    assert window.warnings == ()
