"""Times to the first token and between tokens, from samples made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.measure.timed import rows
from tuner.measure.samples import Samples, Status, Tokens
from tuner.measure.slo import judge
from tuner.measure.tokens import first_token_s, gaps_s, token_quantiles
from tuner.measure.window import summarize
from tuner.space.model import Constraint


def samples(tokens: list[tuple[int, float]], status: list[int], *, first_s: float = 0.0) -> Samples:
    n = len(status)
    scheduled = first_s + np.arange(n) * 0.1
    return rows(
        scheduled,
        finished_s=np.where(np.isin(status, (200, Status.WRONG_ANSWER)), scheduled + 0.5, np.nan),
        status=np.array(status),
        window_s=n * 0.1,
        tokens=Tokens(
            row=np.array([row for row, _ in tokens], dtype=np.int64),
            at_s=np.array([at for _, at in tokens], dtype=float),
        ),
    )


def test_streams_that_run_beside_each_other_are_told_apart() -> None:
    made = samples([(0, 0.05), (1, 0.12), (0, 0.15), (1, 0.13), (0, 0.18)], [200, 200, 200])
    assert first_token_s(made) == pytest.approx([0.05, 0.02, np.nan], nan_ok=True)
    assert gaps_s(made, made.status == 200) == pytest.approx([0.01, 0.10, 0.03])  # in the order they ended
    assert gaps_s(made, np.array([False, True, False])) == pytest.approx([0.01])


def test_a_request_never_answered_counts_as_slower_than_all() -> None:
    status = [200] * 2 + [int(Status.TIMED_OUT)] * 3 + [int(Status.CONNECT_FAILED)]
    made = samples([(0, 0.05), (1, 0.12), (2, 0.5)], status)
    censored = made.status == Status.TIMED_OUT
    found, beyond = token_quantiles(made, made.status == 200, censored, np.full(6, 5.0))
    assert "ttft_p90" not in found
    assert found.get("ttft_p50") is None or found["ttft_p50"].value == pytest.approx(0.3)
    assert beyond == {} or set(beyond.values()) == {5.0}


def test_without_streams_there_is_nothing() -> None:
    made = replace(samples([], [200] * 5), tokens=None)
    none = np.zeros(5, dtype=np.bool_)
    assert np.isnan(first_token_s(made)).all()
    assert len(gaps_s(made, made.status == 200)) == 0
    assert token_quantiles(made, made.status == 200, none, np.zeros(5)) == ({}, {})
    assert not any(name.startswith(("ttft", "itl")) for name in summarize(made).latency_s)


def test_a_stream_of_one_token_has_no_time_between() -> None:
    made = samples([(row, row * 0.1 + 0.02) for row in range(50)], [200] * 50)
    found, beyond = token_quantiles(made, made.status == 200, np.zeros(50, dtype=np.bool_), np.zeros(50))
    assert found["ttft_p50"].value == pytest.approx(0.02)
    assert not any(name.startswith("itl") for name in found)
    assert beyond == {}


def streaming(n: int = 2000, seed: int = 5) -> Samples:
    """Exponential times to the first token with a mean of 20 ms, then nine gaps with a mean of 5 ms."""
    random = np.random.default_rng(seed)
    scheduled = np.arange(n) * 0.1
    times = np.cumsum(np.column_stack([random.exponential(0.02, n), random.exponential(0.005, (n, 9))]), axis=1)
    tokens = sorted(((row, at) for row in range(n) for at in scheduled[row] + times[row]), key=lambda token: token[1])
    return samples(tokens, [200] * n)


def test_quantiles_enclose_the_truth_and_are_metrics_of_the_window() -> None:
    window = summarize(streaming())
    for name, truth in (
        ("ttft_p50", 0.02 * np.log(2)),
        ("ttft_p90", 0.02 * np.log(10)),
        ("itl_p50", 0.005 * np.log(2)),
        ("itl_p99", 0.005 * np.log(100)),
    ):
        estimate = window.latency_s[name]
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.value == pytest.approx(truth, rel=0.1)
        assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize(("bound", "state"), [(0.001, "broken"), (1.0, "met")])
@pytest.mark.parametrize("metric", ["ttft_p50", "itl_p50"])
def test_they_can_be_bounded(metric: str, bound: float, state: str) -> None:
    assert judge(summarize(streaming()), [Constraint(metric=metric, bound=bound)]).state == state
