from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.breakdown.expositions import counter, executor, histogram
from tuner.breakdown.counters import Distribution, Increase, Scrape, difference, merged, quantile, scaled, together
from tuner.load.control.scrape import parse

_BOUNDS = st.lists(st.floats(min_value=1e-4, max_value=1e3), min_size=1, max_size=12, unique=True).map(sorted)
_TIMES = st.lists(st.floats(min_value=0.0, max_value=2e3), max_size=60)


def _distribution(observed: list[float], bounds: list[float]) -> Distribution:
    edges = (*bounds, math.inf)
    return Distribution(
        count=len(observed),
        sum=math.fsum(observed),
        bounds=edges,
        cumulative=tuple(sum(one <= edge for one in observed) for edge in edges),
    )


def _scrape(distribution: Distribution, url: str = "http://a/metrics", **changes: float) -> Scrape:
    return Scrape(url=url, distributions={("d", ()): distribution}, **changes)  # type: ignore[arg-type]


@settings(deadline=None)
@given(_TIMES, _TIMES, _BOUNDS)
def test_the_difference_is_what_was_observed_in_between(
    early: list[float], late: list[float], bounds: list[float]
) -> None:
    found = difference([_scrape(_distribution(early, bounds))], [_scrape(_distribution(early + late, bounds))])
    assert found.notes == ()
    if not late:
        assert found.distributions == {}
        return
    (added,) = found.distributions.values()
    expected = _distribution(late, bounds)
    assert (added.count, added.cumulative) == (expected.count, expected.cumulative)
    assert added.sum == pytest.approx(expected.sum, abs=1e-6)


@settings(deadline=None)
@given(_TIMES.filter(bool), _BOUNDS, st.floats(min_value=0.001, max_value=1.0))
def test_the_bucket_holds_the_quantile(observed: list[float], bounds: list[float], level: float) -> None:
    found = quantile(_distribution(observed, bounds), level)
    assert found is not None
    rank = max(1, math.ceil(len(observed) * level - 1e-9))
    truth = sorted(observed)[rank - 1]
    assert found.low is not None
    assert found.low <= truth
    if found.high is None:
        assert found.value is None
        assert truth > bounds[-1]
    else:
        assert truth <= found.high
        assert found.value is not None
        assert found.low <= found.value <= found.high


@settings(deadline=None)
@given(_TIMES.filter(bool), _BOUNDS)
def test_quantiles_rise_with_their_level(observed: list[float], bounds: list[float]) -> None:
    distribution = _distribution(observed, bounds)
    found = [quantile(distribution, level) for level in np.linspace(0.01, 1.0, 25)]
    values = [math.inf if each is None or each.value is None else each.value for each in found]
    assert values == sorted(values)


@settings(deadline=None)
@given(st.lists(st.tuples(_TIMES, _BOUNDS), min_size=1, max_size=4))
def test_merged_is_the_histogram_of_all_over_the_bounds_they_share(
    parts: list[tuple[list[float], list[float]]],
) -> None:
    found = merged(_distribution(observed, bounds) for observed, bounds in parts)
    shared = set.intersection(*(set(bounds) for _, bounds in parts))
    every = [one for observed, _ in parts for one in observed]
    expected = _distribution(every, sorted(shared))
    assert (found.bounds, found.cumulative, found.count) == (expected.bounds, expected.cumulative, len(every))


def test_one_without_buckets_leaves_none_to_the_whole() -> None:
    whole = merged([_distribution([1.0], [2.0]), Distribution(count=1, sum=3.0)])
    assert whole == Distribution(count=2, sum=4.0)
    assert quantile(whole, 0.5) is None
    assert whole.mean == 2.0
    with pytest.raises(ValueError, match="no distributions"):
        merged([])


def test_interpolation_is_that_of_prometheus() -> None:
    # 10 observations up to 1, 30 more up to 2: the median is the 20th, a third into the second bucket
    found = quantile(Distribution(count=40, sum=50.0, bounds=(1.0, 2.0, math.inf), cumulative=(10, 40, 40)), 0.5)
    assert found is not None
    assert found.value == pytest.approx(1 + 10 / 30)
    assert (found.low, found.high) == (1.0, 2.0)


def test_scaled_is_the_same_in_another_unit() -> None:
    found = scaled(_distribution([5.0, 15.0], [10.0]), 1e-3)
    assert found.sum == pytest.approx(0.02)
    assert found.bounds == (0.01, math.inf)
    assert found.cumulative == (1, 2)


