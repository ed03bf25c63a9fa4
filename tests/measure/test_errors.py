"""The share of failed requests where not every answer could be checked: extrapolated, with an interval that holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.measure.queues import Server, exponential
from tests.record.examples import measurement
from tuner.measure.errors import error_ratio
from tuner.measure.joined import join, merge
from tuner.measure.samples import CHECKED, DRAWN, GOOD, UNCHECKED, Samples, Status
from tuner.measure.slo import judge, judge_measurement, unjudged
from tuner.measure.window import summarize
from tuner.space.model import Constraint

SAMPLES = Server(exponential(0.001)).open_loop(np.random.default_rng(1), 400.0, 5.0)


def sampled(rng: np.random.Generator, wrong: float, drawn: float, refused: float = 0.0) -> Samples:
    """Of which so many are wrong, so many were drawn to be looked at, and so many of all were refused."""
    n = len(SAMPLES)
    is_wrong, is_drawn, is_refused = rng.random(n) < wrong, rng.random(n) < drawn, rng.random(n) < refused
    status = np.where(is_wrong & is_drawn, Status.UNLIKE, GOOD)
    checking = np.where(is_drawn, DRAWN, UNCHECKED)
    return replace(
        SAMPLES,
        status=np.where(is_refused, 503, status),
        checking=np.where(is_refused, CHECKED, checking),
    )


@pytest.mark.parametrize(("wrong", "drawn", "refused"), [(0.03, 0.1, 0.0), (0.5, 0.05, 0.1), (0.0, 0.1, 0.02)])
def test_the_interval_holds_the_truth(wrong: float, drawn: float, refused: float) -> None:
    held, truth = 0, refused + (1.0 - refused) * wrong
    for seed in range(200):
        samples = sampled(np.random.default_rng(seed), wrong, drawn, refused)
        found = error_ratio(samples, np.ones(len(samples), dtype=np.bool_), 0.05)
        held += (found.low or 0.0) <= truth <= (found.high or 0.0)
    assert held >= 186


def test_all_wrong_is_told_as_all_wrong_and_good_answers_are_not_counted() -> None:
    window = summarize(sampled(np.random.default_rng(1), 1.0, 1 / 32))
    assert window.error_ratio.value == 1.0
    assert (window.error_ratio.low or 0.0) > 0.9
    assert window.achieved_rps == 0.0
    assert window.unchecked > 0
    assert any("extrapolated" in warning for warning in window.warnings)
    assert judge(window, [Constraint(metric="error_ratio", bound=0.05)]).state == "broken"


def test_half_wrong_halves_the_good_answers() -> None:
    whole = summarize(SAMPLES).achieved_rps
    assert summarize(sampled(np.random.default_rng(2), 0.5, 0.2)).achieved_rps == pytest.approx(whole / 2, rel=0.15)


def test_windows_and_shares_keep_how_they_were_checked() -> None:
    some = replace(sampled(np.random.default_rng(3), 0.5, 0.2), wrong="$.a is 2, not 1", suspended_s=1.0)
    for whole in (join([SAMPLES, some]), merge([SAMPLES, some])):
        assert whole.checking is not None
        assert (whole.checking == UNCHECKED).sum() == (np.asarray(some.checking) == UNCHECKED).sum()
        assert (whole.wrong, whole.suspended_s) == ("$.a is 2, not 1", 1.0)
    assert join([SAMPLES, SAMPLES]).checking is None
    assert "the first wrong answer: $.a is 2, not 1" in summarize(some).warnings


def test_a_bound_within_the_interval_of_an_extrapolated_ratio_is_undecided() -> None:
    window = summarize(sampled(np.random.default_rng(4), 0.0, 0.05))
    found = replace(measurement(100.0, 0.01, 1.0), at_rate=window)
    tight, wide = ([Constraint(metric="error_ratio", bound=bound)] for bound in (0.001, 0.5))
    assert (unjudged(found, tight), judge_measurement(found, tight)) == (("error_ratio",), ())
    assert (unjudged(found, wide), judge_measurement(found, wide)) == ((), ())
