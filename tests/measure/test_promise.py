"""Does it keep its promise: by the SLO, by intervals, and by how far restarts differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import builders
from tuner.measure.model import Usage, Window
from tuner.measure.promise import LEAST_FLOOR, Promise, compare, findings, short
from tuner.space.model import Constraint
from tuner.statistics.model import Estimate

NO_USAGE = Usage()


def estimate(value: float, by: float = 0.05) -> Estimate:
    return Estimate(value=value, low=value * (1 - by), high=value * (1 + by))


def window(p99: Estimate, errors: float = 0.0) -> Window:
    error_ratio = Estimate(value=errors, low=errors, high=errors)
    return builders.window(latency_s={"latency_p99": p99}, error_ratio=error_ratio)


def promise(p99: float = 0.010, floor: float | None = 1.1, *slo: Constraint) -> Promise:
    return Promise(
        rate_rps=100.0,
        slo=slo or (Constraint(metric="latency_p99", bound=0.1),),
        metrics={"latency_p99": estimate(p99)},
        noise_floor={} if floor is None else {"latency_p99": floor},
    )


@pytest.mark.parametrize(
    ("found", "floor", "state"),
    [
        (0.009, 1.1, "kept"),
        (0.010 * (LEAST_FLOOR - 0.01), 1.0, "kept"),
        (0.020, 1.1, "short"),
        (0.020, 2.1, "kept"),
        (0.020, None, "undecided"),
    ],
)
def test_worse_counts_beyond_the_noise_floor(found: float, floor: float | None, state: str) -> None:
    assert compare("latency_p99", estimate(0.010), estimate(found), floor) == state


def test_intervals_that_meet_or_are_unknown_leave_it_open() -> None:
    assert compare("latency_p99", estimate(0.010, by=0.5), estimate(0.020, by=0.5), 1.1) == "undecided"
    assert compare("latency_p99", estimate(0.010), Estimate(value=0.020), 1.1) == "undecided"


def test_more_is_better_where_it_is() -> None:
    assert compare("throughput", estimate(200.0), estimate(100.0), 1.1) == "short"
    assert compare("throughput", estimate(100.0), estimate(200.0), 1.1) == "kept"


def test_errors_where_none_were_promised() -> None:
    none = Estimate(value=0.0, low=0.0, high=0.004)
    assert compare("error_ratio", none, Estimate(value=0.05, low=0.03, high=0.08), 1.0) == "short"
    assert compare("error_ratio", none, Estimate(value=0.001, low=0.0, high=0.003), 1.0) == "undecided"


def test_a_broken_slo_falls_short_whatever_was_promised() -> None:
    found = findings(replace(promise(), metrics={}), window(estimate(0.2)), NO_USAGE)
    assert [finding.metric for finding in short(found)] == ["slo"]
    assert "breaks the bound of 100 ms" in found[0].text


def test_an_slo_that_is_only_seemingly_broken_by_less_than_noise_does_not() -> None:
    found = findings(replace(promise(), metrics={}), window(estimate(0.105, by=0.2)), NO_USAGE)
    assert [finding.state for finding in found] == ["undecided"]
    assert short(found) == ()


def test_a_promised_number_that_is_missed_falls_short_within_the_slo() -> None:
    found = findings(promise(), window(estimate(0.050)), NO_USAGE)
    assert [(finding.metric, finding.state) for finding in found] == [("slo", "kept"), ("latency_p99", "short")]
    assert "50 ms (47.5 ms to 52.5 ms), promised 10 ms (9.5 ms to 10.5 ms): worse than promised" in found[1].text


def test_bounds_on_usage_are_looked_at_where_it_was_measured() -> None:
    slo = Constraint(metric="memory", bound=100e6)
    held = promise(0.010, 1.1, slo)
    assert [f.metric for f in findings(held, window(estimate(0.010)), NO_USAGE)] == ["slo", "latency_p99"]
    found = findings(held, window(estimate(0.010)), Usage(memory_peak_bytes=200_000_000))
    assert [finding.metric for finding in short(found)] == ["memory"]