def test_a_counter_that_fell_began_anew_and_is_told() -> None:
    found = difference([_scrape(_distribution([1.0] * 9, [2.0]))], [_scrape(_distribution([1.0] * 4, [2.0]))])
    (added,) = found.distributions.values()
    assert added.count == 4
    (note,) = found.notes
    assert note.startswith("http://a/metrics: 1 of its counters began anew within the window")


def test_another_start_is_noticed_though_no_counter_fell() -> None:
    before = _scrape(_distribution([1.0] * 4, [2.0]), started_s=1000.0)
    after = _scrape(_distribution([1.0] * 9, [2.0]), started_s=1060.0)
    found = difference([before], [after])
    (added,) = found.distributions.values()
    assert added.count == 9
    assert "another process answered" in found.notes[0]
    same = _scrape(_distribution([1.0] * 9, [2.0]), started_s=1000.4)  # a start time computed from a corrected clock
    (added,) = difference([before], [same]).distributions.values()
    assert added.count == 5


def test_a_worker_process_that_ended_is_told() -> None:
    before = Scrape(url="u", distributions={("d", (("worker_id", "1"),)): _distribution([1.0], [2.0])})
    after = Scrape(url="u", distributions={("d", (("worker_id", "2"),)): _distribution([1.0] * 3, [2.0])})
    found = difference([before], [after])
    assert [added.count for added in found.distributions.values()] == [3]
    assert "1 of its series ended within the window" in found.notes[0]


def test_replicas_are_added_up_and_one_that_cannot_be_read_is_named() -> None:
    before = [_scrape(_distribution([], [2.0]), url=url) for url in ("a", "b")]
    after = [_scrape(_distribution([1.0] * n, [2.0]), url=url) for url, n in (("a", 2), ("b", 5))]
    found = difference([*before, Scrape(url="c", problem="refused")], [*after, Scrape(url="c")])
    (added,) = found.distributions.values()
    assert added.count == 7
    assert found.urls == ("a", "b")
    assert found.notes == ("c: refused",)
    assert difference([], [Scrape(url="d")]).notes == ("d: it was not read before the window",)


def test_counters_without_a_distribution() -> None:
    before, after = (parse("u", counter("spent_us_total", 'model="m"', value)) for value in (100.0, 160.0))
    found = difference([before], [after])
    assert found.counters == {("spent_us", (("model", "m"),)): 60.0}
    fallen = difference([after], [before])
    assert fallen.counters == {("spent_us", (("model", "m"),)): 100.0}
    assert len(fallen.notes) == 1


def test_windows_one_after_the_other_are_counted_as_one_without_what_lies_between() -> None:
    def scrape(n: int) -> Scrape:
        spent = {("spent_us", ()): 10.0 * n}
        return Scrape(url="u", distributions={("d", ()): _distribution([1.0] * n, [2.0])}, counters=spent)

    windows = [difference([scrape(early)], [scrape(late)]) for early, late in ((2, 5), (9, 13), (4, 2))]
    whole = together(windows)
    (added,) = whole.distributions.values()
    assert (added.count, added.cumulative) == (3 + 4 + 2, (9, 9))
    assert whole.counters == {("spent_us", ()): 90.0}
    assert whole.urls == ("u",)
    assert whole.notes == windows[2].notes
    assert together([]) == Increase()


def test_what_prometheus_text_holds() -> None:
    found = parse("http://x/metrics", executor(5))
    assert found.started_s == 1.7e9
    names = {name for name, _ in found.distributions}
    assert "seldon_api_executor_server_requests_seconds" in names
    (summary,) = (d for (name, _), d in found.distributions.items() if name.endswith("_summary"))
    assert summary.bounds == ()
    assert parse("u", "") == Scrape(url="u")


def test_figures_that_are_none_are_left_out() -> None:
    text = histogram("d", "", [1.0], [2.0]).replace("d_sum{} 1.0", "d_sum{} NaN")
    assert parse("u", text).distributions == {}


@settings(deadline=None)
@given(st.text())
def test_any_other_text_is_refused_with_a_reason(text: str) -> None:
    with suppress(ValueError):
        assert parse("u", text).url == "u"


@pytest.mark.parametrize("text", ["<html>", 'd{a="b" 3', "d abc", '{"a": 1}', 'd_bucket{le="x"} 1', "\x00"])
def test_what_is_no_metrics_says_so(text: str) -> None:
    typed = "# TYPE d histogram\n" + text + "\n"
    with pytest.raises(ValueError, match="not Prometheus text: "):
        parse("u", typed)
